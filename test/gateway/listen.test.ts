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

const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const settingsType = 4;
const emptySettings = Buffer.from([0, 0, 0, settingsType, 0, 0, 0, 0, 0]);

describe("one port", () => {
  const held = createHeldHandler();
  let listener: Listener;
  const open = async (options: ListenOptions = {}) => {
    listener = await listen(held.handler, options);
    return listener;
  };
  afterEach(() => listener.close({ drainMs: 0 }));

  it("answers each HTTP/1.1 request on a connection that is kept alive", async () => {
    const client = await dial((await open()).port);
    for (const number of [1, 2, 3]) {
      client.send(requestText("/hello"));
      const text = await client.received(new RegExp(`(<1\\.1>.*){${number}}`, "s"));
      expect(text).toMatch(/^Connection: keep-alive\r$/im);
    }
    expect(listener.stats()).toMatchObject({ connectionsOpen: 1, requestsRunning: 0 });
  });

  it("answers pipelined HTTP/1.1 requests in their order", async () => {
    const client = await dial((await open()).port);
    const echo = (body: string) => requestText("/echo", [`Content-Length: ${body.length}`], body);
    client.send(echo("one") + requestText("/hello") + echo("three"));
    const text = await client.received(/three/);
    expect(text).toMatch(/one.*<1\.1>.*three/s);
  });

  it("takes a request that comes in pieces and begins like the HTTP/2 preface", async () => {
    const client = await dial((await open()).port);
    for (const piece of [
      "P",
      "OST /echo HT",
      "TP/1.1\r\nHost: localhost\r\nContent-Le",
      "ngth: 2\r\n\r\n",
    ]) {
      client.send(piece);
      await new Promise(setImmediate);
    }
    client.send("ok");
    expect(await client.received(/ok$/)).toMatch(/^HTTP\/1\.1 200 /);
  });

  it("answers HTTP/2 with prior knowledge, many requests at once", async () => {
    const session = await openSession((await open()).url);
    const answers = await Promise.all(Array.from({ length: 200 }, () => get(session, "/hello")));
    expect(new Set(answers)).toEqual(new Set(["<2.0>"]));
    session.destroy();
  });

  it("understands an HTTP/2 preface that comes byte by byte", async () => {
    const client = await dial((await open()).port);
    for (const byte of preface) {
      client.send(byte);
      await new Promise(setImmediate);
    }
    client.send(emptySettings);
    const frame = Buffer.from(await client.received(/^.{9}/s), "latin1");
    expect(frame[3]).toBe(settingsType);
  });

  it("serves both protocols at the same time", async () => {
    const { url, port } = await open();
    const session = await openSession(url);
    const client = await dial(port);
    client.send(requestText("/hello"));
    expect(await get(session, "/hello")).toBe("<2.0>");
    expect(await client.received(/<1\.1>$/)).toMatch(/^HTTP\/1\.1 200 /);
    expect(listener.stats().connectionsOpen).toBe(2);
    session.destroy();
  });

  it.each([
    ["no host", "GET /hello HTTP/1.0\r\n\r\n"],
    ["a host that is none", "GET /hello HTTP/1.1\r\nHost: a b\r\n\r\n"],
    ["a port that is none", "GET /hello HTTP/1.1\r\nHost: a:99999\r\n\r\n"],
  ])("refuses a request with %s", async (_name, text) => {
    const client = await dial((await open()).port);
    client.send(text);
    const answer = await client.received(/\}\}$/);
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toContain('"type":"invalid_request_error","param":null,"code":400');
  });

  it("refuses an HTTP/2 request with a host that is none", async () => {
    const session = await openSession((await open()).url);
    const answer = readAll(session.request({ ":path": "/hello", ":authority": "a:99999" }));
    expect(JSON.parse(await answer)).toMatchObject({ error: { code: 400 } });
    session.destroy();
  });

  it("closes a connection above connectionsMax and keeps the others", async () => {
    const { port } = await open({ connectionsMax: 1 });
    const first = await dial(port);
    first.send(requestText("/hello"));
    await first.received(/<1\.1>$/);
    expect(await (await dial(port)).closed).toBe("");
    first.send(requestText("/hello"));
    expect(count(await first.received(/<1\.1>.*<1\.1>$/s), / 200 /)).toBe(2);
    expect(listener.stats()).toMatchObject({ connectionsOpen: 1, connectionsRefused: 1 });
  });

  it("rejects when its port is taken", async () => {
    const { port } = await open();
    await expect(listen(held.handler, { port })).rejects.toThrow("EADDRINUSE");
  });

  it("listens on IPv6 under a URL that clients understand", async () => {
    const { url } = await open({ host: "::1" });
    const answer = await fetch(`${url}/hello`);
    expect(await answer.text()).toBe("<1.1>");
  });
});
