import { MessageChannel } from "node:worker_threads";
import { afterEach, describe, expect, it } from "vitest";
import { Channel, type Functions, type MessagePort } from "../../src/platform/channel.ts";
import { invalidRequest, OptamilError } from "../../src/platform/errors.ts";

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** Two ends that structured clones go between, and what each message carried. */
function connect<Theirs extends Functions>(functions: Theirs) {
  const { port1, port2 } = new MessageChannel();
  closers.push(() => port1.close());
  const sent: unknown[] = [];
  const toPort = (port: typeof port1): MessagePort => ({
    send: (message) => {
      sent.push(message);
      port.postMessage(message);
    },
    onMessage: (listener) => port.on("message", listener),
    onClose: (listener) => port.once("close", listener),
  });
  new Channel<Functions>(toPort(port2), functions);
  return { channel: new Channel<Theirs>(toPort(port1), {}), sent, hangUp: () => port2.close() };
}

describe("a channel", () => {
  it("gives what the other end's function gives, bigints and bytes too", async () => {
    const { channel } = connect({
      add: (one: bigint, other: bigint) => one + other,
      later: async (bytes: Uint8Array) => bytes.length,
    });
    expect(await channel.call("add", 2n, 3n)).toBe(5n);
    expect(await channel.call("later", new Uint8Array(7))).toBe(7);
  });

  it("carries calls of one turn in one message, in their order", async () => {
    const seen: number[] = [];
    const note = (value: number) => void seen.push(value);
    const { channel, sent } = connect({ note });
    channel.tell("note", 1);
    channel.tell("note", 2);
    await channel.call("note", 3);
    expect(seen).toEqual([1, 2, 3]);
    expect(sent).toHaveLength(2);
  });

  it("throws the refusal that the other end threw, whole, and any other error by its text", async () => {
    const { channel } = connect({
      refuse: () => {
        throw invalidRequest("no such thing", "messages[0]");
      },
      retry: async () => {
        throw new OptamilError("conflict", "later", { retryAfterMs: 5, shouldRetry: false });
      },
      fail: async () => {
        throw new TypeError("a mistake");
      },
    });
    const refused = channel.call("refuse");
    await expect(refused).rejects.toBeInstanceOf(OptamilError);
    await expect(refused).rejects.toMatchObject({ code: "invalid_request", param: "messages[0]" });
    await expect(channel.call("retry")).rejects.toMatchObject({
      ...{ code: "conflict", retryAfterMs: 5, shouldRetry: false },
    });
    await expect(channel.call("fail")).rejects.toThrow("a mistake");
  });

  it("refuses what waits, and what comes, when the other end has gone", async () => {
    const { channel, hangUp } = connect({ never: () => new Promise<void>(() => {}) });
    const waiting = channel.call("never");
    waiting.catch(() => undefined);
    hangUp();
    await expect(waiting).rejects.toMatchObject({ code: "service_unavailable" });
    await expect(channel.call("never")).rejects.toMatchObject({ code: "service_unavailable" });
  });
});
