import type { Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { ManualClock } from "../admission/manual-clock.ts";
import {
  chunk,
  completion,
  event,
  openUpstream,
  type Play,
  playJson,
  playOpenAi,
  playStream,
} from "../fakes/openai-upstream.ts";
import { collect, startStream, toCall } from "./calls.ts";
import { defaultTimeouts, useOpenAi } from "./openai-fixture.ts";

const fake = useOpenAi();

/** undici offers a connection again one turn of the event loop after its answer. */
const untilOffered = () => new Promise(setImmediate);

describe("connections", () => {
  it.each([false, true])("are used again, with stream %s", async (stream) => {
    const provider = fake.open();
    for (let i = 0; i < 20; i += 1) {
      const call = toCall("json", { stream });
      if (stream) await collect(provider, call);
      else await provider.complete(call);
      await untilOffered();
    }
    const sockets = new Set(fake.upstream.requests.map(({ socketClosed }) => socketClosed));
    expect(sockets.size).toBeLessThan(10);
  });
});

describe("a read that brings several events", () => {
  it("is one delivery, however the upstream cut its body into chunks", async () => {
    const values = [chunk({ role: "assistant" }), chunk({ content: "Hi" }), chunk({}, "stop")];
    fake.upstream.play = (response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.flushHeaders();
      const bodyChunks = values.map((value) => {
        const text = event(value);
        return `${text.length.toString(16)}\r\n${text}\r\n`;
      });
      response.socket?.write(`${bodyChunks.join("")}0\r\n\r\n`);
    };
    const delivery = await collect(fake.open(), toCall("json", { stream: true }));
    expect(delivery.events).toHaveLength(1);
    expect(delivery.chunks).toHaveLength(3);
  });
});

describe("a connection that fails", () => {
  it("fails with connect when nobody listens, no such host is, or TLS is not spoken", async () => {
    const free = await openUpstream();
    await free.close();
    const tls = fake.upstream.baseUrl.replace("http:", "https:");
    for (const baseUrl of [free.baseUrl, "http://no-such-host.invalid/v1", tls]) {
      const expected = { errorClass: "connect", status: 0, tryNext: true };
      expect(await fake.open({ baseUrl }).complete(toCall("json"))).toMatchObject(expected);
    }
  });

  it("fails with connect when it is reset before the head", async () => {
    fake.upstream.play = (response) => {
      response.socket?.resetAndDestroy();
    };
    expect(await fake.open().complete(toCall("json"))).toMatchObject({ errorClass: "connect" });
  });

  it("is cut when it is reset in the middle of a stream, after what came before", async () => {
    const pieces = [chunk({ role: "assistant", content: "Hi" }), chunk({ content: " there" })];
    fake.upstream.play = playStream(pieces.map(event), "reset");
    const delivery = await collect(fake.open(), toCall("json", { stream: true }));
    expect(delivery.failure).toMatchObject({ errorClass: "cut", status: 200, tryNext: true });
    expect("Hi there".startsWith(delivery.text())).toBe(true);
  });

  it("fails with connect after the provider was closed", async () => {
    const provider = fake.open();
    await provider.close();
    const { delivery } = startStream(provider, toCall("json", { stream: true }));
    expect(delivery.endCount).toBe(0);
    await delivery.ended;
    expect(delivery.failure).toMatchObject({ errorClass: "connect" });
  });
});

describe("a kept connection that the provider closes when it is used", () => {
  /** The second request on a connection meets its end. */
  const closeUsed = (end: (socket: Socket) => void): Play => {
    const used = new WeakSet<Socket>();
    return (response, request) => {
      const { socket } = response;
      if (socket === null) return undefined;
      if (used.has(socket)) return end(socket);
      used.add(socket);
      return playOpenAi(response, request);
    };
  };
  const ends: [string, (socket: Socket) => void][] = [
    ["ended", (socket) => void socket.end()],
    ["reset", (socket) => void socket.resetAndDestroy()],
  ];

  it.each(ends)("and that is %s costs a request nothing: it is sent again", async (_, end) => {
    fake.upstream.play = closeUsed(end);
    const provider = fake.open();
    for (const isStream of [false, true]) {
      expect(await provider.complete(toCall("json"))).toMatchObject({ ok: true });
      await untilOffered();
      const before = fake.upstream.requests.length;
      if (isStream) {
        const delivery = await collect(provider, toCall("json", { stream: true }));
        expect(delivery.failure).toBeUndefined();
      } else expect(await provider.complete(toCall("json"))).toMatchObject({ ok: true });
      const [first, second, ...others] = fake.upstream.requests.slice(before);
      expect(others).toEqual([]);
      expect(second?.text).toBe(first?.text);
    }
  });

  it("is met once for a request, not again and again", async () => {
    const clock = new ManualClock();
    const provider = fake.open({ clock });
    expect(await provider.complete(toCall("json"))).toMatchObject({ ok: true });
    await untilOffered();
    fake.upstream.play = (response) => void response.socket?.resetAndDestroy();
    expect(await provider.complete(toCall("json"))).toMatchObject({ errorClass: "connect" });
    expect(fake.upstream.requests).toHaveLength(3);
  });

  it("is no reason to send what the provider may have worked on for a second", async () => {
    const clock = new ManualClock();
    const provider = fake.open({ clock });
    expect(await provider.complete(toCall("json"))).toMatchObject({ ok: true });
    await untilOffered();
    fake.upstream.play = (response) => {
      clock.advance(1_000);
      response.socket?.resetAndDestroy();
    };
    expect(await provider.complete(toCall("json"))).toMatchObject({ errorClass: "connect" });
    expect(fake.upstream.requests).toHaveLength(2);
  });

  it("is no reason to send what its client has left", async () => {
    const provider = fake.open();
    expect(await provider.complete(toCall("json"))).toMatchObject({ ok: true });
    await untilOffered();
    const call = toCall("json");
    fake.upstream.play = (response) => {
      call.cancellation.cancel("client_closed");
      response.socket?.resetAndDestroy();
    };
    expect(await provider.complete(call)).toMatchObject({ errorClass: "cancelled" });
    expect(fake.upstream.requests).toHaveLength(2);
  });
});

describe("time", () => {
  it.each([
    ["before the head", () => {}],
    ["after the first event", playStream([event(chunk({ role: "assistant" }))], "stall")],
  ])("that a silent upstream takes %s ends in timeout", async (_, play) => {
    fake.upstream.play = play;
    const call = toCall("json", { stream: true });
    const timeouts = { ...defaultTimeouts, firstTokenMs: 50 };
    const { failure } = await collect(fake.open({ timeouts }), call);
    expect(failure).toMatchObject({ errorClass: "timeout", tryNext: true });
    await fake.upstream.requests[0]?.socketClosed;
  });

  it("that passes between two tokens ends in timeout, and the first token's does not count any more", async () => {
    const events = [event(chunk({ role: "assistant" })), event(chunk({ content: "Hi" }))];
    fake.upstream.play = playStream(events, "stall");
    const call = toCall("json", { stream: true });
    const timeouts = { ...defaultTimeouts, firstTokenMs: 100, silenceMs: 600 };
    const startedMs = performance.now();
    const delivery = await collect(fake.open({ timeouts }), call);
    expect(delivery.failure).toMatchObject({ errorClass: "timeout", status: 200, tryNext: true });
    expect(delivery.text()).toBe("Hi");
    // Time-outs of the body are as coarse as the transport's clock: some tens of milliseconds.
    expect(performance.now() - startedMs).toBeGreaterThan(300);
  });

  it("for the first token is not spent by comments and roles", async () => {
    fake.upstream.play = async (response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(event(chunk({ role: "assistant" })));
      const pings = setInterval(() => response.write(": ping\n\n"), 20);
      response.once("close", () => clearInterval(pings));
    };
    const call = toCall("json", { stream: true });
    const timeouts = { ...defaultTimeouts, firstTokenMs: 200 };
    const { failure } = await collect(fake.open({ timeouts }), call);
    expect(failure).toMatchObject({ errorClass: "timeout", status: 200, tryNext: true });
    expect(String(failure?.error.cause)).toContain("no first token after 200 ms");
  });

  it("to the head of a whole answer may be long, as the answer is done then; the provider's own total bounds it", async () => {
    fake.upstream.play = (response, request) => {
      setTimeout(() => playJson(200, completion("late"))(response, request), 400);
    };
    const short = { ...defaultTimeouts, firstTokenMs: 50, silenceMs: 50 };
    expect(await fake.open({ timeouts: short }).complete(toCall("json"))).toMatchObject({
      ok: true,
    });
    const timeouts = { ...short, totalMs: 100 };
    const outcome = await fake.open({ timeouts }).complete(toCall("json"));
    expect(outcome).toMatchObject({ ok: false, errorClass: "timeout", status: 0, tryNext: true });
    await fake.upstream.requests[1]?.socketClosed;
  });

  it("that is left for the whole answer ends it with timeout and closes the socket", async () => {
    fake.upstream.play = playStream([event(chunk({ role: "assistant" }))], "stall");
    const call = toCall("json", { stream: true }, { timeoutMs: 80 });
    expect(await fake.open().complete({ ...call, timeoutMs: 80 })).toMatchObject({
      errorClass: "timeout",
    });
    expect((await collect(fake.open(), call)).failure).toMatchObject({ errorClass: "timeout" });
    for (const { socketClosed } of fake.upstream.requests) await socketClosed;
  });
});

describe("cancelling", () => {
  it("closes the upstream's socket in the middle of a stream", async () => {
    fake.upstream.play = playStream([event(chunk({ role: "assistant", content: "Hi" }))], "stall");
    const call = toCall("json", { stream: true });
    const { delivery } = startStream(fake.open(), call);
    delivery.onDelivery = () => call.cancellation.cancel("client_closed");
    await delivery.ended;
    const cancelledAtMs = performance.now();
    await fake.upstream.requests[0]?.socketClosed;
    expect(performance.now() - cancelledAtMs).toBeLessThan(250);
    expect(delivery.failure).toMatchObject({ errorClass: "cancelled", status: 200 });
  });

  it("closes the upstream's socket while a whole answer is waited for", async () => {
    const { promise: arrived, resolve } = Promise.withResolvers<void>();
    fake.upstream.play = () => resolve();
    const call = toCall("json");
    const outcome = fake.open().complete(call);
    await arrived;
    call.cancellation.cancel("deadline");
    expect(await outcome).toMatchObject({ errorClass: "cancelled", error: { code: "timeout" } });
    await fake.upstream.requests[0]?.socketClosed;
  });

  it("after the end changes nothing", async () => {
    const call = toCall("json", { stream: true });
    const delivery = await collect(fake.open(), call);
    call.cancellation.cancel("client_closed");
    expect(delivery).toMatchObject({ endCount: 1, failure: undefined });
  });
});

describe("a reader that is slower than the upstream", () => {
  it("stops the upstream, instead of letting its answer pile up here", async () => {
    const events = Array.from({ length: 4_000 }, () =>
      event(chunk({ content: "x".repeat(4_000) })),
    );
    const { promise: stopped, resolve } = Promise.withResolvers<number>();
    fake.upstream.play = async (response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(event(chunk({ role: "assistant", content: "" })));
      let written = 0;
      for (const piece of events) {
        written += 1;
        if (response.write(piece)) continue;
        const turn = Promise.withResolvers<string>();
        response.once("drain", () => turn.resolve("drain"));
        const timer = setTimeout(() => turn.resolve("full"), 300);
        if ((await turn.promise) === "full") {
          resolve(written);
          await new Promise((drained) => response.once("drain", drained));
        }
        clearTimeout(timer);
      }
      response.end(`${event(chunk({}, "stop"))}data: [DONE]\n\n`);
    };
    const { delivery, stream } = startStream(fake.open(), toCall("json", { stream: true }));
    delivery.onDelivery = () => stream.pause();
    const written = await stopped;
    expect(written).toBeLessThan(events.length);
    const paused = delivery.text().length;
    expect(paused).toBeLessThan(1024 * 1024);
    delivery.onDelivery = undefined;
    stream.resume();
    await delivery.ended;
    expect(delivery.text()).toHaveLength(4_000 * 4_000);
  });
});
