import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toMessage } from "../../src/gateway/messages/answer.ts";
import { MessageTranslator } from "../../src/gateway/messages/events.ts";
import { toChatRequest } from "../../src/gateway/messages/request.ts";
import {
  CreateChatCompletionRequestSchema,
  CreateChatCompletionResponseSchema,
  StreamChatCompletionResponseSchema,
} from "../../src/gen/optamil/v1/chat_pb.ts";
import {
  CreateMessageRequestSchema,
  CreateMessageResponseSchema,
  type StreamMessageResponse,
} from "../../src/gen/optamil/v1/messages_pb.ts";
import { jsonCodec } from "../../src/platform/json.ts";
import { anthropic } from "../../src/providers/anthropic.ts";

const requests = jsonCodec(CreateMessageRequestSchema);
const answers = jsonCodec(CreateMessageResponseSchema);
const chatRequests = jsonCodec(CreateChatCompletionRequestSchema);
const chatAnswers = jsonCodec(CreateChatCompletionResponseSchema);

const filled = fc.string({ minLength: 1, maxLength: 20 });
const word = fc.stringMatching(/^[a-z_]{1,12}$/);
const base64 = fc
  .uint8Array({ maxLength: 12 })
  .map((bytes) => Buffer.from(bytes).toString("base64"));
const input = fc
  .dictionary(word, fc.jsonValue({ maxDepth: 2 }))
  .map((value): Record<string, unknown> => JSON.parse(JSON.stringify(value)));
const marks = fc.constantFrom({}, { cache_control: { type: "ephemeral" } });

const text = fc.tuple(filled, marks).map(([said, mark]) => ({ type: "text", text: said, ...mark }));
const source = (mediaType: string) =>
  fc.oneof(
    base64.map((data) => ({ type: "base64", media_type: mediaType, data })),
    fc.webUrl().map((url) => ({ type: "url", url })),
  );
const image = source("image/png").map((from) => ({ type: "image", source: from }));
const document = fc
  .tuple(source("application/pdf"), word)
  .map(([from, title]) => ({ type: "document", source: from, title }));
const thought = fc.oneof(
  fc.tuple(fc.string(), filled).map(([thinking, signature]) => ({
    ...{ type: "thinking", thinking, signature },
  })),
  filled.map((data) => ({ type: "redacted_thinking", data })),
);
const call = fc
  .tuple(word, input)
  .map(([name, given]) => ({ type: "tool_use", id: `toolu_${name}`, name, input: given }));
const result = (id: string) =>
  fc
    .tuple(
      fc.oneof(fc.string(), fc.array(fc.oneof(text, image))),
      fc.constantFrom({}, { is_error: true }),
    )
    .map(([content, failed]) => ({ type: "tool_result", tool_use_id: id, content, ...failed }));

/** A question, an answer with thoughts and calls, the results of these calls, and so on. */
const rounds = fc.array(
  fc
    .tuple(
      fc.array(thought, { maxLength: 2 }),
      fc.array(text, { maxLength: 2 }),
      fc.array(call, { maxLength: 3 }),
    )
    .filter(([thoughts, texts, calls]) => thoughts.length + texts.length + calls.length > 0)
    .chain(([thoughts, texts, calls]) =>
      fc.record({
        said: fc.constant([...thoughts, ...texts, ...calls]),
        asked: fc.tuple(
          fc.tuple(...calls.map(({ id }) => result(id))),
          fc.array(fc.oneof(text, image, document), { minLength: 1, maxLength: 3 }),
        ),
      }),
    ),
  { maxLength: 3 },
);
const conversation = fc.tuple(filled, rounds).map(([first, later]) => [
  { role: "user", content: first },
  ...later.flatMap(({ said, asked }) => [
    { role: "assistant", content: said },
    { role: "user", content: asked.flat() },
  ]),
]);
const tool = fc
  .record({ name: word, description: filled, mark: marks })
  .map(({ mark, ...described }) => ({ ...described, input_schema: { type: "object" }, ...mark }));
