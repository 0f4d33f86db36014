import { afterAll, describe, expect, it, vi } from "vitest";
import { chunk, event, openUpstream, usageChunk } from "../fakes/openai-upstream.ts";
import { bearer } from "./doors.ts";
import { type GatewayOptions, runOptamil, startGateway } from "./gateway.ts";
import { logLines } from "./leaks.ts";
import { sendHttp1 } from "./rest-client.ts";
import { readEvents } from "./sse.ts";

// Several processes start one after the other.
vi.setConfig({ testTimeout: 120_000 });
const streams = 200;
const ending = [chunk({ content: "end" }), chunk({}, "stop"), usageChunk()].map(event).join("");
/** Ends the streams of those who wait; until then they hang after their first word. */
let finishers: (() => void)[] = [];
const upstream = await openUpstream((response) => {
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.write(event(chunk({ role: "assistant", content: "begin" })));
  finishers.push(() => response.end(`${ending}data: [DONE]\n\n`));
});
afterAll(upstream.close);

const start = (limits: object, more: GatewayOptions = {}) =>
  startGateway({
    ...more,
    config: {
      limits,
      metrics: { port: 0 },
      providers: [{ name: "lab", kind: "openai", baseUrl: upstream.baseUrl, models: ["gpt-4.1"] }],
      plans: [{ name: "business", requestsPerMinute: 10_000 }],
    },
  });
const openStream = ({ url, key }: { url: string; key: string }) =>
  sendHttp1(url, {
    path: "/v1/chat/completions",
    headers: bearer(key),
    body: {
      model: "gpt-4.1",
      stream: true,
      stream_options: { include_usage: true },
      messages: [{ role: "user", content: "hello" }],
    },
  });
const ask = (sql: string, dataDirectory: string) =>
  runOptamil(["sql", sql, "--json"], dataDirectory);

describe("a gateway that gets SIGTERM", () => {
  it(`lets ${streams} live streams come to their end, and loses nothing of them`, async () => {
    finishers = [];
    const gateway = await start({});
    const sent = Array.from({ length: streams }, () => openStream(gateway));
    await expect.poll(() => finishers.length, { timeout: 30_000 }).toBe(streams);
    const stopped = gateway.process.stop(60_000);
    await expect.poll(() => fetch(gateway.url).catch(() => "gone")).toBe("gone");
    for (const finish of finishers) finish();
    const answers = await Promise.all(sent);
    for (const { status, text } of answers) {
      expect(status).toBe(200);
      expect(readEvents(text).at(-1)).toBe("[DONE]");
    }
    expect(await stopped).toEqual({ code: 0, signal: null });
    await gateway.stop();
    const again = await start({}, { dataDirectory: gateway.dataDirectory });
    const counted =
      "SELECT outcome, count() AS n, sum(credits_micro) AS micro FROM usage_events FINAL GROUP BY outcome";
    await expect
      .poll(async () => (await ask(counted, again.dataDirectory)).stdout, { timeout: 20_000 })
      .toContain(`"outcome":"stream_ok","n":${streams},"micro":${streams * 1_000_000}`);
    const audited = await runOptamil(["audit"], again.dataDirectory);
    expect(audited).toMatchObject({
      code: 0,
      stdout: "Nothing is lost and nothing counts twice.\n",
    });
  });

  it("ends what outlasts its deadline with an error frame, uncharged", async () => {
    finishers = [];
    const gateway = await start({ drainTimeoutMs: 200 });
    const sent = openStream(gateway);
    await expect.poll(() => finishers.length).toBe(1);
    const stopped = gateway.process.stop(30_000);
    const events = readEvents((await sent).text);
    expect(JSON.parse(events.at(-1) ?? "")).toMatchObject({
      error: { type: "service_unavailable", code: 503 },
    });
    expect(await stopped).toEqual({ code: 0, signal: null });
    const lines = logLines(gateway.process.stderr()).map((line) => JSON.parse(line));
    const ended = lines.find(({ path }) => path === "/v1/chat/completions");
    expect(ended).toMatchObject({ outcome: "upstream_partial", credits: 0 });
    await gateway.stop();
  });

  it("says that it is not ready at once, and takes requests until its balancer has noticed", async () => {
    finishers = [];
    const gateway = await start({ drainDelayMs: 3_000 });
    const ready = async () => (await sendHttp1(gateway.url, { path: "/readyz" })).status;
    expect(await ready()).toBe(200);
    const stopped = gateway.process.stop(30_000);
    await expect.poll(ready).toBe(503);
    const sent = openStream(gateway);
    await expect.poll(() => finishers.length).toBe(1);
    for (const finish of finishers) finish();
    expect(readEvents((await sent).text).at(-1)).toBe("[DONE]");
    expect(await stopped).toEqual({ code: 0, signal: null });
    await gateway.stop();
  });
});
