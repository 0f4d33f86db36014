import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { ConfigSchema } from "../../src/gen/optamil/config/v1/config_pb.ts";
import { SignUpRequestSchema } from "../../src/gen/optamil/v1/accounts_pb.ts";
import { CreateChatCompletionRequestSchema } from "../../src/gen/optamil/v1/chat_pb.ts";
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
