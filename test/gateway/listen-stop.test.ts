import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { listen } from "../../src/gateway/listen.ts";
import {
  count,
  createHeldHandler,
  dial,
  get,
  openSession,
  readAll,
  requestText,
  untilRefused,
} from "./listen-clients.ts";

const drainMs = 20_000;

async function openHeld() {
  const held = createHeldHandler();
  return { held, listener: await listen(held.handler) };
}

describe("a graceful stop", () => {
  it("closes connections that are idle, silent or new, and takes no more", async () => {
    const { listener } = await openHeld();
    const silent = await dial(listener.port);
    const kept = await dial(listener.port);
    kept.send(requestText("/hello"));
    await kept.received(/<1\.1>$/);
    const session = await openSession(listener.url);
    await get(session, "/hello");
    const sessionClosed = once(session, "close");
    await listener.close({ drainMs });
    expect(await silent.closed).toBe("");
    await kept.closed;
    await sessionClosed;
    expect(listener.stats().connectionsOpen).toBe(0);
    await expect(dial(listener.port)).rejects.toThrow("ECONNREFUSED");
  });

  it("lets a running HTTP/1.1 answer end and says that the connection closes", async () => {
    const { held, listener } = await openHeld();
    const client = await dial(listener.port);
    client.send(requestText("/hold"));
    await held.held();
    const stopped = listener.close({ drainMs });
    await untilRefused(listener.port);
    held.release();
    expect(await client.closed).toMatch(
      /^HTTP\/1\.1 200 [\s\S]*^connection: close\r$[\s\S]*last$/im,
    );
    await stopped;
  });

  it("lets a running HTTP/1.1 stream end, answers what was sent behind it, and nothing more", async () => {
    const { held, listener } = await openHeld();
    const client = await dial(listener.port);
    client.send(requestText("/stream"));
    await client.received(/first/);
    expect(listener.stats()).toMatchObject({ connectionsOpen: 1, requestsRunning: 1 });
    const stopped = listener.close({ drainMs });
    await untilRefused(listener.port);
    client.send(requestText("/hello"));
    client.send(requestText("/hello"));
    held.release();
    const answer = await client.closed;
    expect(answer).toMatch(/first [\s\S]*last\r\n0\r\n\r\n[\s\S]*connection: close[\s\S]*<1\.1>$/i);
    expect(count(answer, /HTTP\/1\.1 /)).toBe(2);
    await stopped;
  });

  it("lets a running HTTP/2 stream end after GOAWAY", async () => {
    const { held, listener } = await openHeld();
    const session = await openSession(listener.url);
    const stream = session.request({ ":path": "/stream" });
    const answer = readAll(stream);
    await once(stream, "response");
    const [goaway, sessionClosed] = [once(session, "goaway"), once(session, "close")];
    const stopped = listener.close({ drainMs });
    expect((await goaway)[0]).toBe(0);
    held.release();
    expect(await answer).toBe("first last");
    await sessionClosed;
    await stopped;
  });

  it("answers what an HTTP/2 client has on its way when its answers so far have been given", async () => {
    const stops: Promise<void>[] = [];
    const listener = await listen((_request, response) => {
      response.end("Hello.");
      // The answer may be out, and its stream is still open here.
      stops.push(listener.close({ drainMs }));
    });
    const session = await openSession(listener.url);
    const sessionClosed = once(session, "close");
    expect(await get(session, "/hello")).toBe("Hello.");
    const goaway = once(session, "goaway");
    expect(await get(session, "/hello")).toBe("Hello.");
    expect((await goaway)[0]).toBe(0);
    await sessionClosed;
    await Promise.all(stops);
  });

  it("cuts what still runs at the deadline", async () => {
    const { held, listener } = await openHeld();
    const client = await dial(listener.port);
    client.send(requestText("/stream"));
    const session = await openSession(listener.url);
    const answer = get(session, "/stream");
    await held.held(2);
    const refused = expect(answer).rejects.toThrow();
    await listener.close({ drainMs: 30 });
    await refused;
    expect(await client.closed).toMatch(/first \r\n$/);
    expect(listener.stats()).toMatchObject({ connectionsOpen: 0, requestsRunning: 0 });
  });

  it("is one stop however often it is asked for", async () => {
    const { listener } = await openHeld();
    const stops = [listener.close({ drainMs }), listener.close({ drainMs })];
    await Promise.all(stops);
    expect(stops[0]).toBe(stops[1]);
  });
});
