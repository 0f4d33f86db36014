import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { within } from "../../src/platform/within.ts";

/** Keeps this thread busy, as a burst of requests does. */
function beBusy(forMs: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, forMs);
}

describe("within", () => {
  let server: Server | undefined;
  afterEach(() => server?.close());

  it("gives what the work gives, and throws what it throws", async () => {
    expect(await within(1_000, Promise.resolve("answer"))).toBe("answer");
    await expect(within(1_000, Promise.reject(new Error("refused")))).rejects.toThrow("refused");
  });

  it("gives undefined when the work takes longer, whatever becomes of it", async () => {
    const work = Promise.withResolvers<string>();
    expect(await within(1, work.promise)).toBeUndefined();
    work.reject(new Error("too late to be heard"));
  });

  it("takes an answer that came in time though the process was too busy to read it", async () => {
    server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    const port = typeof address === "object" ? (address?.port ?? 0) : 0;
    const accepted: Promise<Socket[]> = once(server, "connection");
    const socket = connect(port, "127.0.0.1");
    const [[peer]] = await Promise.all([accepted, once(socket, "connect")]);
    const answer = within(
      20,
      once(socket, "data").then(([data]) => String(data)),
    );
    peer?.end("answer");
    beBusy(60);
    expect(await answer).toBe("answer");
  });
});
