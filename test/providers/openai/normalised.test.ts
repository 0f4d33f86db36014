import { describe, expect, it } from "vitest";
import { chunk, event, usageChunk, usageOf } from "../../fakes/openai-upstream.ts";
import { modelName } from "../calls.ts";
import { nowSeconds, type RelayCase, relayReads } from "./relay-bytes.ts";

const done = "data: [DONE]\n\n";
const first = chunk({ role: "assistant", content: "Hi" });
const last = chunk({}, "stop");

function relay(values: readonly object[], given: RelayCase = {}) {
  return relayReads([values.map(event).join("") + done], { relay: "normalised", ...given });
}

/** The deltas that a client gets for these. */
function deltasOf(deltas: readonly object[]): unknown[] {
  const chunks = deltas.map((delta) => chunk(delta));
  const { chunks: sent } = relay([...chunks, last]);
  return sent.slice(0, -1).map(({ choices }) => choices[0]?.delta);
}

describe("a normalised relay", () => {
  it("gives every chunk the id, time and model of the first", () => {
    const { chunks } = relay([
      { ...first, id: "a", created: 5, model: "one" },
      { ...last, id: "b", created: 6, model: "two" },
    ]);
    const frames = chunks.map(({ id, created, model }) => ({ id, created, model }));
    const expected = { id: "a", created: 5n, model: modelName };
    expect(frames).toEqual([expected, expected]);
  });

  it("makes up the id and the time that an upstream leaves out", () => {
    const [sent] = relay([{ choices: [{ delta: { content: "Hi" } }] }, last]).chunks;
    const created = BigInt(nowSeconds);
    expect(sent).toMatchObject({ id: "chatcmpl-req-1", created, object: "chat.completion.chunk" });
    expect(sent?.choices[0]).toMatchObject({ index: 0, delta: { role: "assistant" } });
  });

  it("leaves out roles that repeat, and nulls", () => {
    const [start, ...others] = deltasOf([
      { role: null, content: "a", refusal: null },
      { role: "", content: "b", tool_calls: null, reasoning_content: null },
      { role: "assistant", content: null },
    ]);
    expect(start).toMatchObject({ role: "assistant", content: "a" });
    expect(others).toEqual([expect.objectContaining({ content: "b" }), expect.anything()]);
    for (const delta of others) expect(delta).not.toHaveProperty("role");
    expect(others[1]).not.toHaveProperty("content");
  });

  it("joins the texts of a content that comes in parts", () => {
    const parts = [{ type: "thinking" }, { type: "text", text: "a" }, { type: "text", text: "b" }];
    expect(deltasOf([{ content: parts }])).toMatchObject([{ content: "ab" }]);
  });

  it("passes on reasoning and members that it does not know", () => {
    const [delta] = deltasOf([{ content: "a", reasoning_content: "why", mood: "good" }]);
    expect(delta).toMatchObject({ reasoningContent: "why", extra: { mood: "good" } });
  });

  it.each([
    ["stop", "stop"],
    ["end_turn", "stop"],
    ["STOP", "stop"],
    ["eos_token", "stop"],
    ["MAX_TOKENS", "length"],
    ["model_length", "length"],
    ["tool_use", "tool_calls"],
    ["SAFETY", "content_filter"],
    ["function_call", "function_call"],
  ])("shows the finish %s as %s", (theirs, ours) => {
    expect(relay([first, chunk({}, theirs)]).finishReasons()).toEqual([ours]);
  });

  it.each(["error", "insufficient_system_resource"])("fails on the finish %s", (word) => {
    expect(relay([first, chunk({}, word)]).failure).toMatchObject({ errorClass: "upstream_error" });
  });

  it("finishes a choice once, however often the upstream does", () => {
    const delivery = relay([first, last, last, usageChunk()]);
    expect(delivery.finishReasons()).toEqual(["stop"]);
    expect(delivery.chunks).toHaveLength(2);
  });

  it("waits for every choice before a close counts as the end", () => {
    const one = [chunk({ content: "a" }, null, 0), chunk({ content: "b" }, null, 1)];
    const bytes = (values: object[]) => [values.map(event).join("")];
    const cut = relayReads(bytes([...one, chunk({}, "stop", 0)]), { n: 2 });
    const whole = relayReads(bytes([...one, chunk({}, "stop", 0), chunk({}, "length", 1)]), {
      n: 2,
    });
    expect(cut.failure).toMatchObject({ errorClass: "cut" });
    expect(whole.failure).toBeUndefined();
  });

  it.each([
    ["in a chunk of its own", [last, usageChunk(usageOf(5, 2))]],
    ["beside the finish", [{ ...last, usage: usageOf(5, 2) }]],
    ["in every chunk, growing", [{ ...last, usage: usageOf(5, 1) }, usageChunk(usageOf(5, 2))]],
    ["in the choice", [{ choices: [{ finish_reason: "stop", usage: usageOf(5, 2) }] }]],
  ])("reports usage that comes %s in a last chunk, to whom asked", (_, values) => {
    const asked = relay([first, ...values], { includeUsage: true });
    const others = relay([first, ...values]);
    const usage = { promptTokens: 5, completionTokens: 2, totalTokens: 7 };
    expect(asked.usage).toMatchObject(usage);
    expect(asked.chunks.at(-1)).toMatchObject({ choices: [], usage });
    expect(asked.chunks.filter((sent) => sent.usage !== undefined)).toHaveLength(1);
    expect(others.usage).toMatchObject(usage);
    expect(others.chunks.filter((sent) => sent.usage !== undefined)).toHaveLength(0);
  });

  it("reads counts whose details have a shape of the provider's own", () => {
    const usage = { ...usageOf(5, 2), prompt_tokens_details: "none" };
    expect(relay([first, last, usageChunk(usage)]).usage).toMatchObject({ promptTokens: 5 });
  });

  it("reports no usage when the counts are no counts", () => {
    const usage = { prompt_tokens: "many", completion_tokens: 1.5 };
    const delivery = relay([first, last, usageChunk(usage)], { includeUsage: true });
    expect(delivery).toMatchObject({ usage: undefined, failure: undefined });
  });

  it("fails on an event that is no JSON", () => {
    const delivery = relayReads([event(first), "data: <html>\n\n"], { relay: "normalised" });
    expect(delivery.failure).toMatchObject({ errorClass: "protocol" });
    expect(delivery.text()).toBe("Hi");
  });

  it("takes an error event whose data is the error itself", () => {
    const data = 'event: error\ndata: {"message":"Overloaded"}\n\n';
    const { failure } = relayReads([event(first), data], { relay: "normalised" });
    expect(failure).toMatchObject({ errorClass: "upstream_error", tryNext: true });
  });
});

