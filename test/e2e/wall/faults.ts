/** What upstreams do wrong, and what a client is to see of it: one table for every door. */
import { gzipSync } from "node:zlib";
import {
  message,
  messageEnd,
  messageStart,
  named,
  textBlock,
} from "../../fakes/anthropic-upstream.ts";
import { response as geminiResponse } from "../../fakes/gemini-upstream.ts";
import {
  chunk,
  completion,
  event,
  type Play,
  playJson,
  playStream,
  playText,
  usageChunk,
  usageOf,
} from "../../fakes/openai-upstream.ts";
import type { Fault, Seen } from "./fault.ts";
import { stalls } from "./stalls.ts";

/** Whole answers that cost nothing: their providers say that nothing was used. */
export const freeOfCharge: ReadonlySet<string> = new Set(["usage of nothing"]);

const text = "Hello \u{1F642}";
const done = "data: [DONE]\n\n";
const complete = (said = text): Seen => ({ end: "complete", text: said });
const broken = (said = "Hello"): Seen => ({
  end: "broken",
  text: said,
  type: "service_unavailable",
});
const refused = (type = "service_unavailable"): Seen => ({ end: "refused", text: "", type });

const first = event(chunk({ role: "assistant", content: "Hello" }));
const rest = event(chunk({ content: " \u{1F642}" }));
const stop = event(chunk({}, "stop"));
const good = first + rest + stop + event(usageChunk()) + done;

/** Every byte in a write of its own. */
const bytewise = (whole: string) => [...Buffer.from(whole)].map((byte) => Uint8Array.of(byte));
const streamed = (pieces: string | readonly (string | Uint8Array)[], end?: "end" | "reset") =>
  playStream(typeof pieces === "string" ? [pieces] : pieces, end);

/** Closes the connection in the middle of the stream; a reset could take back what nobody has read yet. */
function playCut(pieces: readonly string[]): Play {
  return async (response, request) => {
    await playStream(pieces, "stall")(response, request);
    response.socket?.end();
  };
}

/** Writes raw bytes on the socket: what no HTTP library would. */
function playRaw(bytes: string | Uint8Array): Play {
  return ({ socket }) => void socket?.end(bytes);
}

function playGzip(isGood: boolean): Play {
  return (response) => {
    const zipped = gzipSync(JSON.stringify(completion(text)));
    response.writeHead(200, { "content-type": "application/json", "content-encoding": "gzip" });
    response.end(isGood ? zipped : zipped.subarray(0, 20));
  };
}

/** Of an answer in one piece. */
const whole: [string, Play, Seen][] = [
  ["an HTML page with 200", playText(200, "text/html", "<html>Hello</html>"), refused()],
  ["an HTML page with 502", playText(502, "text/html", "<html>Bad gateway</html>"), refused()],
  ["a body that is cut", playText(200, "application/json", '{"choices":[{"mess'), refused()],
  ["an empty body", playText(200, "application/json", ""), refused()],
  ["no choices", playJson(200, completion("", { choices: [] })), refused()],
  ["null", playJson(200, null), refused()],
  ["an array", playJson(200, [completion(text)]), refused()],
  ["200 with an error", playJson(200, { error: { message: "no", code: 500 } }), refused()],
  ["an error without a code in 200", playJson(200, { error: "overloaded" }), refused()],
  ["400", playJson(400, { error: { message: "bad" } }), refused("invalid_request_error")],
  ["413", playJson(413, { error: { message: "large" } }), refused("invalid_request_error")],
  [
    "a context that is too long",
    playJson(400, { error: { message: "x", code: "context_length_exceeded" } }),
    refused("context_length_exceeded"),
  ],
  ["401", playJson(401, { error: { message: "your key sk-secret is wrong" } }), refused()],
  ["403 without a body", playText(403, "text/plain", ""), refused()],
  ["404", playJson(404, { error: { message: "no such model" } }), refused("invalid_request_error")],
  ["408", playJson(408, {}), refused()],
  ["429 with Retry-After", playJson(429, {}, { "retry-after": "1" }), refused()],
  [
    "429 with a date",
    playJson(429, {}, { "retry-after": "Fri, 27 Nov 2020 00:00:00 GMT" }),
    refused(),
  ],
  ["429 with nonsense", playJson(429, {}, { "retry-after": "soon" }), refused()],
  ["429 without", playJson(429, {}), refused()],
  ["500", playJson(500, { error: { message: "internal" } }), refused()],
  ["503 in plain text", playText(503, "text/plain", "later"), refused()],
  ["529", playJson(529, { error: { message: "overloaded" } }), refused()],
  ["a redirect", playJson(302, {}, { location: "http://127.0.0.1:1/" }), refused()],
  ["204", playText(204, "application/json", ""), refused()],
  ["compression that nobody asked for", playGzip(true), refused()],
  ["compression that is cut", playGzip(false), refused()],
  ["a reset before the head", ({ socket }) => void socket?.resetAndDestroy(), refused()],
  ["a close before the head", ({ socket }) => void socket?.destroy(), refused()],
  ["a head that is none", playRaw("HELLO\r\n\r\n"), refused()],
  ["another HTTP", playRaw("HTTP/9.9 200 Very OK\r\n\r\n"), refused()],
  [
    "a length that is a lie",
    playRaw("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{}"),
    refused(),
  ],
  [
    "chunks that are none",
    playRaw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n"),
    refused(),
  ],
  ["a head of 100 kB", playRaw(`HTTP/1.1 200 OK\r\nx: ${"a".repeat(100_000)}\r\n\r\n`), refused()],
  [
    "an early hint",
    playRaw(
      `HTTP/1.1 103 Early Hints\r\nlink: <a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n${JSON.stringify(completion(text))}`,
    ),
    complete(),
  ],
  [
    "no content type",
    playRaw(`HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n${JSON.stringify(completion(text))}`),
    complete(),
  ],
  [
    "a content type of plain text",
    playText(200, "text/plain", JSON.stringify(completion(text))),
    complete(),
  ],
  [
    "white space around",
    playText(200, "application/json", `\n ${JSON.stringify(completion(text))} \n`),
    complete(),
  ],
  [
    "fields that nobody knows",
    playJson(200, completion(text, { "x-new": [1, { a: null }] })),
    complete(),
  ],
  ["no usage", playJson(200, completion(text, { usage: undefined })), complete()],
  ["usage of null", playJson(200, completion(text, { usage: null })), complete()],
  ["usage of nothing", playJson(200, completion(text, { usage: usageOf(0, 0) })), complete()],
  ["negative counts", playJson(200, completion(text, { usage: usageOf(-5, -1) })), complete()],
  [
    "counts with a fraction",
    playJson(200, completion(text, { usage: usageOf(1.5, 2.5) })),
    complete(),
  ],
  ["absurd counts", playJson(200, completion(text, { usage: usageOf(1e15, 1e15) })), complete()],
];

