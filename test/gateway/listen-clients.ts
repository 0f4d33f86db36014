/** Clients that speak to a listener below the level of a request, and a handler to speak to. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect as connectHttp2,
} from "node:http2";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import type { DoorHandler } from "../../src/gateway/listen.ts";
import type { Reply } from "../../src/gateway/reply.ts";

/** A certificate for localhost and 127.0.0.1; the files say how they were made. */
export const localhost = {
  cert: readFileSync(new URL("../fakes/localhost.cert.pem", import.meta.url)),
  key: readFileSync(new URL("../fakes/localhost.key.pem", import.meta.url)),
};

/** A handler whose held requests wait for the test. */
export interface HeldHandler {
  /**
   * `/hello` answers with the HTTP version in angles, `/echo` with the body, `/hold` when released, `/stream`
   * writes `first` at once and `last` when released.
   */
  handler: DoorHandler;
  /** Resolves when the handler has been called for a held path that often. */
  held(count?: number): Promise<void>;
  /** Lets the held requests, and those to come, be answered. */
  release(): void;
}

/** Creates a `HeldHandler`. */
export function createHeldHandler(): HeldHandler {
  const released = Promise.withResolvers<void>();
  const arrivals = new EventTarget();
  let heldCount = 0;
  const handler: DoorHandler = async (request, response: Reply) => {
    response.setHeader("content-type", "text/plain");
    if (request.url === "/hello") {
      response.end(`<${request.httpVersion}>`);
    } else if (request.url === "/echo") {
      // A body that is cut off needs no answer.
      response.end(await text(request).catch(() => ""));
    } else {
      if (request.url === "/stream") response.write("first ");
      heldCount += 1;
      arrivals.dispatchEvent(new Event("held"));
      await released.promise;
      response.end("last");
    }
  };
  return {
    handler,
    async held(count = 1) {
      while (heldCount < count) await once(arrivals, "held");
    },
    release: released.resolve,
  };
}

/** One TCP connection and all that came back on it. */
export interface RawClient {
  send(text: string | Uint8Array): void;
  /** What has come so far, once it matches. */
  received(pattern: RegExp): Promise<string>;
  /** All that came, once the server has closed the connection. */
  closed: Promise<string>;
  destroy(): void;
}

/** Opens a TCP connection to a listener. */
export async function dial(port: number): Promise<RawClient> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  await once(socket, "connect");
  let all = "";
  socket.setEncoding("latin1").on("data", (chunk) => {
    all += chunk;
  });
  // A reset is one of the ways in which a server closes.
  socket.on("error", () => undefined);
  return {
    send: (data) => socket.write(data),
    async received(pattern) {
      while (!pattern.test(all)) await once(socket, "data");
      return all;
    },
    closed: once(socket, "close").then(() => all),
    destroy: () => socket.destroy(),
  };
}

/** Resolves when a port takes no more connections. */
export async function untilRefused(port: number): Promise<void> {
  for (;;) {
    try {
      (await dial(port)).destroy();
    } catch {
      return;
    }
  }
}

/** The text of an HTTP/1.1 request. */
export function requestText(path: string, lines: string[] = [], body = ""): string {
  const start = `${body === "" ? "GET" : "POST"} ${path} HTTP/1.1`;
  return [start, "Host: localhost", ...lines, "", body].join("\r\n");
}

/** How often a text matches. */
export function count(text: string, pattern: RegExp): number {
  return text.match(new RegExp(pattern, "g"))?.length ?? 0;
}

/** Opens an HTTP/2 session with a listener; under TLS the test certificate is trusted. */
export async function openSession(url: string): Promise<ClientHttp2Session> {
  const session = connectHttp2(url, { ca: localhost.cert });
  session.on("error", () => undefined);
  await once(session, "connect");
  return session;
}

/** The body of the answer to a GET; rejects when the stream is reset. */
export async function get(session: ClientHttp2Session, path: string): Promise<string> {
  return readAll(session.request({ ":path": path }));
}

/** All that comes on a stream. */
export async function readAll(stream: ClientHttp2Stream): Promise<string> {
  return text(stream);
}
