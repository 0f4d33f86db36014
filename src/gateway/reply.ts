// The part of a response in which HTTP/1.1's and HTTP/2's agree, and what is written to it whole.

/** A response to write to, whichever HTTP it goes by. Source: node:http ServerResponse. */
export interface Reply {
  statusCode: number;
  readonly headersSent: boolean;
  readonly destroyed: boolean;
  /** Whether `end` was called; `writableFinished` is true of every closed reply over HTTP/2. */
  readonly writableEnded: boolean;
  setHeader(name: string, value: string): unknown;
  hasHeader(name: string): boolean;
  writeHead(status: number, headers?: Record<string, string | number>): unknown;
  write(data: string | Uint8Array): boolean;
  end(data?: string | Uint8Array): unknown;
  once(event: "drain" | "close", listener: () => void): unknown;
  destroy(): unknown;
}

/** Ends a response with JSON, head and body in one write. */
export function endJson(reply: Reply, status: number, body: string | Uint8Array): void {
  reply.writeHead(status, {
    "content-type": "application/json",
    "content-length": typeof body === "string" ? Buffer.byteLength(body) : body.byteLength,
  });
  reply.end(body);
}
