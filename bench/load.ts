// HTTP/1.1 clients on plain sockets: a closed loop, where each connection sends its next request after its answer, and
// an open one at a fixed rate, timed from when each request was due.
import { connect, type Socket } from "node:net";

/** Headers of a request, beside those that every one has. */
export type RequestHeaders = Readonly<Record<string, string>>;

/** What a load sends, and where. */
export type Load = {
  readonly port: number;
  readonly path: string;
  /** Those of each request; of a list, one after the other. */
  readonly headers: RequestHeaders | readonly RequestHeaders[];
  readonly body: string;
  /** Connections at once. */
  readonly connections: number;
  readonly durationMs: number;
};

/** When an answer began and when it ended, milliseconds since its request was due. */
export type Latency = { readonly firstMs: number; readonly endMs: number };

/** Requests that were answered with 200; anything else is an error and ends the load. */
export async function runLoad(load: Load): Promise<{ requests: number; seconds: number }> {
  const next = createRequests(load);
  const startMs = performance.now();
  const endMs = startMs + load.durationMs;
  const counts = await Promise.all(
    Array.from({ length: load.connections }, async () => {
      const client = await open(load.port);
      let count = 0;
      do {
        await client.ask(next());
        count++;
      } while (performance.now() < endMs);
      client.close();
      return count;
    }),
  );
  const requests = counts.reduce((sum, count) => sum + count, 0);
  return { requests, seconds: (performance.now() - startMs) / 1_000 };
}

/** Latencies at a fixed rate; a request that finds no free connection waits, and its wait counts. */
export async function runPaced(load: Load, requestsPerSecond: number): Promise<Latency[]> {
  const nextRequest = createRequests(load);
  const startMs = performance.now();
  const total = Math.floor((load.durationMs * requestsPerSecond) / 1_000);
  const latencies: Latency[] = [];
  let next = 0;
  await Promise.all(
    Array.from({ length: load.connections }, async () => {
      const client = await open(load.port);
      while (next < total) {
        const dueMs = startMs + (next++ * 1_000) / requestsPerSecond;
        const waitMs = dueMs - performance.now();
        if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
        const firstAtMs = await client.ask(nextRequest());
        latencies.push({ firstMs: firstAtMs - dueMs, endMs: performance.now() - dueMs });
      }
      client.close();
    }),
  );
  return latencies;
}

/** Gives one request after the other. */
function createRequests(load: Load): () => Buffer {
  const all = [load.headers].flat().map((headers) => toRequest(load, headers));
  let at = 0;
  return () => {
    const request = all[at] ?? Buffer.alloc(0);
    at = (at + 1) % all.length;
    return request;
  };
}

function toRequest(load: Load, headers: RequestHeaders): Buffer {
  const head = Object.entries({ host: `127.0.0.1:${load.port}`, ...headers })
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join("");
  return Buffer.from(
    `POST ${load.path} HTTP/1.1\r\n${head}content-type: application/json\r\n` +
      `content-length: ${Buffer.byteLength(load.body)}\r\n\r\n${load.body}`,
  );
}

type Client = {
  /** Resolves when the whole answer is there, with the time of its first byte. */
  ask(request: Buffer): Promise<number>;
  close(): void;
};

function open(port: number): Promise<Client> {
  const { promise, resolve, reject } = Promise.withResolvers<Client>();
  const socket: Socket = connect({ port, host: "127.0.0.1", noDelay: true });
  let pieces: Buffer[] = [];
  let firstAtMs = 0;
  let waiting: { resolve: (firstAtMs: number) => void; reject: (error: Error) => void } | undefined;
  const fail = (error: Error) => {
    reject(error);
    waiting?.reject(error);
    socket.destroy();
  };
  socket.on("error", fail);
  socket.on("close", () => fail(new Error("the server closed a connection")));
  socket.on("data", (piece) => {
    if (pieces.length === 0) firstAtMs = performance.now();
    pieces.push(piece);
    if (!mayBeEnd(piece)) return;
    const answer = pieces.length === 1 ? piece : Buffer.concat(pieces);
    if (!answer.subarray(0, 12).equals(okStatus)) {
      fail(new Error(answer.toString("utf8", 0, 500)));
      return;
    }
    if (!isWhole(answer)) return;
    pieces = [];
    waiting?.resolve(firstAtMs);
  });
  socket.on("connect", () =>
    resolve({
      ask: (request) => {
        const asked = Promise.withResolvers<number>();
        waiting = asked;
        socket.write(request);
        return asked.promise;
      },
      close: () => {
        waiting = undefined;
        socket.destroy();
      },
    }),
  );
  return promise;
}

const okStatus = Buffer.from("HTTP/1.1 200");
const headerEnd = Buffer.from("\r\n\r\n");
const lastChunk = Buffer.from("0\r\n\r\n");

/** JSON ends with a brace, a stream with its last chunk. */
function mayBeEnd(piece: Buffer): boolean {
  return piece.at(-1) === 0x7d || piece.subarray(-lastChunk.length).equals(lastChunk);
}

function isWhole(bytes: Buffer): boolean {
  const headLength = bytes.indexOf(headerEnd);
  if (headLength < 0) return false;
  const head = bytes.toString("latin1", 0, headLength);
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (length === undefined) return bytes.subarray(-lastChunk.length).equals(lastChunk);
  return bytes.length >= headLength + 4 + Number(length);
}
