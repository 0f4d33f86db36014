import { fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  CreateChatCompletionRequestSchema,
  StreamChatCompletionResponseSchema,
} from "../../src/gen/optamil/v1/chat_pb.ts";
import { jsonCodec } from "../../src/platform/json.ts";

const requests = jsonCodec(CreateChatCompletionRequestSchema);
const chunks = jsonCodec(StreamChatCompletionResponseSchema);

const text = fc.oneof(fc.string({ maxLength: 12 }), fc.constantFrom("", "äß", "😀", "\n\u0000"));
const uint32 = fc.integer({ min: 0, max: 4294967295 });
const double = fc.double({ noNaN: true, noDefaultInfinity: true });
// Once it saw a key that ends in a backslash, V8 mistakes other keys for it (nodejs/node#63785).
const isSafe = (value: unknown) => !/__proto__|\\\\":/.test(JSON.stringify(value));
const json = fc.jsonValue({ maxDepth: 3 }).filter(isSafe);
const struct = fc.dictionary(text, json, { maxKeys: 3, noNullPrototype: true }).filter(isSafe);

/** An object with some required and some optional keys; every undeclared key begins with "x_". */
function object<T>(
  required: Record<string, fc.Arbitrary<T>>,
  optional: Record<string, fc.Arbitrary<T>>,
) {
  const extra = fc
    .dictionary(
      text.map((name) => `x_${name}`),
      json,
      { maxKeys: 2 },
    )
    .filter(isSafe);
  const declared = fc.record({ ...required, ...optional }, { requiredKeys: Object.keys(required) });
  return fc.tuple(declared, extra).map(([some, more]) => ({ ...some, ...more }));
}
/** What is repeated and empty counts as absent, and so it is not made here. */
const many = <T>(item: fc.Arbitrary<T>) => fc.array(item, { minLength: 1, maxLength: 3 });
const named = (value: fc.Arbitrary<unknown>) =>
  fc.dictionary(text, value, { minKeys: 1, maxKeys: 3, noNullPrototype: true }).filter(isSafe);

const part = object<unknown>(
  { type: text },
  {
    text,
    image_url: object<unknown>({ url: text }, { detail: text }),
    input_audio: struct,
    refusal: text,
  },
);
const content = fc.oneof(text, fc.array(part, { maxLength: 2 }));
const call = object<unknown>(
  {},
  {
    index: uint32,
    id: text,
    type: text,
    function: object<unknown>({}, { name: text, arguments: text }),
    custom: struct,
  },
);
const message = object<unknown>(
  { role: text },
  { content, name: text, tool_calls: many(call), tool_call_id: text, audio: struct },
);
const choice = fc.oneof(text, struct);
const definition = object<unknown>(
  { name: text },
  { description: text, parameters: struct, strict: fc.boolean() },
);

const request = object<unknown>(
  { model: text, messages: fc.array(message, { maxLength: 3 }) },
  {
    audio: object<unknown>({ format: text, voice: json }, {}),
    frequency_penalty: double,
    functions: many(definition),
    logit_bias: named(double),
    logprobs: fc.boolean(),
    max_tokens: uint32,
    metadata: named(text),
    modalities: many(text),
    moderation: struct,
    n: uint32,
    prediction: object<unknown>({ type: text, content }, {}),
    response_format: object<unknown>(
      { type: text },
      { json_schema: object<unknown>({ name: text }, { schema: struct, strict: fc.boolean() }) },
    ),
    seed: fc.maxSafeInteger(),
    stop: fc.oneof(text, fc.array(text)),
    stream: fc.boolean(),
    stream_options: object<unknown>({}, { include_usage: fc.boolean() }),
    tool_choice: choice,
    tools: many(object<unknown>({ type: text }, { function: definition, custom: struct })),
    user: text,
  },
);

const chunk = object<unknown>(
  {
    id: text,
    object: text,
    created: fc.maxSafeInteger(),
    model: text,
    choices: fc.array(
      object<unknown>(
        {
          index: uint32,
          delta: object<unknown>({}, { role: text, content: text, tool_calls: many(call) }),
          logprobs: fc.option(struct),
          finish_reason: fc.option(text),
        },
        {},
      ),
      { maxLength: 2 },
    ),
  },
  {
    usage: object<unknown>(
      { prompt_tokens: uint32, completion_tokens: uint32, total_tokens: uint32 },
      { prompt_tokens_details: object<unknown>({}, { cached_tokens: uint32 }) },
    ),
    service_tier: text,
  },
);

// As a client sends it: JSON has no -0.
const asSent = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

describe("JSON comes back unchanged", () => {
  it("from any request, through the message and through its binary form", () => {
    const schema = CreateChatCompletionRequestSchema;
    fc.assert(
      fc.property(request.map(asSent), (value) => {
        const read = requests.decode(value);
        expect(requests.encode(read)).toEqual(value);
        const again = fromBinary(schema, toBinary(schema, read));
        expect(again).toEqual(read);
        expect(asSent(JSON.parse(requests.encodeText(again)))).toEqual(value);
      }),
      { numRuns: 100 },
    );
  });

  it("from any chunk, through the message and through its binary form", () => {
    const schema = StreamChatCompletionResponseSchema;
    fc.assert(
      fc.property(chunk.map(asSent), (value) => {
        const read = chunks.decode(value);
        expect(chunks.encode(read)).toEqual(value);
        expect(chunks.encode(fromBinary(schema, toBinary(schema, read)))).toEqual(value);
      }),
      { numRuns: 100 },
    );
  });
});

describe("anything else", () => {
  it("is refused with invalid_request, or read without loss of what was declared", () => {
    const wild = fc.dictionary(
      fc.constantFrom("model", "messages", "stop", "tools", "n", "seed", "audio", "metadata", "x"),
      json,
    );
    fc.assert(
      fc.property(wild.map(asSent), (value) => {
        const { message, problems } = requests.decodeAll(value);
        if (problems.length === 0) expect(requests.decode(value)).toEqual(message);
        else expect(() => requests.decode(value)).toThrow(problems[0]?.message);
        for (const problem of problems) expect(problem.message).toMatch(/^Invalid .+: .+\.$/s);
      }),
      { numRuns: 200 },
    );
  });
});
