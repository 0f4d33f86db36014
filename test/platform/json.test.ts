import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { ConfigSchema } from "../../src/gen/optamil/config/v1/config_pb.ts";
import {
  CreateChatCompletionRequestSchema,
  CreateChatCompletionResponseSchema,
  StreamChatCompletionResponseSchema,
} from "../../src/gen/optamil/v1/chat_pb.ts";
import { GetUsageResponseSchema } from "../../src/gen/optamil/v1/usage_pb.ts";
import { OptamilError } from "../../src/platform/errors.ts";
import { jsonCodec } from "../../src/platform/json.ts";

const requests = jsonCodec(CreateChatCompletionRequestSchema);
const responses = jsonCodec(CreateChatCompletionResponseSchema);
const chunks = jsonCodec(StreamChatCompletionResponseSchema);
const usage = jsonCodec(GetUsageResponseSchema);

/** The refusal of a value, as message and param. */
function refusalOf(
  codec: { decode: (value: unknown) => unknown },
  value: unknown,
): [string, string | undefined] {
  try {
    codec.decode(value);
  } catch (error) {
    if (!(error instanceof OptamilError)) throw error;
    expect(error.code).toBe("invalid_request");
    return [error.message, error.param];
  }
  throw new Error("the value was not refused");
}

const hello = { model: "auto", messages: [{ role: "user", content: "Hello" }] };

describe("a chat request", () => {
  it.each<[string, unknown, string, string | undefined]>([
    ["no object", [], "Invalid JSON: expected an object, got an array.", undefined],
    ["no model", { messages: [] }, "Invalid 'model': missing.", "model"],
    [
      "a null model",
      { ...hello, model: null },
      "Invalid 'model': expected a string, got null.",
      "model",
    ],
    [
      "a content of the wrong type",
      { ...hello, messages: [{ role: "user", content: 5 }] },
      "Invalid 'messages[0].content': expected a string or an array, got a number.",
      "messages[0].content",
    ],
    [
      "a part without a type",
      { ...hello, messages: [{ role: "user", content: [{ text: "a" }] }] },
      "Invalid 'messages[0].content[0].type': missing.",
      "messages[0].content[0].type",
    ],
    [
      "null in a list",
      { ...hello, messages: [null] },
      "Invalid 'messages[0]': expected an object, got null.",
      "messages[0]",
    ],
    [
      "null in a list of stop texts",
      { ...hello, stop: ["a", null] },
      "Invalid 'stop[1]': expected a string, got null.",
      "stop[1]",
    ],
    [
      "a fraction of a token",
      { ...hello, max_tokens: 1.5 },
      "Invalid 'max_tokens': expected a whole number from 0 to 4294967295, got 1.5.",
      "max_tokens",
    ],
    [
      "a number in metadata",
      { ...hello, metadata: { a: 1 } },
      "Invalid 'metadata.a': expected a string, got a number.",
      "metadata.a",
    ],
    [
      "an odd key",
      { ...hello, logit_bias: { "5.0 ": "x" } },
      'Invalid \'logit_bias["5.0 "]\': expected a number, got "x".',
      'logit_bias["5.0 "]',
    ],
  ])("with %s is refused by its path", (_name, value, sentence, param) => {
    expect(refusalOf(requests, value)).toEqual([sentence, param]);
  });

  it("with an infinite number is refused, also as 1e400", () => {
    const [sentence] = refusalOf(requests, JSON.parse('{"model":"a","messages":[],"top_p":1e400}'));
    expect(sentence).toBe("Invalid 'top_p': expected a number, got Infinity.");
  });

  it("keeps keys that nobody declared, at every level, also through protobuf", () => {
    const value = {
      ...hello,
      new_thing: { a: [1, null] },
      messages: [{ role: "user", content: [{ type: "new", shape: 1 }], cache: true }],
      extra: "a key like any other",
    };
    const read = requests.decode(value);
    expect(read.extra).toEqual({ new_thing: { a: [1, null] }, extra: "a key like any other" });
    const schema = CreateChatCompletionRequestSchema;
    expect(requests.encode(fromBinary(schema, toBinary(schema, read)))).toEqual(value);
  });

  it("has explicit nulls as absent fields, but keeps them inside of free objects", () => {
    const value = { ...hello, temperature: null, tools: null, stop: null, moderation: { a: null } };
    expect(requests.encode(requests.decode(value))).toEqual({ ...hello, moderation: { a: null } });
  });

  it("never gets a prototype from its keys", () => {
    const evil: unknown = JSON.parse('{"__proto__":{"polluted":1}}');
    expect(() => requests.decode({ ...hello, metadata: evil })).toThrow(/not allowed/);
    expect(() => requests.decode(Object.assign(evil ?? {}, hello))).toThrow(/not allowed/);
    const read = create(CreateChatCompletionRequestSchema, {
      metadata: Object(evil),
      extra: Object(evil),
    });
    expect(Object.keys(requests.encode(read))).toEqual(["model", "messages", "metadata"]);
    expect(Object.getPrototypeOf(requests.encode(read))).toBe(Object.prototype);
  });

  it("is written with the declared field where an undeclared key has the same name", () => {
    const read = create(CreateChatCompletionRequestSchema, {
      model: "a",
      extra: { model: "b", x: 1 },
    });
    expect(requests.encode(read)).toEqual({ model: "a", messages: [], x: 1 });
  });

  it("names the place of a mistake below the path that it was given", () => {
    expect(() => requests.decode({}, "request")).toThrow("Invalid 'request.model': missing.");
  });

  it("is not echoed at length: a key of a client is cut", () => {
    const [sentence, param] = refusalOf(requests, {
      ...hello,
      metadata: { ["k".repeat(5000)]: 1 },
    });
    expect(sentence.length).toBeLessThan(400);
    expect(param?.length).toBeLessThan(300);
  });
});