describe("fragments of tool calls", () => {
  const piece = (text: string, rest: object = {}) => ({ function: { arguments: text }, ...rest });
  const start = (id: string | undefined, name: string, rest: object = {}) => ({
    ...(id === undefined ? {} : { id }),
    function: { name, arguments: "" },
    ...rest,
  });
  const fragmentsOf = (fragments: readonly object[]) =>
    relay([...fragments.map((fragment) => chunk({ tool_calls: [fragment] })), last])
      .chunks.flatMap(({ choices }) => choices[0]?.delta?.toolCalls ?? [])
      .map(({ index, id }) => [index, id]);

  it.each([
    [
      "keep the indexes that the upstream gave",
      [start("x", "f", { index: 0 }), piece("{}", { index: 0 }), start("y", "g", { index: 1 })],
      [
        [0, "x"],
        [0, undefined],
        [1, "y"],
      ],
    ],
    [
      "get indexes where there are none",
      [start("x", "f"), piece("{}"), start("y", "g"), piece("{}")],
      [
        [0, "x"],
        [0, undefined],
        [1, "y"],
        [1, undefined],
      ],
    ],
    [
      "of parallel calls get distinct indexes when all came with 0",
      [start("x", "f", { index: 0 }), start("y", "g", { index: 0 }), piece("{}", { index: 0 })],
      [
        [0, "x"],
        [1, "y"],
        [1, undefined],
      ],
    ],
    [
      "show the id once when the upstream repeats it",
      [start("x", "f", { index: 0 }), { ...piece("{}", { index: 0 }), id: "x" }],
      [
        [0, "x"],
        [0, undefined],
      ],
    ],
    [
      "get an id where there is none",
      [start(undefined, "f", { index: 0 }), piece("{}", { index: 0 })],
      [
        [0, "call_req-1_0_0"],
        [0, undefined],
      ],
    ],
  ])("%s", (_, fragments, expected) => {
    expect(fragmentsOf(fragments)).toEqual(expected);
  });

  it("become text when the upstream sends arguments as an object", () => {
    const call = { id: "x", function: { name: "f", arguments: { a: 1 } } };
    expect(deltasOf([{ tool_calls: [call] }])).toMatchObject([
      { toolCalls: [{ type: "function", function: { name: "f", arguments: '{"a":1}' } }] },
    ]);
  });
});

