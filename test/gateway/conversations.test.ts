/** Conversations that are carried from chat to another API's form, by its clients and back, in all that they hold. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { toMessage } from "../../src/gateway/messages/answer.ts";
import { toChatRequest as fromMessages } from "../../src/gateway/messages/request.ts";
import { toResponse } from "../../src/gateway/responses/answer.ts";
import { toChatRequest as fromResponses } from "../../src/gateway/responses/request.ts";
import {
  CreateChatCompletionRequestSchema,
  CreateChatCompletionResponseSchema,
} from "../../src/gen/optamil/v1/chat_pb.ts";
import {
  CreateMessageRequestSchema,
  CreateMessageResponseSchema,
} from "../../src/gen/optamil/v1/messages_pb.ts";
import {
  CreateResponseRequestSchema,
  CreateResponseResponseSchema,
} from "../../src/gen/optamil/v1/responses_pb.ts";
import { jsonCodec } from "../../src/platform/json.ts";

const chatRequests = jsonCodec(CreateChatCompletionRequestSchema);
const chatAnswers = jsonCodec(CreateChatCompletionResponseSchema);
const messageRequests = jsonCodec(CreateMessageRequestSchema);
const messageAnswers = jsonCodec(CreateMessageResponseSchema);
const responseRequests = jsonCodec(CreateResponseRequestSchema);
const responseAnswers = jsonCodec(CreateResponseResponseSchema);

const filled = fc.string({ minLength: 1, maxLength: 20 });
const word = fc.stringMatching(/^[a-z]{1,8}$/);
const base64 = fc
  .uint8Array({ minLength: 1, maxLength: 12 })
  .map((bytes) => Buffer.from(bytes).toString("base64"));
const input = fc
  .dictionary(word, fc.jsonValue({ maxDepth: 2 }))
  .map((value): Record<string, unknown> => JSON.parse(JSON.stringify(value)));

/** What is said, in no API's words. */
type Said =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "image"; readonly data: string }
  | { readonly kind: "link"; readonly url: string }
  | { readonly kind: "file"; readonly data: string; readonly name: string };

const text = filled.map((said): Said => ({ kind: "text", text: said }));
const image = fc.oneof(
  base64.map((data): Said => ({ kind: "image", data })),
  fc.webUrl().map((url): Said => ({ kind: "link", url })),
);
const file = fc.tuple(base64, word).map(([data, name]): Said => ({ kind: "file", data, name }));
const tokens = fc.nat({ max: 1_000_000 });

/** A question, its answer, and what the tools gave that it calls. */
const round = fc
  .record({
    asked: fc.array(fc.oneof(text, image, file), { minLength: 1, maxLength: 3 }),
    reasoning: fc.option(filled),
    signature: fc.option(filled),
    said: fc.option(filled),
    calls: fc.array(
      fc.record({
        ...{ name: word, input },
        result: fc.array(fc.oneof(text, image), { minLength: 1, maxLength: 2 }),
      }),
      { maxLength: 3 },
    ),
    usage: fc.record({ fresh: tokens, read: tokens, written: tokens, output: tokens }),
    reasoned: tokens,
  })
  .filter(({ said, calls }) => said !== null || calls.length > 0);
type Round = typeof round extends fc.Arbitrary<infer T> ? T : never;

const choice = fc.oneof(
  fc.constantFrom("auto", "none", "required"),
  word.map((name) => ({ type: "function", function: { name } })),
);
const tool = fc.record({ name: word, description: filled });
const conversation = fc.record({
  system: filled,
  rounds: fc.array(round, { minLength: 1, maxLength: 3 }),
  tools: fc.array(tool, { minLength: 1, maxLength: 2 }),
  choice,
});

/** A list of parts, or the text that is all of it. */
const asContent = (parts: readonly { readonly type: string; readonly text?: string }[]) =>
  parts.length === 1 && parts[0]?.type === "text" ? parts[0].text : parts;
const png = (data: string) => `data:image/png;base64,${data}`;
const pdf = (data: string) => `data:application/pdf;base64,${data}`;
const callId = (at: number, place: number) => `call_${at}_${place}`;

function inChat(said: Said) {
  switch (said.kind) {
    case "text":
      return { type: "text", text: said.text };
    case "file":
      return { type: "file", file: { file_data: pdf(said.data), filename: said.name } };
    default:
      return { type: "image_url", image_url: { url: "url" in said ? said.url : png(said.data) } };
  }
}

/** The answer of a round as a provider's, and what of it a chat client sends back. */
function answerOf({ reasoning, signature, said, calls, usage, reasoned }: Round, at: number) {
  const { fresh, read, written, output } = usage;
  const prompt = fresh + read + written;
  const tool_calls = calls.map(({ name, input: given }, place) => ({
    ...{ id: callId(at, place), type: "function" },
    function: { name, arguments: JSON.stringify(given) },
  }));
  const signed =
    reasoning === null || signature === null
      ? {}
      : { thinking_blocks: [{ type: "thinking", thinking: reasoning, signature }] };
  const message = { role: "assistant", ...(tool_calls.length > 0 && { tool_calls }), ...signed };
  const answer = {
    ...{ id: `chatcmpl-${at}`, object: "chat.completion", created: 1, model: "m" },
    choices: [
      {
        ...{ index: 0, finish_reason: tool_calls.length > 0 ? "tool_calls" : "stop" },
        message: {
          ...{ ...message, content: said, refusal: null },
          ...(reasoning !== null && { reasoning_content: reasoning }),
        },
        logprobs: null,
      },
    ],
    usage: {
      ...{ prompt_tokens: prompt, completion_tokens: output, total_tokens: prompt + output },
      prompt_tokens_details: { cached_tokens: read, cache_write_tokens: written },
      completion_tokens_details: { reasoning_tokens: reasoned },
    },
  };
  const sentBack = {
    ...{ ...message, ...(said !== null && { content: said }) },
    // Who has not called a tool does not reason on.
    ...(reasoning !== null && calls.length > 0 && { reasoning_content: reasoning }),
  };
  return { answer, sentBack };
}