describe("an answer", () => {
  it("says null where OpenAI does, zero where it is required, and nothing else that is unset", () => {
    const message = create(CreateChatCompletionResponseSchema, { choices: [{ message: {} }] });
    expect(responses.encode(message)).toEqual({
      id: "",
      object: "",
      created: 0,
      model: "",
      choices: [
        {
          index: 0,
          message: { role: "", content: null, refusal: null },
          logprobs: null,
          finish_reason: null,
        },
      ],
    });
  });

  it("has a required message that is not set as an empty one", () => {
    const message = create(StreamChatCompletionResponseSchema, { choices: [{}] });
    expect(chunks.encode(message)["choices"]).toEqual([
      { index: 0, delta: {}, logprobs: null, finish_reason: null },
    ]);
  });

  it("is read although it leaves out what may be null", () => {
    const chunk = {
      id: "a",
      object: "o",
      created: 1,
      model: "m",
      choices: [{ index: 0, delta: {} }],
    };
    expect(chunks.decode(chunk).choices[0]?.finishReason).toBeUndefined();
  });
});

describe("credits", () => {
  it.each([
    [342_000_000n, "342"],
    [342_250_000n, "342.25"],
    [0n, "0"],
    [1n, "0.000001"],
    [-1_500_000n, "-1.5"],
    [9_007_199_254_740_993n, "9007199254.740993"],
    [9_223_372_036_854_775_807n, "9223372036854.775807"],
    [-9_223_372_036_854_775_808n, "-9223372036854.775808"],
  ])("of %s micro-credits are the exact number %s", (creditsUsedMicro, text) => {
    const message = create(GetUsageResponseSchema, { creditsUsedMicro });
    expect(usage.encodeText(message)).toMatch(new RegExp(`"credits_used":${text},`));
    const read = usage.decode({ ...usage.encode(message), tier_breakdown: tiers });
    expect(read.creditsUsedMicro).toBe(creditsUsedMicro);
  });

  const tiers = { free: 0, budget: 0, mid: 0, premium: 0, ultra: 0 };
  it.each<[unknown, RegExp]>([
    [0.0000001, /up to 6 decimal places, got 1e-7/],
    ["1.0000001", /up to 6 decimal places/],
    ["1e3", /up to 6 decimal places/],
    ["9223372036854.775808", /out of range/],
    [9007199254.740993, /too large to be exact/],
    [1e21, /up to 6 decimal places/],
  ])("of %s are refused", (credits_used, reason) => {
    expect(() => usage.decode({ credits_used })).toThrow(reason);
  });
});

describe("a configuration", () => {
  const config = jsonCodec(ConfigSchema);

  it("has keys in camel case", () => {
    const value = {
      publicUrl: "http://a",
      providers: [{ name: "a", apiKeyEnv: "A", models: ["b"] }],
    };
    expect(config.encode(config.decode(value))).toEqual(value);
  });

  it("is told all its mistakes at once", () => {
    const { problems } = config.decodeAll({
      host: 1,
      prot: 8080,
      providers: [{ kind: "openai", models: [5, { upstreamName: 7 }] }, null],
      limits: { bodyBytesMax: -1 },
    });
    expect(problems.map(({ message }) => message)).toEqual([
      "Invalid 'host': expected a string, got a number.",
      "Invalid 'prot': unknown field.",
      "Invalid 'providers[0].models[0]': expected a string or an object, got a number.",
      "Invalid 'providers[0].models[1].upstreamName': expected a string, got a number.",
      "Invalid 'providers[0].models[1].name': missing.",
      "Invalid 'providers[0].name': missing.",
      "Invalid 'providers[1]': expected an object, got null.",
      "Invalid 'limits.bodyBytesMax': expected a whole number from 0 to 4294967295, got -1.",
    ]);
    expect(problems[0]?.path).toBe("host");
  });

  it("that is no object is one mistake", () => {
    const { message, problems } = config.decodeAll("x");
    expect(message.providers).toEqual([]);
    expect(problems).toEqual([
      { path: "", message: "Invalid JSON: expected an object, got a string." },
    ]);
  });
});