/** Of a stream. */
const streams: [string, Play, Seen][] = [
  ["every byte alone", streamed(bytewise(good)), complete()],
  ["all in one piece", streamed(good), complete()],
  ["CRLF", streamed(good.replaceAll("\n", "\r\n")), complete()],
  ["comments", streamed(`: hi\n\n${good.replaceAll("data: {", ": note\ndata: {")}`), complete()],
  ["no space after the colon", streamed(good.replaceAll("data: ", "data:")), complete()],
  ["other fields", streamed(good.replaceAll("data: {", "id: 7\nretry: 5\ndata: {")), complete()],
  ["no [DONE]", streamed(good.replace(done, "")), complete()],
  ["[DONE] without a finish", streamed(first + rest + done), broken(text)],
  ["[DONE] and usage without a finish", streamed(first + event(usageChunk()) + done), broken()],
  ["[DONE] after a role", streamed(event(chunk({ role: "assistant" })) + done), refused()],
  ["[DONE] twice", streamed(good + done), complete()],
  ["content after [DONE]", streamed(good + first), complete()],
  [
    "usage beside the finish",
    streamed(first + rest + event({ ...chunk({}, "stop"), usage: usageOf(7, 3) }) + done),
    complete(),
  ],
  [
    "usage in every chunk",
    streamed(
      event({ ...chunk({ content: text }), usage: usageOf(7, 1) }) +
        stop +
        event(usageChunk()) +
        done,
    ),
    complete(),
  ],
  ["no usage", streamed(first + rest + stop + done), complete()],
  [
    "usage twice",
    streamed(first + rest + stop + event(usageChunk()) + event(usageChunk()) + done),
    complete(),
  ],
  ["an empty choice list first", streamed(event({ ...chunk({}), choices: [] }) + good), complete()],
  ["role null", streamed(event(chunk({ role: null, content: text })) + stop + done), complete()],
  ["content null", streamed(event(chunk({ content: null })) + good), complete()],
  [
    "fields that nobody knows",
    streamed(good.replaceAll('"logprobs":null', '"x_new":[1]')),
    complete(),
  ],
  [
    "a finish that nobody knows",
    streamed(first + rest + event(chunk({}, "weird")) + done),
    complete(),
  ],
  ["the finish twice", streamed(first + rest + stop + stop + done), complete()],
  [
    "a chunk of a megabyte",
    streamed(event(chunk({ content: "a".repeat(1_000_000) })) + stop + done),
    complete("a".repeat(1_000_000)),
  ],
  ["a cut before the first chunk", streamed([], "reset"), refused()],
  ["an end before the first chunk", streamed(""), refused()],
  ["a cut after the first chunk", playCut([first]), broken()],
  ["an end without a finish", streamed([first]), broken()],
  ["half an event at the end", streamed([first, rest.slice(0, 30)]), broken()],
  ["half a character at the end", streamed([first, Buffer.from(rest).subarray(0, 165)]), broken()],
  ["an event that is no JSON", streamed([first, "data: {oops\n\n", rest]), broken()],
  ["an error in the middle", streamed([first, event({ error: { message: "no" } })]), broken()],
  ["an error at once", streamed(event({ error: { message: "no" } })), refused()],
  ["[DONE] at once", streamed(done), refused()],
  ["an HTML page", playText(200, "text/html", "<html>Hello</html>"), refused()],
  ["JSON instead of events", playJson(200, completion(text)), refused()],
  [
    "JSON with an error",
    playJson(200, { error: { message: "no", code: 400 } }),
    refused("invalid_request_error"),
  ],
  ["500", playJson(500, {}), refused()],
  ["429", playJson(429, {}, { "retry-after": "1" }), refused()],
];

