/** Requests to a gateway's REST door, over either HTTP, whose every header and path is the test's own. */
import { once } from "node:events";
import { request as requestHttp1 } from "node:http";
import { connect } from "node:http2";
import type { Readable } from "node:stream";

/** A request. */
export interface RestRequest {
  /** Sent as it is, with its escapes. */
  path: string;
  /** Default: POST with a body, else GET. */
  method?: string;
  /** Default: none but those of the protocol. */
  headers?: Record<string, string>;
  /** Text and bytes go as they are, other values as JSON with its content type. Default: none. */
  body?: unknown;
}

/** A whole answer. */
export interface RestReply {
  status: number;
  /** Names in lower case. */
  headers: Record<string, string>;
  text: string;
}

/** Sends a request and reads the whole answer. */
export type Send = (url: string, request: RestRequest) => Promise<RestReply>;

/** By HTTP/1.1, on kept-alive connections. */
export const sendHttp1: Send = async (url, request) => {
  const { hostname, port } = new URL(url);
  const { method, headers, bytes } = prepare(request);
  const { path } = request;
  const sent = requestHttp1({ hostname, port, path, method, headers });
  const answered = once(sent, "response");
  sent.end(bytes);
  const [response] = await answered;
  return {
    status: response.statusCode,
    headers: toPlain(response.headers),
    text: await readText(response),
  };
};

/** By HTTP/2 with prior knowledge, on a connection of its own. */
export const sendHttp2: Send = async (url, request) => {
  const { method, headers, bytes } = prepare(request);
  const session = connect(url);
  try {
    const stream = session.request({ ":method": method, ":path": request.path, ...headers });
    const answered = once(stream, "response");
    stream.end(bytes);
    const [head] = await answered;
    return { status: head[":status"], headers: toPlain(head), text: await readText(stream) };
  } finally {
    session.close();
  }
};

function prepare({ method, headers = {}, body }: RestRequest) {
  const isRaw = body === undefined || typeof body === "string" || body instanceof Uint8Array;
  const bytes = isRaw ? body : JSON.stringify(body);
  return {
    method: method ?? (body === undefined ? "GET" : "POST"),
    headers: {
      ...(!isRaw && { "content-type": "application/json" }),
      ...(bytes !== undefined && { "content-length": String(Buffer.byteLength(bytes)) }),
      ...headers,
    },
    bytes,
  };
}

function toPlain(headers: Record<string, unknown>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
}

/** All text of a stream. */
export async function readText(stream: Readable): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces).toString("utf8");
}