/** The conversation as a chat client sends it. */
function toChat({ system, rounds, tools, choice: tool_choice }: Conversation) {
  const messages = rounds.flatMap((one, at) => [
    { role: "user", content: asContent(one.asked.map(inChat)) },
    answerOf(one, at).sentBack,
    ...one.calls.map(({ result }, place) => ({
      ...{ role: "tool", tool_call_id: callId(at, place) },
      content: asContent(result.map(inChat)),
    })),
  ]);
  return {
    messages: [{ role: "system", content: system }, ...messages],
    tools: tools.map((one) => ({
      type: "function",
      function: { ...one, parameters: { type: "object" } },
    })),
    tool_choice,
  };
}
type Conversation = typeof conversation extends fc.Arbitrary<infer T> ? T : never;

/** A chat request in JSON, without thinking that nobody signed: Anthropic's form alone writes that down. */
function read(text: string) {
  const { messages, tools, tool_choice } = JSON.parse(text);
  for (const message of messages) {
    const blocks: { signature?: string }[] = message.thinking_blocks ?? [];
    if (blocks.every(({ signature }) => !signature)) delete message.thinking_blocks;
  }
  return { messages, tools, tool_choice };
}

function inResponses(said: Said) {
  switch (said.kind) {
    case "text":
      return { type: "input_text", text: said.text };
    case "file":
      return { type: "input_file", file_data: pdf(said.data), filename: said.name };
    default:
      return { type: "input_image", image_url: "url" in said ? said.url : png(said.data) };
  }
}

it("a conversation goes through Responses without loss, and so does what it used", () => {
  fc.assert(
    fc.property(conversation, (given) => {
      const { system, rounds, tools, choice: wanted } = given;
      const asks = responseRequests.decode({ model: "m", input: "x" });
      const items = rounds.flatMap((one, at) => {
        const { answer } = answerOf(one, at);
        const whole = toResponse(asks, chatAnswers.decode(answer));
        const { output, usage } = JSON.parse(responseAnswers.encodeText(whole));
        expect({
          ...{ prompt_tokens: usage.input_tokens, completion_tokens: usage.output_tokens },
          ...{ total_tokens: usage.total_tokens },
          prompt_tokens_details: usage.input_tokens_details,
          completion_tokens_details: usage.output_tokens_details,
        }).toEqual(answer.usage);
        return [
          { role: "user", content: one.asked.map(inResponses) },
          ...output,
          ...one.calls.map(({ result }, place) => ({
            ...{ type: "function_call_output", call_id: callId(at, place) },
            output: result.map(inResponses),
          })),
        ];
      });
      const request = responseRequests.decode({
        ...{ model: "m", instructions: system, input: items },
        tools: tools.map((one) => ({ type: "function", ...one, parameters: { type: "object" } })),
        tool_choice: typeof wanted === "string" ? wanted : { type: "function", ...wanted.function },
      });
      const carried = chatRequests.encodeText(fromResponses(request, false));
      expect(read(carried)).toEqual(toChat(given));
    }),
    { numRuns: 200 },
  );
});

function inMessages(said: Said) {
  const base = (media_type: string, data: string) => ({ type: "base64", media_type, data });
  switch (said.kind) {
    case "text":
      return { type: "text", text: said.text };
    case "file":
      return { type: "document", source: base("application/pdf", said.data), title: said.name };
    case "image":
      return { type: "image", source: base("image/png", said.data) };
    case "link":
      return { type: "image", source: { type: "url", url: said.url } };
  }
}

const anthropicChoices: Readonly<Record<string, object>> = {
  ...{ auto: { type: "auto" }, none: { type: "none" }, required: { type: "any" } },
};

it("a conversation goes through Anthropic's messages without loss, and so does what it used", () => {
  fc.assert(
    fc.property(conversation, (given) => {
      const { system, rounds, tools, choice: wanted } = given;
      const turns = rounds.flatMap((one, at) => {
        const { answer } = answerOf(one, at);
        const whole = toMessage(chatAnswers.decode(answer));
        const { content, usage } = JSON.parse(messageAnswers.encodeText(whole));
        const { fresh, read: cached, written, output } = one.usage;
        expect(usage).toEqual({
          ...{ input_tokens: fresh, cache_read_input_tokens: cached },
          ...{ cache_creation_input_tokens: written, output_tokens: output },
        });
        const results = one.calls.map(({ result }, place) => ({
          ...{ type: "tool_result", tool_use_id: callId(at, place) },
          content: result.map(inMessages),
        }));
        return [
          { role: "user", content: one.asked.map(inMessages) },
          { role: "assistant", content },
          ...(results.length > 0 ? [{ role: "user", content: results }] : []),
        ];
      });
      const request = messageRequests.decode({
        ...{ model: "m", max_tokens: 1, system, messages: turns },
        tools: tools.map((one) => ({ ...one, input_schema: { type: "object" } })),
        tool_choice:
          typeof wanted === "string"
            ? anthropicChoices[wanted]
            : { type: "tool", ...wanted.function },
      });
      const carried = chatRequests.encodeText(fromMessages(request, false));
      expect(read(carried)).toEqual(toChat(given));
    }),
    { numRuns: 200 },
  );
});
