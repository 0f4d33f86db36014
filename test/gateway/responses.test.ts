import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toResponse } from "../../src/gateway/responses/answer.ts";
import { ResponseTranslator } from "../../src/gateway/responses/events.ts";
import {
  CreateChatCompletionResponseSchema,
  StreamChatCompletionResponseSchema,
} from "../../src/gen/optamil/v1/chat_pb.ts";
import {
  CreateResponseRequestSchema,
  CreateResponseResponseSchema,
  type StreamResponseResponse,
  StreamResponseResponseSchema,
} from "../../src/gen/optamil/v1/responses_pb.ts";
import { OptamilError } from "../../src/platform/errors.ts";
import { jsonCodec } from "../../src/platform/json.ts";

const requests = jsonCodec(CreateResponseRequestSchema);
const responses = jsonCodec(CreateResponseResponseSchema);
const streamed = jsonCodec(StreamResponseResponseSchema);
const chatAnswers = jsonCodec(CreateChatCompletionResponseSchema);
const chatChunks = jsonCodec(StreamChatCompletionResponseSchema);

const word = fc.stringMatching(/^[a-z]{1,8}$/);
const pieces = fc.array(fc.string({ minLength: 1, maxLength: 8 }), { maxLength: 3 });
const answers = fc.record({
  ...{ reasoning: pieces, signature: fc.option(word), redacted: fc.option(word) },
  ...{ content: pieces, refusal: pieces, summary: fc.boolean() },
  calls: fc.array(fc.record({ name: word, pieces }), { maxLength: 3 }),
  custom: fc.array(word, { maxLength: 2 }),
  order: fc.array(fc.nat(), { minLength: 9, maxLength: 9 }),
  finish_reason: fc.constantFrom("stop", "length", "tool_calls", "content_filter"),
  usage: fc.option(fc.record({ prompt_tokens: fc.nat(), completion_tokens: fc.nat() })),
});
type Answer = typeof answers extends fc.Arbitrary<infer T> ? T : never;

const frame = { id: "chatcmpl-1", created: 7, model: "m" };
const usageOf = ({ usage }: Answer) => {
  if (usage === null) return {};
  return { usage: { ...usage, total_tokens: usage.prompt_tokens + usage.completion_tokens } };
};

/** The chat answer in one piece. */
function toWhole(answer: Answer) {
  const { reasoning, signature, redacted, content, refusal, calls, finish_reason } = answer;
  const thinking = reasoning.join("");
  const blocks = [
    ...(signature === null ? [] : [{ type: "thinking", thinking, signature }]),
    ...(redacted === null ? [] : [{ type: "redacted_thinking", data: redacted }]),
  ];
  const message = {
    ...{ role: "assistant", content: content.join(""), refusal: refusal.join("") },
    ...{ reasoning_content: thinking, thinking_blocks: blocks },
    tool_calls: calls.map(({ name, pieces: texts }, at) => ({
      ...{ id: `call_${at}`, type: "function" },
      function: { name, arguments: texts.join("") },
    })),
  };
  const choices = [{ index: 0, message, logprobs: null, finish_reason }];
  return chatAnswers.decode({ ...frame, object: "chat.completion", choices, ...usageOf(answer) });
}

/** The same in chunks: calls begin one after the other, and then go on in any order. */
function toChunks(answer: Answer) {
  const { reasoning, signature, redacted, content, refusal, calls, order, finish_reason } = answer;
  const rest = calls.map(({ pieces: texts }) => [...texts]);
  const begun = calls.map(({ name }, index) => ({
    tool_calls: [
      { index, id: `call_${index}`, type: "function", function: { name, arguments: "" } },
    ],
  }));
  const turns = rest.flatMap((texts, index) => texts.map(() => index));
  const mixed = turns
    .map((index, at) => ({ index, key: order[at] ?? 0 }))
    .toSorted((a, b) => a.key - b.key)
    .map(({ index }) => ({
      tool_calls: [{ index, function: { arguments: rest[index]?.shift() ?? "" } }],
    }));
  const sign = (block: object) => ({ thinking_blocks: [block] });
  const deltas = [
    { role: "assistant", content: "" },
    ...reasoning.map((reasoning_content) => ({ reasoning_content })),
    ...(signature === null ? [] : [sign({ type: "thinking", thinking: "", signature })]),
    ...(redacted === null ? [] : [sign({ type: "redacted_thinking", data: redacted })]),
    ...content.map((one) => ({ content: one })),
    ...refusal.map((one) => ({ refusal: one })),
    ...[...begun, ...mixed],
  ];
  const chunk = (choices: object[], more: object = {}) =>
    chatChunks.decode({ ...frame, object: "chat.completion.chunk", choices, ...more });
  const choice = (delta: object, reason: string | null) => ({
    ...{ index: 0, delta, logprobs: null, finish_reason: reason },
  });
  return [
    ...deltas.map((delta) => chunk([choice(delta, null)])),
    chunk([choice({}, finish_reason)]),
    chunk([], usageOf(answer)),
  ];
}

type Part = Record<string, string>;
type Item = {
  readonly id: string;
  readonly status: string;
  content?: Part[];
  readonly summary?: Part[];
  arguments?: string;
  input?: string;
};
type Wire = {
  readonly type: string;
  readonly output_index: number;
  readonly item_id: string;
  readonly item: Item;
  readonly part: Part;
  readonly delta?: string;
  readonly content_index: number;
  readonly summary_index: number;
} & { readonly [whole in "text" | "refusal" | "arguments" | "input"]: string };

