// The part of a response in which HTTP/1.1's and HTTP/2's agree, and what is written to it whole.

/** A reader that takes nothing for this long is cut off, so that its buffers do not stay. */
export const stallTimeoutMs = 60_000;

/** A response to write to, whichever HTTP it goes by. Source: node:http ServerResponse. */
export interface Reply {
  statusCode: number;
  readonly headersSent: boolean;
  readonly destroyed: boolean;
  /** Whether `end` was called; `writableFinished` is true of every closed reply over HTTP/2. */
  readonly writableEnded: boolean;
  setHeader(name: string, value: string): unknown;
  hasHeader(name: string): boolean;
  writeHead(status: number, headers?: Record<string, string | number> | string[]): unknown;
  write(data: string | Uint8Array): boolean;
  end(data?: string | Uint8Array): unknown;
  once(event: "drain" | "close", listener: () => void): unknown;
  destroy(): unknown;
}

/**
 * The headers of an answer as they come together, each name once; written in one go. A response that is given each of
 * some twenty headers by itself looks up, checks and enters every one, and walks them again to write them.
 */
export class ReplyHead {
  readonly #reply: Reply;
  readonly #isHttp1: boolean;
  readonly #fields: string[] = [];

  constructor(reply: Reply, httpVersionMajor: number) {
    this.#reply = reply;
    this.#isHttp1 = httpVersionMajor === 1;
  }

  set(name: string, value: string): void {
    this.#fields.push(name, value);
  }

  /** Writes the status and all headers, with the next bytes of the response. */
  write(status: number): void {
    const [reply, fields] = [this.#reply, this.#fields];
    if (this.#isHttp1) {
      reply.writeHead(status, fields);
      return;
    }
    this.apply();
    reply.writeHead(status);
  }

  /** Sets the headers on the response, for who writes it otherwise. */
  apply(): void {
    const [reply, fields] = [this.#reply, this.#fields];
    for (let at = 0; at < fields.length; at += 2) {
      reply.setHeader(fields[at] ?? "", fields[at + 1] ?? "");
    }
  }

  /** Ends the response with JSON, head and body in one write. */
  endJson(status: number, body: string | Uint8Array): void {
    const size = typeof body === "string" ? Buffer.byteLength(body) : body.byteLength;
    this.set("content-type", "application/json");
    this.set("content-length", String(size));
    this.write(status);
    this.#reply.end(body);
  }
}

/** Ends a response with JSON, head and body in one write. */
export function endJson(reply: Reply, status: number, body: string | Uint8Array): void {
  reply.writeHead(status, {
    "content-type": "application/json",
    "content-length": typeof body === "string" ? Buffer.byteLength(body) : body.byteLength,
  });
  reply.end(body);
}
