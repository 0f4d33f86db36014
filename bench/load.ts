// A closed-loop HTTP/1.1 client on plain sockets: each connection sends its next request after its answer.
import { connect, type Socket } from "node:net";

/** What a load sends, and where. */
export type Load = {
  readonly port: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Connections at once. */
  readonly connections: number;
  readonly durationMs: number;
};

/** Requests that were answered with 200; anything else is an error and ends the load. */
export async function runLoad(load: Load): Promise<{ requests: number; seconds: number }> {
  const head = Object.entries({ host: `127.0.0.1:${load.port}`, ...load.headers })
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join("");
  const request = Buffer.from(
    `POST ${load.path} HTTP/1.1\r\n${head}content-type: application/json\r\n` +
      `content-length: ${Buffer.byteLength(load.body)}\r\n\r\n${load.body}`,
  );
  const startMs = performance.now();
  const endMs = startMs + load.durationMs;
  const counts = await Promise.all(
    Array.from({ length: load.connections }, () => drive(load.port, request, endMs)),
  );
  const requests = counts.reduce((sum, count) => sum + count, 0);
  return { requests, seconds: (performance.now() - startMs) / 1_000 };
}

function drive(port: number, request: Buffer, endMs: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect({ port, host: "127.0.0.1", noDelay: true });
    let count = 0;
    let pending = Buffer.alloc(0);
    socket.on("connect", () => socket.write(request));
    socket.on("error", reject);
    socket.on("close", () => reject(new Error("the server closed a connection")));
    socket.on("data", (piece) => {
      pending = pending.length === 0 ? piece : Buffer.concat([pending, piece]);
      const end = endOfAnswer(pending);
      if (end === undefined) return;
      if (!pending.subarray(0, 12).equals(okStatus)) {
        reject(new Error(pending.toString("utf8", 0, 500)));
        socket.destroy();
        return;
      }
      count++;
      pending = pending.subarray(end);
      if (performance.now() < endMs) {
        socket.write(request);
        return;
      }
      resolve(count);
      socket.destroy();
    });
  });
}

const okStatus = Buffer.from("HTTP/1.1 200");
const headerEnd = Buffer.from("\r\n\r\n");

function endOfAnswer(bytes: Buffer): number | undefined {
  const headLength = bytes.indexOf(headerEnd);
  if (headLength < 0) return undefined;
  const head = bytes.toString("latin1", 0, headLength);
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  const end = headLength + 4 + Number(length ?? 0);
  return bytes.length >= end ? end : undefined;
}
