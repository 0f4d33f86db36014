import { once } from "node:events";
import { constants } from "node:http2";
import { afterEach, describe, expect, it } from "vitest";
import { type Listener, type ListenOptions, listen } from "../../src/gateway/listen.ts";
import {
  count,
  createHeldHandler,
  dial,
  get,
  openSession,
  readAll,
  requestText,
} from "./listen-clients.ts";

describe("what a connection may not do", () => {
  let held = createHeldHandler();
  let listener: Listener;
  const open = async (options: ListenOptions = {}) => {
    held = createHeldHandler();
    listener = await listen(held.handler, options);
    return listener;
  };
  afterEach(() => listener.close({ drainMs: 0 }));

  it.each([
    ["garbage", "\x16\x03\x01\x00garbage\r\n\r\n"],
    ["a message of another protocol", "SSH-2.0-OpenSSH_9.9\r\n"],
    ["a bare LF", "GET /hello HTTP/1.1\nHost: localhost\n\n"],
    ["a space before a colon", requestText("/hello", ["X-Name : value"])],
    ["a folded header", requestText("/hello", ["X-Name: a", " b"])],
    ["a bad Content-Length", requestText("/echo", ["Content-Length: 1x"], "a")],
    ["two Content-Lengths", requestText("/echo", ["Content-Length: 1", "Content-Length: 2"], "ab")],
    [
      "Content-Length beside Transfer-Encoding",
      requestText("/echo", ["Content-Length: 5", "Transfer-Encoding: chunked"], "0\r\n\r\n"),
    ],
    ["a chunk without a size", requestText("/echo", ["Transfer-Encoding: chunked"], "zz\r\n")],
    ["a header above the limit", requestText("/hello", [`X-Name: ${"x".repeat(20_000)}`])],
  ])("refuses %s with 400 and closes", async (_name, text) => {
    const client = await dial((await open()).port);
    client.send(text);
    const answer = await client.closed;
    expect(answer).toMatch(/^HTTP\/1\.1 400 [\s\S]*^connection: close\r$/m);
    expect(answer).toContain('"type":"invalid_request_error","param":null,"code":400');
    expect(count(answer, /HTTP\/1\.1 /)).toBe(1);
  });

  it("answers a good request before it closes on the garbage that follows it", async () => {
    const client = await dial((await open()).port);
    client.send(`${requestText("/stream")}garbage\r\n\r\n`);
    await client.received(/first/);
    held.release();
    const answer = await client.closed;
    expect(answer).toMatch(/first [\s\S]*last/);
    expect(count(answer, /HTTP\/1\.1 /)).toBe(1);
  });

  it("closes a connection that stays silent", async () => {
    const client = await dial((await open({ sniffTimeoutMs: 30 })).port);
    expect(await client.closed).toBe("");
  });

  it("closes a connection that stops within the HTTP/2 preface", async () => {
    const client = await dial((await open({ sniffTimeoutMs: 30 })).port);
    client.send("PRI * HT");
    expect(await client.closed).toBe("");
  });

  it("answers 408 to a header that does not end", async () => {
    const client = await dial((await open({ headersTimeoutMs: 50 })).port);
    client.send("GET /hello HTTP/1.1\r\nHost: localhost\r\n");
    const answer = await client.closed;
    expect(answer).toMatch(/^HTTP\/1\.1 408 /);
    expect(answer).toContain('"type":"timeout","param":null,"code":408');
  });

  it("answers 408 to a body that does not end", async () => {
    const client = await dial((await open({ headersTimeoutMs: 50, requestTimeoutMs: 60 })).port);
    client.send(requestText("/echo", ["Content-Length: 9"], "half"));
    expect(await client.closed).toMatch(/^HTTP\/1\.1 408 /);
    await listener.close({ drainMs: 0 });
    expect(listener.stats().requestsRunning).toBe(0);
  });

  it("cuts a body that does not end when the answer has begun", async () => {
    const client = await dial((await open({ headersTimeoutMs: 50, requestTimeoutMs: 60 })).port);
    client.send(requestText("/stream", ["Content-Length: 9"], "half"));
    expect(await client.closed).toMatch(/^HTTP\/1\.1 200 [\s\S]*first \r\n$/);
  });

  it("cuts a body that goes on after its answer, and answers no second time", async () => {
    const client = await dial((await open({ headersTimeoutMs: 50, requestTimeoutMs: 60 })).port);
    client.send(requestText("/hello", ["Content-Length: 9"], "half"));
    const answer = await client.closed;
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    expect(count(answer, /HTTP\/1\.1 /)).toBe(1);
  });

  it("closes an idle connection that was kept alive", async () => {
    const client = await dial((await open({ idleTimeoutMs: 20 })).port);
    client.send(requestText("/hello"));
    expect(await client.closed).toMatch(/<1\.1>$/);
  });

  it("closes an idle HTTP/2 session, and no session whose request is silent", async () => {
    const { url } = await open({ idleTimeoutMs: 50 });
    const busy = await openSession(url);
    const answer = get(busy, "/hold");
    await held.held();
    const idle = await openSession(url);
    const [code] = await once(idle, "goaway");
    expect(code).toBe(constants.NGHTTP2_NO_ERROR);
    await once(idle, "close");
    held.release();
    expect(await answer).toBe("last");
    await once(busy, "close");
  });

  it("resets an HTTP/2 request that does not end, and none whose answer takes as long", async () => {
    const { url } = await open({ headersTimeoutMs: 50, requestTimeoutMs: 60 });
    const session = await openSession(url);
    const answer = readAll(session.request({ ":path": "/stream" }));
    await held.held();
    const endless = session.request({ ":path": "/echo", ":method": "POST" });
    endless.write("half");
    await once(endless, "close");
    expect(endless.rstCode).toBe(constants.NGHTTP2_CANCEL);
    held.release();
    expect(await answer).toBe("first last");
    session.destroy();
  });

  it("resets an HTTP/2 request with a header above the limit and keeps the session", async () => {
    const session = await openSession((await open()).url);
    // Until the client has our settings, only node's own larger limit holds.
    await get(session, "/hello");
    const large = Object.fromEntries([1, 2, 3].map((n) => [`x-${n}`, "x".repeat(6_000)]));
    await expect(readAll(session.request({ ":path": "/hello", ...large }))).rejects.toThrow();
    expect(await get(session, "/hello")).toBe("<2.0>");
    session.destroy();
  });

  it("ends an HTTP/2 session that opens and resets requests without end", async () => {
    const session = await openSession((await open()).url);
    const ended = new Promise((resolve) => session.once("close", resolve));
    const flood = () => {
      for (let sent = 0; sent < 100 && !session.destroyed; sent += 1) {
        const stream = session.request({ ":path": "/hold" });
        stream.on("error", () => undefined);
        stream.close(constants.NGHTTP2_CANCEL);
      }
      if (!session.destroyed) setImmediate(flood);
    };
    flood();
    await ended;
    await listener.close({ drainMs: 0 });
    expect(listener.stats().requestsRunning).toBe(0);
  });
});