describe("an answer to a request for a stream that is no stream", () => {
  const contentType = "application/json";
  it("fails with its error", () => {
    const body = {
      error: { message: "Bad schema.", type: "invalid_request_error", param: "tools" },
    };
    const { failure } = relayReads([JSON.stringify(body)], { contentType });
    expect(failure).toMatchObject({ errorClass: "http_400", tryNext: false });
    expect(failure?.error).toMatchObject({ message: "Bad schema.", param: "tools" });
  });

  it("fails as a breach of protocol when it is a whole answer or a page", () => {
    const whole = relayReads([JSON.stringify({ choices: [] })], { contentType });
    const page = relayReads(["<html>Welcome</html>"], { contentType: "text/html" });
    expect([whole, page].map(({ failure }) => failure?.tryNext)).toEqual([true, true]);
    expect(whole.failure?.errorClass).toBe("protocol");
  });
});

describe.each(["verbatim", "normalised"] as const)(
  "a %s relay whose server sends no finish",
  (mode) => {
    const lab = { relay: mode, doneEndsStreams: true };
    const call = (fields: object) => ({ tool_calls: [{ index: 0, ...fields }] });
    const hello = call({ id: "call_1", type: "function", function: { name: "hello" } });

    it("finishes the answer at [DONE]", () => {
      const delivery = relay([first, chunk({ content: "!" }), usageChunk()], lab);
      expect(delivery.failure).toBeUndefined();
      expect(delivery.finishReasons()).toEqual(["stop"]);
      expect(delivery.chunks.map(({ choices }) => choices[0]?.delta?.content)).toEqual([
        "Hi",
        "!",
        undefined,
      ]);
      expect(delivery.usage).toMatchObject({ promptTokens: 7, completionTokens: 3 });
    });

    it("finishes tool calls as such", () => {
      const delivery = relay(
        [first, chunk(hello), chunk(call({ function: { arguments: "{}" } }))],
        lab,
      );
      expect(delivery.finishReasons()).toEqual(["tool_calls"]);
    });

    it("leaves a finish as it is where there is one", () => {
      expect(relay([first, chunk({}, "length")], lab).finishReasons()).toEqual(["length"]);
    });

    it("still fails where the body ends without [DONE], and where nothing was said", () => {
      const { failure } = relayReads([event(first)], lab);
      expect(failure).toMatchObject({ errorClass: "cut" });
      expect(relay([chunk({ role: "assistant" })], lab).failure).toMatchObject({
        errorClass: "cut",
      });
    });
  },
);
