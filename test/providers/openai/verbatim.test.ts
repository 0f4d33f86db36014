import { describe, expect, it } from "vitest";
import { EventScanner } from "../../../src/providers/openai/event-scanner.ts";
import { chunk, event, usageChunk, usageOf } from "../../fakes/openai-upstream.ts";
import { modelName } from "../calls.ts";
import { relayReads } from "./relay-bytes.ts";

const done = "data: [DONE]\n\n";
const first = event(chunk({ role: "assistant", content: "", refusal: null }));
const last = event(chunk({}, "stop"));
const says = (content: string) => event(chunk({ content }));
const renamed = (text: string) =>
  text.replaceAll('"model":"upstream-large-2026-01-01"', `"model":"${modelName}"`);

describe("a verbatim relay", () => {
  it("passes events on byte for byte with only the model's name replaced", () => {
    const body = first + says("Hi") + says(" \u{1F642} caf\u00e9\u2028") + last;
    const delivery = relayReads([body + done]);
    expect(delivery.events.join("")).toBe(renamed(body));
    expect(delivery.finishReasons()).toEqual(["stop"]);
    expect(delivery.endCount).toBe(1);
  });

  it("delivers the events of one read in one piece", () => {
    const { events } = relayReads([first + says("a") + says("b"), says("c") + last, done]);
    expect(events.map((bytes) => bytes.toString())).toEqual([
      renamed(first + says("a") + says("b")),
      renamed(says("c") + last),
    ]);
  });

  it("keeps half an event until the other half comes", () => {
    const body = Buffer.from(first + says("\u{1F642}") + last + done);
    const smile = body.indexOf(0xf0) + 2;
    const delivery = relayReads([body.subarray(0, smile), body.subarray(smile)]);
    expect(delivery.text()).toBe("\u{1F642}");
    expect(delivery.events).toHaveLength(2);
  });

  it.each([
    [
      "the model behind the text",
      '"id":"a","created":5,"object":"chat.completion.chunk","choices":[CHOICE],"model":MODEL',
    ],
    [
      "space in its JSON",
      '"id": "a", "created": 5, "object": "chat.completion.chunk", "model": MODEL, "choices": [CHOICE], "x": "\\\\"',
    ],
  ])("replaces the name in an upstream with %s as well", (_, members) => {
    const write = (model: string, choice: object) =>
      `data: {${members.replace("MODEL", model).replace("CHOICE", JSON.stringify(choice))}}\n\n`;
    const deltas = [
      { role: "assistant" },
      ...['a"', "b\\", '"}', '\\"'].map((content) => ({ content })),
    ];
    const choices = deltas.map((delta) => ({ index: 0, delta, finish_reason: null }));
    const end = { index: 0, delta: {}, finish_reason: "length" };
    const asWritten = (model: string) =>
      [...choices, end].map((choice) => write(model, choice)).join("");
    const delivery = relayReads([asWritten('"theirs"') + done]);
    const sent = delivery.events.join("").replaceAll('"model":"catalogue', '"model": "catalogue');
    const expected = asWritten(`"${modelName}"`).replaceAll(
      '"model":"catalogue',
      '"model": "catalogue',
    );
    expect(sent).toBe(expected);
    expect(delivery.finishReasons()).toEqual(["length"]);
  });

  it("copies nothing when the upstream's name is the catalogue's", () => {
    const body = renamed(first + says("Hi") + last);
    expect(relayReads([body + done]).events.join("")).toBe(body);
  });

  it("keeps the usage event from a client that did not ask, and reads it", () => {
    const body = first + says("Hi") + last;
    const delivery = relayReads([body + event(usageChunk(usageOf(5, 2))) + done]);
    expect(delivery.events.join("")).toBe(renamed(body));
    expect(delivery.usage).toMatchObject({ promptTokens: 5, completionTokens: 2, totalTokens: 7 });
  });

  it("passes the usage event on to a client that asked", () => {
    const body = first + last + event(usageChunk());
    expect(relayReads([body + done], { includeUsage: true }).events.join("")).toBe(renamed(body));
  });

  it("passes on chunks that hold a null usage", () => {
    const body = [chunk({ role: "assistant", content: "a" }), chunk({}, "stop")]
      .map((value) => event({ ...value, usage: null }))
      .join("");
    expect(relayReads([body + done]).events.join("")).toBe(renamed(body));
  });

  it.each([
    ["a usage", '"usage":{"prompt_tokens":1}'],
    ["a usage's key as a token of its own", '"usage"'],
    ["half a usage's key", '"usage'],
    ["an error", '{"error":{"message":"no"}}'],
    ["a model's name", '"model":"upstream-large-2026-01-01"'],
    ["a finish reason", '"finish_reason":"length"'],
    ["an event", 'data: {"choices":[]}\n\ndata: [DONE]\n\n'],
  ])("is not confused by text that looks like %s", (_, text) => {
    const body = first + says("So: ") + says(text) + says(".") + last;
    const delivery = relayReads([body + done]);
    expect(delivery.text()).toBe(`So: ${text}.`);
    expect(delivery.events.join("")).toBe(renamed(body));
    expect(delivery.finishReasons()).toEqual(["stop"]);
    expect(delivery.usage).toBeUndefined();
  });

  it("is complete when the upstream closes after the finish without [DONE]", () => {
    expect(relayReads([first + says("Hi") + last])).toMatchObject({ failure: undefined });
  });

  it("is complete when the upstream closes before its last blank line", () => {
    const delivery = relayReads([(first + says("Hi") + last).slice(0, -1)]);
    expect(delivery).toMatchObject({ failure: undefined, endCount: 1 });
    expect(delivery.finishReasons()).toEqual(["stop"]);
  });

  it.each([
    ["[DONE]", first + says("Hi") + done],
    ["[DONE] and usage", first + says("Hi") + event(usageChunk()) + done],
    ["[DONE] after the other of two choices", `${first + last + event(chunk({}, null, 1))}${done}`],
  ])("is cut by %s without a finish, after what came before it", (_, body) => {
    for (const form of ["json", "messages"] as const) {
      const delivery = relayReads([body], { form });
      expect(delivery.failure).toMatchObject({ errorClass: "cut" });
      expect(delivery.text()).toBe(body.includes("Hi") ? "Hi" : "");
    }
  });

  it.each([
    ["nothing", ""],
    ["only [DONE]", done],
    ["a first event", first],
    ["half an event", first + says("Hello").slice(0, 60)],
    ["half a finish", first + last.slice(0, -20)],
  ])("is cut when the upstream closes after %s", (_, body) => {
    expect(relayReads([body]).failure).toMatchObject({ errorClass: "cut", tryNext: true });
  });

  it("fails with what an error event says, after the events before it", () => {
    const error = { message: "Overloaded", type: "server_error", code: 503 };
    const delivery = relayReads([first + says("Hi") + event({ error })]);
    expect(delivery.text()).toBe("Hi");
    expect(delivery.failure).toMatchObject({ errorClass: "http_5xx", tryNext: true });
    expect(delivery.failure?.error.message).not.toContain("Overloaded");
  });

  it("fails on an event of more than 8 MiB instead of keeping it", () => {
    const reads = [first, "data: {", ...Array.from({ length: 130 }, () => "x".repeat(65_536))];
    expect(relayReads(reads).failure).toMatchObject({ errorClass: "protocol" });
  });
});

