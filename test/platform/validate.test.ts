import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConfigSchema } from "../../src/gen/optamil/config/v1/config_pb.ts";
import { SignUpRequestSchema } from "../../src/gen/optamil/v1/accounts_pb.ts";
import { CreateChatCompletionRequestSchema } from "../../src/gen/optamil/v1/chat_pb.ts";
import { acceptorOf } from "../../src/platform/accept.ts";
import { OptamilError } from "../../src/platform/errors.ts";
import { jsonCodec } from "../../src/platform/json.ts";
import { validatorOf, violationsOf } from "../../src/platform/validate.ts";
import { compileProto } from "../setup/compile-proto.ts";

const requests = jsonCodec(CreateChatCompletionRequestSchema);
const validate = validatorOf(CreateChatCompletionRequestSchema);
const hello = { model: "auto", messages: [{ role: "user", content: "Hello" }] };

/** The refusal of a request, as message and param. */
function refusalOf(value: Record<string, unknown>): [string, string | undefined] {
  try {
    validate(requests.decode({ ...hello, ...value }));
  } catch (error) {
    if (!(error instanceof OptamilError)) throw error;
    expect(error.code).toBe("invalid_request");
    return [error.message, error.param];
  }
  throw new Error("the request was not refused");
}

describe("a chat request", () => {
  it("that keeps all rules is taken", () => {
    expect(validate(requests.decode({ ...hello, temperature: 2, stop: ["a"] }))).toBeUndefined();
  });

  it.each<[Record<string, unknown>, string, string | undefined]>([
    [
      { temperature: 3 },
      "Invalid 'temperature': must be greater than or equal to 0 and less than or equal to 2.",
      "temperature",
    ],
    [{ model: "" }, "Invalid 'model': must be at least 1 characters.", "model"],
    [{ messages: [] }, "Invalid 'messages': must contain at least 1 item(s).", "messages"],
    [
      { messages: [{ role: "robot" }] },
      "Invalid 'messages[0].role': must be in list [developer, system, user, assistant, tool, function].",
      "messages[0].role",
    ],
    [
      { stop: ["a", "b", "c", "d", "e"] },
      "Invalid 'stop': must contain no more than 4 item(s).",
      "stop",
    ],
    [
      { messages: [{ role: "user", content: [{ type: "text" }, { type: "" }] }] },
      "Invalid 'messages[0].content[1].type': must be at least 1 characters.",
      "messages[0].content[1].type",
    ],
    [
      { tool_choice: "never" },
      "Invalid 'tool_choice': must be in list [none, auto, required].",
      "tool_choice",
    ],
    [
      { logit_bias: { "50256": 101 } },
      "Invalid 'logit_bias.50256': must be greater than or equal to -100 and less than or equal to 100.",
      "logit_bias.50256",
    ],
    [
      { max_tokens: 1, max_completion_tokens: 1 },
      "Invalid JSON: set either max_tokens or max_completion_tokens, not both.",
      undefined,
    ],
    [
      { tools: [{ type: "function" }] },
      "Invalid 'tools[0]': function is required with type function.",
      "tools[0]",
    ],
  ])("with %j is refused by its JSON path", (value, sentence, param) => {
    expect(refusalOf(value)).toEqual([sentence, param]);
  });

  it("that holds NaN, which gRPC can send, is refused", () => {
    const message = create(CreateChatCompletionRequestSchema, {
      ...requests.decode(hello),
      temperature: Number.NaN,
    });
    expect(() => validate(message)).toThrow(/'temperature'/);
  });
});

describe("a configuration", () => {
  it("is told every rule that it breaks, in the spelling of the file", () => {
    const config = jsonCodec(ConfigSchema).decode({
      port: 70000,
      publicUrl: "not a url",
      providers: [{ name: "A b", baseUrl: ":", models: [{ name: "" }] }],
    });
    expect(violationsOf(ConfigSchema)(config).map(({ path }) => path)).toEqual([
      "port",
      "publicUrl",
      "providers[0].name",
      "providers[0].baseUrl",
      "providers[0].models[0].name",
    ]);
  });
});

it("an address that is none is refused at sign-up", () => {
  const check = validatorOf(SignUpRequestSchema);
  const message = create(SignUpRequestSchema, { email: "nobody" });
  expect(() => check(message)).toThrow("Invalid 'email': must be a valid email address.");
});