const choice = fc.oneof(
  fc.constantFrom({ type: "auto" }, { type: "any" }, { type: "none" }),
  word.map((name) => ({ type: "tool", name })),
  fc.constant({ type: "auto", disable_parallel_tool_use: true }),
);
const sampling = fc.oneof(
  fc.constantFrom(1_024, 4_096, 16_384).map((budget_tokens) => ({
    thinking: { type: "enabled", budget_tokens },
  })),
  fc.record(
    {
      temperature: fc.double({ min: 0, max: 1, noNaN: true }).map((value) => value + 0),
      top_p: fc.double({ min: 0, max: 1, noNaN: true }).map((value) => value + 0),
      top_k: fc.nat({ max: 500 }),
    },
    { requiredKeys: [] },
  ),
);
const request = fc
  .tuple(
    fc.record(
      {
        max_tokens: fc.integer({ min: 16_385, max: 64_000 }),
        messages: conversation,
        system: filled,
        stop_sequences: fc.array(filled, { minLength: 1, maxLength: 3 }),
        metadata: word.map((user_id) => ({ user_id })),
      },
      { requiredKeys: ["max_tokens", "messages"] },
    ),
    fc.oneof(
      fc.constant({}),
      fc.record(
        { tools: fc.array(tool, { minLength: 1, maxLength: 3 }), tool_choice: choice },
        { requiredKeys: ["tools"] },
      ),
    ),
    sampling,
  )
  .map((parts) => Object.assign({ model: "claude" }, ...parts));

type Block = { readonly type: string; readonly content?: unknown };

/** Texts as the blocks that they stand for; an empty text is no block. */
function toBlocks(content: unknown): unknown {
  if (typeof content === "string") return content === "" ? [] : [{ type: "text", text: content }];
  if (!Array.isArray(content)) return [];
  return content.map((block: Block) =>
    block.type === "tool_result" ? { ...block, content: toBlocks(block.content) } : block,
  );
}

const normalised = (messages: readonly { role: string; content: unknown }[]) =>
  messages.map(({ role, content }) => ({ role, content: toBlocks(content) }));

/** Whether the API would refuse to think: a tool is forced, or the calls to think on about came without thoughts. */
function cannotThink({ thinking, tools, tool_choice, messages }: Record<string, unknown>): boolean {
  if (thinking === undefined) return false;
  const isForced = /"(any|tool)"/.test(JSON.stringify(tool_choice ?? {}));
  const turns: { role: string; content: Block[] }[] = Array.isArray(messages) ? messages : [];
  const last = turns.findLast(({ role }) => role === "assistant")?.content ?? [];
  const calls = last.some(({ type }) => type === "tool_use");
  return (tools !== undefined && isForced) || (calls && !last[0]?.type.endsWith("thinking"));
}

it("a request goes through a chat request to Anthropic without loss", () => {
  fc.assert(
    fc.property(request, (given) => {
      fc.pre(!cannotThink(given));
      const chat = toChatRequest(requests.decode(given), false);
      const value = JSON.parse(chatRequests.encodeText(chat));
      expect(anthropic.dropped(value, "claude")).toEqual([]);
      const sent = anthropic.request(value, "claude", false);
      expect(sent).toEqual({ ...given, messages: normalised(given.messages) });
    }),
    { numRuns: 500 },
  );
});

const ending = fc.oneof(
  fc.constantFrom("end_turn", "max_tokens", "tool_use", "refusal").map((stop_reason) => ({
    ...{ stop_reason, stop_sequence: null },
  })),
  filled.map((stop_sequence) => ({ stop_reason: "stop_sequence", stop_sequence })),
);
const tokens = fc.nat({ max: 1_000_000 });
const message = fc.record({
  id: word.map((id) => `msg_${id}`),
  type: fc.constant("message"),
  role: fc.constant("assistant"),
  model: fc.constant("claude"),
  content: fc
    .tuple(
      fc.oneof(
        fc.array(thought, { maxLength: 2 }),
        filled.map((thinking) => [{ type: "thinking", thinking, signature: "" }]),
      ),
      fc.array(filled, { maxLength: 1 }),
      fc.array(call, { maxLength: 3 }),
    )
    .map(([thoughts, texts, calls]) => [
      ...thoughts,
      ...texts.map((said) => ({ type: "text", text: said })),
      ...calls,
    ]),
  usage: fc.record({
    input_tokens: tokens,
    cache_creation_input_tokens: tokens,
    cache_read_input_tokens: tokens,
    output_tokens: tokens,
  }),
});
const answer = fc.tuple(message, ending).map(([said, end]) => ({ ...said, ...end }));