/** What a strict client adds up. Fails where an event is out of its place, or says another thing than its pieces. */
class Client {
  readonly items: Item[] = [];
  readonly #done = new Set<number>();

  take(event: Wire): void {
    const { type, output_index: at, item, item_id, part, delta } = event;
    const name = type.replace(/^response\./, "");
    if (name === "output_item.added") {
      expect(at).toBe(this.items.length);
      this.items.push(item);
      return;
    }
    const open = this.items[at];
    if (open === undefined) throw new Error(`${type} before its item`);
    expect(this.#done.has(at), type).toBe(false);
    if (name === "output_item.done") {
      this.#done.add(at);
      expect({ ...open, status: item.status }).toEqual(without(item, "encrypted_content"));
      this.items[at] = item;
      return;
    }
    expect(open.id).toBe(item_id);
    if (name.startsWith("function_call_arguments")) {
      if (delta === undefined) expect(open.arguments).toBe(event.arguments);
      else open.arguments += delta;
      return;
    }
    if (name.startsWith("custom_tool_call_input")) {
      if (delta === undefined) expect(open.input).toBe(event.input);
      else open.input += delta;
      return;
    }
    const isSummary = name.includes("summary");
    const list = (isSummary ? open.summary : open.content) ?? [];
    const place = isSummary ? event.summary_index : event.content_index;
    if (name.endsWith("part.added")) {
      expect(place).toBe(list.length);
      list.push(part);
      if (!isSummary) open.content = list;
      return;
    }
    const said = list[place] ?? {};
    expect(place).toBe(list.length - 1);
    const key = name.startsWith("refusal") ? "refusal" : "text";
    if (name.endsWith("part.done")) expect(part).toEqual(said);
    else if (delta === undefined) expect(event[key]).toBe(said[key]);
    else said[key] += delta;
  }

  get isDone(): boolean {
    return this.#done.size === this.items.length;
  }
}

function without(value: object, name: string): object {
  return Object.fromEntries(Object.entries(value).filter(([key]) => key !== name));
}

const inJson = (events: readonly StreamResponseResponse[]) =>
  events.map((event) => JSON.parse(streamed.encodeText(event)));

describe("the events of a stream", () => {
  it("are numbered, stay in their places and add up to the response in one piece", () => {
    fc.assert(
      fc.property(answers, (answer) => {
        const reasoning = answer.summary ? { summary: "auto" } : {};
        const names = [...answer.custom, ...answer.calls.slice(1).map(({ name }) => name)];
        const tools = names.map((name) => ({ type: "custom", name }));
        const request = requests.decode({ model: "m", input: "x", reasoning, tools });
        const translator = new ResponseTranslator(request);
        const middle = toChunks(answer).flatMap((chunk) => translator.chunks([chunk]));
        const events = inJson([...middle, ...translator.end()]);
        expect(events.map(({ sequence_number: at }) => at)).toEqual([...events.keys()]);
        expect(events.slice(0, 2).map(({ type }) => type)).toEqual([
          "response.created",
          "response.in_progress",
        ]);
        const client = new Client();
        for (const event of events.slice(2, -1)) client.take(event);
        expect(client.isDone).toBe(true);
        const whole = JSON.parse(responses.encodeText(toResponse(request, toWhole(answer))));
        const last = events.at(-1);
        expect(last.type).toBe(`response.${whole.status}`);
        expect(last.response).toEqual(whole);
        expect(client.items).toEqual(whole.output);
      }),
      { numRuns: 500 },
    );
  });

  it("end in an error and in what had come, however far it was", () => {
    fc.assert(
      fc.property(answers, fc.nat(), (answer, cut) => {
        const translator = new ResponseTranslator(requests.decode({ model: "m", input: "x" }));
        const chunks = toChunks(answer);
        const came = chunks.slice(0, cut % chunks.length);
        const before = came.flatMap((chunk) => translator.chunks([chunk]));
        const error = new OptamilError("service_unavailable", "It broke.");
        const events = inJson([...before, ...translator.failure(error)]);
        expect(events.map(({ sequence_number: at }) => at)).toEqual([...events.keys()]);
        const [told, failed] = events.slice(before.length);
        expect(told).toMatchObject({ type: "error", code: "server_error", message: "It broke." });
        if (came.length === 0) return;
        expect(failed.response).toMatchObject({
          ...{ status: "failed", error: { code: "server_error", message: "It broke." } },
        });
        const begun = events.filter(({ type }) => type === "response.output_item.added");
        const ids = (items: { id: string }[]) => items.map(({ id }) => id);
        expect(ids(failed.response.output)).toEqual(ids(begun.map(({ item }) => item)));
      }),
    );
  });

  it("know only the first choice, and wait in silence", () => {
    const translator = new ResponseTranslator(requests.decode({ model: "m", input: "x" }));
    const other = { index: 1, delta: { content: "no" } };
    const chunk = create(StreamChatCompletionResponseSchema, { id: "1", choices: [other] });
    expect(inJson(translator.chunks([chunk]))).toHaveLength(2);
    expect(translator.ping()).toEqual([]);
  });
});

it.each([
  ["rate_limit_exceeded", "rate_limit_exceeded"],
  ["context_length_exceeded", "invalid_prompt"],
  ["internal", "server_error"],
] as const)("a stream that breaks by %s says %s", (code, wanted) => {
  const translator = new ResponseTranslator(requests.decode({ model: "m", input: "x" }));
  const [event] = inJson(translator.failure(new OptamilError(code, "No.", { param: "input" })));
  expect(event).toMatchObject({ code: wanted, param: "input", error: { code: wanted } });
});
