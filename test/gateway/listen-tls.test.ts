import { once } from "node:events";
import { Agent, get as getHttps } from "node:https";
import { text } from "node:stream/consumers";
import { connect } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import { type Listener, type ListenOptions, listen } from "../../src/gateway/listen.ts";
import {
  createHeldHandler,
  dial,
  get,
  localhost,
  openSession,
  untilRefused,
} from "./listen-clients.ts";

describe("a TLS port", () => {
  let held = createHeldHandler();
  let listener: Listener;
  const open = async (options: ListenOptions = {}) => {
    held = createHeldHandler();
    listener = await listen(held.handler, { tls: localhost, ...options });
    return listener;
  };
  afterEach(() => listener.close({ drainMs: 0 }));

  it("speaks HTTP/1.1 to a client that offers no ALPN, and keeps its connection", async () => {
    const { url } = await open();
    const agent = new Agent({ keepAlive: true, maxSockets: 1, ca: localhost.cert });
    for (let sent = 0; sent < 2; sent += 1) {
      const [response] = await once(getHttps(`${url}/hello`, { agent }), "response");
      expect(await text(response)).toBe("<1.1>");
    }
    expect(listener.stats().connectionsOpen).toBe(1);
    agent.destroy();
  });

  it("speaks HTTP/2 to a client that offers it", async () => {
    const session = await openSession((await open()).url);
    expect(session.alpnProtocol).toBe("h2");
    expect(await get(session, "/hello")).toBe("<2.0>");
    session.destroy();
  });

  it("closes a connection that does not begin a handshake", async () => {
    const client = await dial((await open({ sniffTimeoutMs: 30 })).port);
    expect(await client.closed).toBe("");
  });

  it("closes a connection that sends something else than a handshake", async () => {
    const client = await dial((await open()).port);
    client.send("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
    expect(await client.closed).not.toContain("HTTP/1.1");
  });

  it("closes a TLS connection whose HTTP/1.1 header does not end", async () => {
    const { port } = await open({ headersTimeoutMs: 50 });
    const socket = connect({ port, host: "127.0.0.1", ca: localhost.cert });
    socket.write("GET /hello HTTP/1.1\r\n");
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 408 /);
  });

  it("stops gracefully: running answers end, silent connections close", async () => {
    const { url, port } = await open();
    const silent = await dial(port);
    const session = await openSession(url);
    const http2Answer = get(session, "/stream");
    const http1Request = getHttps(`${url}/hold`, { ca: localhost.cert });
    await held.held(2);
    const stopped = listener.close({ drainMs: 20_000 });
    await untilRefused(port);
    held.release();
    const [response] = await once(http1Request, "response");
    expect(response.headers.connection).toBe("close");
    expect(await text(response)).toBe("last");
    expect(await http2Answer).toBe("first last");
    silent.destroy();
    await stopped;
  });

  it("cuts what still runs at the deadline of a stop", async () => {
    const { url } = await open();
    const session = await openSession(url);
    const answer = expect(get(session, "/stream")).rejects.toThrow();
    await held.held();
    await listener.close({ drainMs: 30 });
    await answer;
  });
});