it("an answer of Anthropic's comes through a chat answer without loss", () => {
  fc.assert(
    fc.property(answer, (given) => {
      const frame = { object: "chat.completion", created: 0, model: "claude" };
      const chat = chatAnswers.decode({ ...frame, ...anthropic.answer(given) });
      expect(answers.encode(toMessage(chat))).toEqual(given);
    }),
    { numRuns: 500 },
  );
});

describe("the events of a stream", () => {
  /** A call in pieces, which come in any order with those of others. */
  const cut = (whole: string, at: readonly number[]): string[] => {
    const places = [0, ...at.map((place) => place % (whole.length + 1)), whole.length];
    const sorted = places.toSorted((a, b) => a - b);
    return sorted.slice(1).map((end, before) => whole.slice(sorted[before], end));
  };
  const callPieces = fc
    .array(fc.tuple(word, input, fc.array(fc.nat({ max: 100 }), { maxLength: 3 })), {
      maxLength: 3,
    })
    .chain((calls) => {
      const pieces = calls.flatMap(([, given, at], index) =>
        cut(JSON.stringify(given), at).map(() => index),
      );
      return fc.record({
        calls: fc.constant(calls),
        order: fc.shuffledSubarray(pieces, { minLength: pieces.length }),
      });
    });

  /** What a client adds up; fails where blocks overlap. */
  function addUp(events: readonly StreamMessageResponse[]) {
    const blocks: { type: string; said: string }[] = [];
    let open: { type: string; said: string } | undefined;
    for (const { type, index, contentBlock, delta } of events) {
      if (type === "content_block_start") {
        expect(open).toBeUndefined();
        expect(index).toBe(blocks.length);
        open = { type: contentBlock?.type ?? "", said: contentBlock?.name ?? "" };
        blocks.push(open);
      } else if (type === "content_block_delta") {
        if (open === undefined) throw new Error("a delta without a block");
        expect(index).toBe(blocks.length - 1);
        open.said += `${delta?.text ?? ""}${delta?.thinking ?? ""}${delta?.partialJson ?? ""}`;
      } else if (type === "content_block_stop") {
        expect(index).toBe(blocks.length - 1);
        open = undefined;
      }
    }
    expect(open).toBeUndefined();
    return blocks;
  }

  it("add up to the whole answer, block by block, however the pieces of calls alternate", () => {
    const thoughts = fc.array(filled, { maxLength: 3 });
    fc.assert(
      fc.property(
        thoughts,
        fc.array(fc.string(), { maxLength: 3 }),
        callPieces,
        (hm, said, made) => {
          const pieces = made.calls.map(([, given, at]) => cut(JSON.stringify(given), at));
          const begun = new Set<number>();
          const deltas = [
            ...hm.map((reasoningContent) => ({ reasoningContent })),
            ...said.map((content) => ({ content })),
            ...made.order.map((index) => {
              const isFirst = !begun.has(index);
              begun.add(index);
              const name = made.calls[index]?.[0] ?? "";
              const called = { arguments: pieces[index]?.shift() ?? "", ...(isFirst && { name }) };
              return { toolCalls: [{ index, ...(isFirst && { id: name }), function: called }] };
            }),
          ];
          const translator = new MessageTranslator();
          const chunks = deltas.map((delta) =>
            create(StreamChatCompletionResponseSchema, { id: "1", choices: [{ index: 0, delta }] }),
          );
          const events = chunks.flatMap((chunk) => translator.chunks([chunk]));
          const wanted = [
            ...(hm.length > 0 ? [{ type: "thinking", said: hm.join("") }] : []),
            ...(said.join("") === "" ? [] : [{ type: "text", said: said.join("") }]),
            ...[...begun].map((index) => {
              const [name = "", given = {}] = made.calls[index] ?? [];
              return { type: "tool_use", said: `${name}${JSON.stringify(given)}` };
            }),
          ];
          const blocks = addUp([...events, ...translator.end()]);
          expect(blocks.filter(({ type }) => type !== "tool_use")).toEqual(
            wanted.filter(({ type }) => type !== "tool_use"),
          );
          expect(blocks.map(({ said: one }) => one).toSorted()).toEqual(
            wanted.map(({ said: one }) => one).toSorted(),
          );
        },
      ),
      { numRuns: 500 },
    );
  });
});