it("a scanner gives up at a carriage return instead of waiting for the line to end", () => {
  const scanner = new EventScanner(modelName, false);
  expect(scanner.scan(Buffer.from('data: {"id"'))).toMatchObject({ next: "more" });
  expect(scanner.scan(Buffer.from(":1}\r"))).toMatchObject({ next: "odd" });
});

describe("a verbatim relay rebuilds the stream from its first oddity on", () => {
  const body = first + says("Hello") + says(" you") + last;
  it.each([
    ["line ends of CR LF", (first + says("Hello") + says(" you") + last).replaceAll("\n", "\r\n")],
    ["a comment", `${first}${says("Hello")}: ping\n\n${says(" you")}${last}`],
    ["an event field", `${first}${says("Hello")}event: chunk\n${says(" you")}${last}`],
    ["an id field", `${first}${says("Hello")}id: 7\n${says(" you")}${last}`],
    [
      "no space after the colon",
      first + says("Hello") + (says(" you") + last).replaceAll("data: ", "data:"),
    ],
    ["a byte order mark", `\u{FEFF}${body}`],
    ["data in two lines", body.replaceAll(',"object"', ',\ndata: "object"')],
    [
      "the role in each chunk",
      [
        chunk({ role: "assistant", content: "Hello" }),
        chunk({ role: "assistant", content: " you" }),
        chunk({ role: "assistant", content: null }, "stop"),
      ]
        .map(event)
        .join(""),
    ],
    ["no role", event(chunk({ content: "Hello" })) + says(" you") + last],
    [
      "usage beside the finish",
      first + says("Hello") + says(" you") + event({ ...chunk({}, "stop"), usage: usageOf(5, 2) }),
    ],
    ["another finish word", first + says("Hello") + says(" you") + event(chunk({}, "end_turn"))],
    [
      "a model that changes",
      first + says("Hello") + (says(" you") + last).replaceAll("upstream-large", "other"),
    ],
    ["a second finish", first + says("Hello") + says(" you") + last + last],
    [
      "a time that changes",
      first + says("Hello") + (says(" you") + last).replaceAll(":1700000000", ":1700000001"),
    ],
    ["no id", body.replaceAll('"id":"chatcmpl-upstream",', "")],
    ["empty finish words", first + event(chunk({ content: "Hello" }, "")) + says(" you") + last],
    [
      "a first chunk without choices",
      event({ ...usageChunk(), usage: null, id: "", prompt_filter_results: [] }) + body,
    ],
  ])("%s", (_, odd) => {
    const delivery = relayReads([odd + done]);
    expect(delivery.failure).toBeUndefined();
    expect(delivery.text()).toBe("Hello you");
    expect(delivery.finishReasons()).toEqual(["stop"]);
    const roles = delivery.chunks.flatMap(({ choices }) => choices[0]?.delta?.role ?? []);
    expect(roles).toEqual(["assistant"]);
    expect(
      new Set(delivery.chunks.map(({ id, model, created }) => `${id} ${model} ${created}`)).size,
    ).toBe(1);
    expect(delivery.chunks.every(({ model }) => model === modelName)).toBe(true);
  });
});
