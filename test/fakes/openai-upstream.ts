/** A server that plays OpenAI's wire format, or breaks it, as its test says. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";

/** A request as the upstream saw it. */
export type SeenRequest = {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly text: string;
  /** Resolves when its socket is closed. */
  readonly socketClosed: Promise<void>;
};

/** How one request is answered. */
export type Play = (response: ServerResponse, request: SeenRequest) => void | Promise<void>;

/** A running upstream. */
export type OpenAiUpstream = {
  /** With the version, as a provider is configured. */
  readonly baseUrl: string;
  /** All requests so far, oldest first. */
  readonly requests: readonly SeenRequest[];
  /** How requests are answered from now on. Default: `playOpenAi`. */
  play: Play;
  /** Open connections to it. */
  countSockets(): Promise<number>;
  close(): Promise<void>;
};

/** Starts an upstream on a free port. */
export async function openUpstream(play: Play = playOpenAi): Promise<OpenAiUpstream> {
  const requests: SeenRequest[] = [];
  const closings = new WeakMap<Socket, Promise<void>>();
  const countSockets = () =>
    new Promise<number>((resolve, reject) => {
      server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)));
    });
  const upstream = { baseUrl: "", requests, play, countSockets, close: async () => {} };
  const server = createServer(async (request, response) => {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece);
    const seen: SeenRequest = {
      method: request.method ?? "",
      url: request.url ?? "",
      headers: request.headers,
      text: Buffer.concat(pieces).toString("utf8"),
      socketClosed: closings.get(request.socket) ?? Promise.resolve(),
    };
    requests.push(seen);
    await upstream.play(response, seen);
  });
  server.on("connection", (socket) => {
    closings.set(socket, new Promise((resolve) => socket.once("close", () => resolve())));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  // `address()` is an object for a TCP server.
  const { port } = server.address() as AddressInfo;
  upstream.baseUrl = `http://127.0.0.1:${port}/v1`;
  upstream.close = async () => {
    const closed = once(server, "close");
    server.close();
    server.closeAllConnections();
    await closed;
  };
  return upstream;
}

/** Name that the upstream gives its model: as OpenAI does, not the one that was asked for. */
const upstreamModelName = "upstream-large-2026-01-01";

/** Answers with a status and a JSON value. */
export function playJson(status: number, value: unknown, headers = {}): Play {
  return (response) => {
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(JSON.stringify(value));
  };
}

/** Answers with a status and a text of some type. */
export function playText(status: number, contentType: string, text: string): Play {
  return (response) => {
    response.writeHead(status, { "content-type": contentType });
    response.end(text);
  };
}

/** Streams these pieces, each in a write and a turn of the event loop of its own, then ends as `end` says. */
export function playStream(
  pieces: readonly (string | Uint8Array)[],
  end: "end" | "stall" | "reset" = "end",
): Play {
  return async (response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.flushHeaders();
    for (const piece of pieces) {
      await new Promise((resolve) => response.write(piece, resolve));
      await new Promise(setImmediate);
    }
    if (end === "end") response.end();
    else if (end === "reset") response.socket?.resetAndDestroy();
  };
}

/** One server-sent event with a JSON value. */
export function event(value: unknown): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}

/** A chunk with one choice, as OpenAI writes it. */
export function chunk(delta: object, finish_reason: string | null = null, index = 0): object {
  return { ...frame, choices: [{ index, delta, logprobs: null, finish_reason }] };
}

/** A chunk with the usage. */
export function usageChunk(usage: object = usageOf(7, 3)): object {
  return { ...frame, choices: [], usage };
}

/** Usage with the counts that OpenAI always sends. */
export function usageOf(promptTokens: number, completionTokens: number) {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  };
}

const frame = {
  id: "chatcmpl-upstream",
  object: "chat.completion.chunk",
  created: 1_700_000_000,
  model: upstreamModelName,
};

/** The text that `playOpenAi` answers with, in the pieces that it streams. */
const upstreamWords = ["Hello", " from", " up", "stream", " \u{1F642}", "!"];

/** A whole answer with this text. */
export function completion(text: string, extra: object = {}): object {
  const message = { role: "assistant", content: text, refusal: null };
  return {
    ...frame,
    object: "chat.completion",
    choices: [{ index: 0, message, logprobs: null, finish_reason: "stop" }],
    usage: usageOf(7, 3),
    ...extra,
  };
}

/** What `playOpenAi` reads of a request. */
type Asked = {
  readonly n?: number;
  readonly stream?: boolean;
  readonly stream_options?: { readonly include_usage?: boolean };
  readonly tools?: readonly { readonly function: { readonly name: string } }[];
  readonly tool_choice?: unknown;
};

/** Answers as OpenAI does: whole or streamed, `n` choices, a call of the first tool if one is required. */
export const playOpenAi: Play = (response, { text, ...request }) => {
  const asked: Asked = JSON.parse(text);
  const name = asked.tool_choice === "required" ? asked.tools?.[0]?.function.name : undefined;
  const indexes = Array.from({ length: asked.n ?? 1 }, (_, index) => index);
  if (asked.stream !== true) {
    const message = toMessage(name);
    const finish_reason = name === undefined ? "stop" : "tool_calls";
    const choices = indexes.map((index) => ({ index, message, logprobs: null, finish_reason }));
    return playJson(200, completion("", { choices }))(response, { text, ...request });
  }
  const chunks = [...toTurns(name)].flatMap(({ delta, reason }) =>
    indexes.map((index) => chunk(delta, reason, index)),
  );
  if (asked.stream_options?.include_usage === true) chunks.push(usageChunk());
  const pieces = [...chunks.map(event), "data: [DONE]\n\n"];
  return playStream(pieces)(response, { text, ...request });
};

function toMessage(name: string | undefined): object {
  if (name === undefined) {
    return { role: "assistant", content: upstreamWords.join(""), refusal: null };
  }
  const called = { id: "call_1", type: "function", function: { name, arguments: '{"a":1}' } };
  return { role: "assistant", content: null, refusal: null, tool_calls: [called] };
}

function* toTurns(name: string | undefined): Generator<{ delta: object; reason: string | null }> {
  if (name === undefined) {
    yield { delta: { role: "assistant", content: "", refusal: null }, reason: null };
    for (const content of upstreamWords) yield { delta: { content }, reason: null };
    yield { delta: {}, reason: "stop" };
    return;
  }
  const start = { index: 0, id: "call_1", type: "function", function: { name, arguments: "" } };
  yield { delta: { role: "assistant", content: null, tool_calls: [start] }, reason: null };
  for (const text of ['{"a"', ":1}"]) {
    yield { delta: { tool_calls: [{ index: 0, function: { arguments: text } }] }, reason: null };
  }
  yield { delta: {}, reason: "tool_calls" };
}