/** Of the other APIs, in their own words. */
const others: Fault[] = [
  {
    name: "an error in the middle",
    kind: "anthropic",
    stream: [
      streamed([
        messageStart() + textBlock(["Hello"]).slice(0, 2).join(""),
        named({ type: "error", error: { type: "overloaded_error", message: "no" } }),
      ]),
      broken(),
    ],
  },
  {
    name: "an end without message_stop",
    kind: "anthropic",
    stream: [streamed([messageStart(), ...textBlock(["Hello"])]), broken()],
  },
  {
    name: "every byte alone, with pings",
    kind: "anthropic",
    stream: [
      streamed(
        bytewise(
          [messageStart(), named({ type: "ping" }), ...textBlock([text]), ...messageEnd()].join(""),
        ),
      ),
      complete(),
    ],
  },
  {
    name: "events of a kind that nobody knows",
    kind: "anthropic",
    stream: [
      streamed([
        messageStart(),
        named({ type: "new_thing", a: 1 }),
        ...textBlock([text]),
        ...messageEnd(),
      ]),
      complete(),
    ],
  },
  {
    name: "an answer without content",
    kind: "anthropic",
    unary: [playJson(200, message([], "end_turn")), complete("")],
  },
  {
    name: "529 in its own words",
    kind: "anthropic",
    unary: [
      playJson(529, { type: "error", error: { type: "overloaded_error", message: "no" } }),
      refused(),
    ],
    stream: [
      playJson(529, { type: "error", error: { type: "overloaded_error", message: "no" } }),
      refused(),
    ],
  },
  {
    name: "400 in its own words",
    kind: "anthropic",
    unary: [
      playJson(400, { type: "error", error: { type: "invalid_request_error", message: "bad" } }),
      refused("invalid_request_error"),
    ],
  },
  {
    name: "no candidates",
    kind: "gemini",
    unary: [playJson(200, { ...geminiResponse([{ text }], "STOP"), candidates: [] }), refused()],
    stream: [streamed(event({ ...geminiResponse([], undefined), candidates: [] })), refused()],
  },
  {
    name: "an end without a finish",
    kind: "gemini",
    stream: [streamed([event(geminiResponse([{ text: "Hello" }]))]), broken()],
  },
  {
    name: "every byte alone",
    kind: "gemini",
    stream: [
      streamed(
        bytewise(event(geminiResponse([{ text }])) + event(geminiResponse([{ text: "" }], "STOP"))),
      ),
      complete(),
    ],
  },
  {
    name: "a finish that is null until the last event",
    kind: "gemini",
    stream: [
      streamed([
        ...[...text].map((letter) => event(unfinished(letter))),
        event(geminiResponse([], "STOP")),
      ]),
      complete(),
    ],
  },
  {
    name: "an error in an array",
    kind: "gemini",
    unary: [
      playJson(503, [{ error: { code: 503, message: "no", status: "UNAVAILABLE" } }]),
      refused(),
    ],
    stream: [
      playJson(503, [{ error: { code: 503, message: "no", status: "UNAVAILABLE" } }]),
      refused(),
    ],
  },
];

/** An event of a server that says null where Google says nothing. */
function unfinished(said: string): object {
  const content = { role: "model", parts: [{ text: said }] };
  return { candidates: [{ content, finishReason: null, index: 0 }], usageMetadata: null };
}

/** All faults. */
export const faults: readonly Fault[] = [
  ...(["openai", "normalised"] as const).flatMap((kind) => [
    ...whole.map(([name, play, seen]): Fault => ({ name, kind, unary: [play, seen] })),
    ...streams.map(([name, play, seen]): Fault => ({ name, kind, stream: [play, seen] })),
  ]),
  ...others,
  ...stalls,
];