it("a rule that cannot be compiled is an error at start, not at the first request", async () => {
  const { message } = await compileProto(`message Broken {
    option (buf.validate.message).cel = {id: "broken" expression: "this.nothing == 1"};
    string a = 1;
  }`);
  expect(() => validatorOf(message("Broken"))).toThrow();
});

describe("the quick look at a chat request", () => {
  const accepts = acceptorOf(CreateChatCompletionRequestSchema);
  const violations = violationsOf(CreateChatCompletionRequestSchema);

  it.each<Record<string, unknown>>([
    {},
    { temperature: 0, top_p: 1, max_tokens: 1, n: 128, seed: -1 },
    { messages: [{ role: "user", content: [{ type: "text", text: "a" }] }] },
    { tools: [{ type: "function", function: { name: "f_1", parameters: { type: "object" } } }] },
    { tools: [{ type: "custom", custom: {} }], tool_choice: "auto", logit_bias: { 1: 100 } },
    { response_format: { type: "json_schema", json_schema: { name: "x", schema: {} } } },
    { stop: ["a", "b", "c", "d"], metadata: { a: "b" }, stream_options: { include_usage: true } },
  ])("takes %j without the validator", (value) => {
    expect(accepts(requests.decode({ ...hello, ...value }))).toBe(true);
  });

  it("takes nothing that the validator refuses", () => {
    const number = fc.oneof(fc.integer({ min: -200, max: 200 }), fc.double());
    const text = fc.oneof(
      fc.string({ maxLength: 4, unit: "binary" }),
      fc.constantFrom("user", "function", "json_schema", "auto", "free", "a".repeat(257)),
    );
    const tool = fc.record(
      { type: text, function: fc.record({ name: text }) },
      { requiredKeys: ["type"] },
    );
    const format = fc.record(
      { type: text, json_schema: fc.record({ name: text }) },
      { requiredKeys: ["type"] },
    );
    const content = fc.oneof(text, fc.array(fc.record({ type: text }), { maxLength: 2 }));
    const member = (name: string, value: fc.Arbitrary<unknown>) =>
      value.map((one): Record<string, unknown> => ({ [name]: one }));
    const change = fc.oneof(
      member("model", text),
      member("messages", fc.array(fc.record({ role: text, content }), { maxLength: 2 })),
      ...["temperature", "frequency_penalty", "top_p"].map((name) => member(name, number)),
      member("logit_bias", fc.dictionary(fc.constantFrom("1", "2"), number)),
      ...["max_tokens", "max_completion_tokens"].map((name) => member(name, fc.nat({ max: 2 }))),
      ...["n", "top_logprobs"].map((name) => member(name, fc.nat({ max: 200 }))),
      member("stop", fc.array(text, { maxLength: 6 })),
      member("tool_choice", text),
      member("tools", fc.array(tool, { maxLength: 2 })),
      member("response_format", format),
      member("optamil", fc.record({ quality: number, tier_min: text }, { requiredKeys: [] })),
    );
    const request = fc
      .array(change, { maxLength: 3 })
      .map((changes) => Object.assign({}, hello, ...changes));
    let accepted = 0;
    const check = fc.property(request, (value) => {
      const { message, problems } = requests.decodeAll(value);
      if (problems.length > 0 || !accepts(message)) return;
      accepted += 1;
      expect(violations(message)).toEqual([]);
    });
    fc.assert(check, { numRuns: 1_000 });
    expect(accepted).toBeGreaterThan(100);
  });

  it("takes no message with a rule that it does not know", async () => {
    const { message } = await compileProto(`
      message Odd {
        string address = 1 [(buf.validate.field).string.email = true];
      }
      message Computed {
        option (buf.validate.message).cel = {id: "c", message: "m", expression: "this.a > this.b"};
        int32 a = 1;
        int32 b = 2;
      }
      message Needing {
        Odd odd = 1 [(buf.validate.field).required = true];
      }`);
    for (const name of ["Odd", "Computed", "Needing"]) {
      const schema = message(name);
      expect(acceptorOf(schema)(create(schema))).toBe(false);
    }
  });
});
