import { afterAll, describe, expect, it, vi } from "vitest";
import { killRepeatedly, partsOf } from "../chaos/crashes.ts";
import { readAfterAnswers, spendLastCredits, startExactGateway } from "../chaos/exactness.ts";
import { chunk, event, openUpstream, playOpenAi, usageChunk } from "../fakes/openai-upstream.ts";
import { run } from "../setup/process.ts";
import { runtimeCommand } from "../setup/runtime.ts";
import { bearer } from "./doors.ts";
import { type Gateway, runOptamil, startGateway, temporaryFolder } from "./gateway.ts";
import { logLines } from "./leaks.ts";
import { sendHttp1, sendHttp2 } from "./rest-client.ts";
import { readEvents } from "./sse.ts";

// Several processes start one after the other.
vi.setConfig({ testTimeout: 240_000 });
const workers = 2;
const chatPath = "/v1/chat/completions";
const body = { model: "auto", messages: [{ role: "user", content: "Say hello." }] };
const wide = { creditsPerMonth: 1e6, requestsPerDay: 1e6, tokensPerMinute: 1e9 };

/** On a connection of its own, so that the kernel may give it to any worker. */
const ask = (url: string, key: string, headers = {}) =>
  sendHttp2(url, { path: chatPath, headers: { ...bearer(key), ...headers }, body });

async function openAccount({ url, key }: Gateway, plan: string): Promise<string> {
  const asked = { name: "workers", plan };
  const path = "/v1/admin/accounts";
  const reply = await sendHttp1(url, { path, headers: bearer(key), body: asked });
  expect(reply.status, reply.text).toBe(200);
  return String(JSON.parse(reply.text).key);
}

function workersInLog(gateway: Gateway): number[] {
  const lines = logLines(gateway.process.stderr()).map((line) => JSON.parse(line));
  const answered = lines.filter(({ path }) => path === chatPath).map(({ worker }) => worker);
  return [...new Set<number>(answered)].toSorted();
}

describe("two workers on one port", () => {
  it("let through exactly as many requests of a minute as one process, whichever of them they come to", async () => {
    const plans = [{ name: "twenty", requestsPerMinute: 20, ...wide }];
    const gateway = await startGateway({ workers, config: { plans } });
    const key = await openAccount(gateway, "twenty");
    const asked = Array.from({ length: 120 }, () => ask(gateway.url, key));
    const replies = await Promise.all(asked);
    const counts = Map.groupBy(replies, ({ status }) => status);
    expect(counts.get(200)).toHaveLength(20);
    expect(counts.get(429)).toHaveLength(100);
    await expect.poll(() => workersInLog(gateway)).toEqual([1, 2]);
    const usage = await sendHttp1(gateway.url, { path: "/v1/usage", headers: bearer(key) });
    const { credits_used, tier_breakdown } = JSON.parse(usage.text);
    expect(credits_used).toBe(20);
    expect(Object.values<number>(tier_breakdown).reduce((sum, one) => sum + one)).toBe(20);
  });

  it("give the last credit to one of hundreds, and usage that includes each answer at once", async () => {
    const gateway = await startExactGateway({ workers });
    expect(await spendLastCredits([gateway], 2, 300)).toMatchObject({ answered: 2, refused: 598 });
    expect(await readAfterAnswers(gateway, 250)).toEqual({ reads: 250, missing: 0 });
  });

  it("run a request with an Idempotency-Key once, and give its answer again", async () => {
    const gateway = await startExactGateway({ workers });
    const key = await openAccount(gateway, "many");
    const again = () => ask(gateway.url, key, { "idempotency-key": "only-once" });
    const first = await again();
    const others = await Promise.all(Array.from({ length: 16 }, again));
    for (const { status, text } of others)
      expect({ status, text }).toEqual({ status: 200, text: first.text });
    const usage = await sendHttp1(gateway.url, { path: "/v1/usage", headers: bearer(key) });
    expect(JSON.parse(usage.text).credits_used).toBe(1);
  });

  it("ask a provider that takes three requests at once for three, together", async () => {
    let [running, most] = [0, 0];
    const upstream = await openUpstream(async (response, request) => {
      running += 1;
      most = Math.max(most, running);
      // Long enough for the others to come.
      await new Promise((resolve) => setTimeout(resolve, 20));
      running -= 1;
      await playOpenAi(response, request);
    });
    const lab = { name: "lab", kind: "openai", baseUrl: upstream.baseUrl, models: ["gpt-4.1"] };
    const config = { providers: [{ ...lab, maxConcurrent: 3 }] };
    const { url, key } = await startGateway({ workers, config });
    const headers = bearer(key);
    const asked = { path: chatPath, headers, body: { ...body, model: "gpt-4.1" } };
    const replies = await Promise.all(Array.from({ length: 12 }, () => sendHttp2(url, asked)));
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([200]));
    expect(most).toBe(3);
    await upstream.close();
  });

  it("all know a new key, and all refuse it, as soon as the change has been answered", async () => {
    const { url, key } = await startGateway({ workers });
    for (let round = 0; round < 10; round++) {
      const headers = bearer(key);
      const made = await sendHttp1(url, { path: "/v1/keys", headers, body: { name: "round" } });
      const { key: fresh, info } = JSON.parse(made.text);
      const statuses = async () => {
        const asked = Array.from({ length: 8 }, () => ask(url, fresh));
        return new Set((await Promise.all(asked)).map(({ status }) => status));
      };
      expect(await statuses()).toEqual(new Set([200]));
      const path = `/v1/keys/${info.id}`;
      await sendHttp1(url, { path, method: "DELETE", headers });
      expect(await statuses()).toEqual(new Set([401]));
    }
  });

  it("show in /metrics what all of them measured, whichever is asked", async () => {
    const { url, key } = await startExactGateway({ workers });
    await Promise.all(Array.from({ length: 32 }, () => ask(url, key)));
    const reply = await sendHttp2(url, { path: "/metrics", headers: bearer(key) });
    for (const worker of ["1", "2"]) {
      expect(reply.text).toMatch(new RegExp(`^process_cpu_seconds_total{worker="${worker}"}`, "m"));
      expect(reply.text).toMatch(new RegExp(`request_duration_seconds_count{.*worker="${worker}"`));
    }
    expect(reply.text).toMatch(/^optamil_usage_log_fill_ratio \d/m);
    expect(reply.text.match(/^# TYPE process_cpu_seconds_total/gm)).toHaveLength(1);
  });
});

describe("a gateway of which a process is killed under load", () => {
  it.each(["worker", "owner"] as const)(
    "goes on, and loses and doubles nothing: the %s",
    async (victim) => {
      const verdict = await killRepeatedly(victim, 3, 7);
      expect(verdict).toMatchObject({ kills: 3, lost: 0, doubled: 0 });
      expect(verdict.received).toBeGreaterThan(100);
    },
  );
});

describe("a gateway with workers that gets SIGTERM", () => {
  const ending = [chunk({ content: "end" }), chunk({}, "stop"), usageChunk()].map(event).join("");
  const finishers: (() => void)[] = [];
  const upstream = openUpstream((response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(event(chunk({ role: "assistant", content: "begin" })));
    finishers.push(() => response.end(`${ending}data: [DONE]\n\n`));
  });
  afterAll(async () => (await upstream).close());

  it("lets live streams of all workers come to their end, and serves alone on the same folder afterwards", async () => {
    const { baseUrl } = await upstream;
    const config = { providers: [{ name: "lab", kind: "openai", baseUrl, models: ["gpt-4.1"] }] };
    const gateway = await startGateway({ workers, config });
    const headers = bearer(gateway.key);
    const streamed = { ...body, model: "gpt-4.1", stream: true };
    const sent = Array.from({ length: 40 }, () =>
      sendHttp2(gateway.url, { path: chatPath, headers, body: streamed }),
    );
    await expect.poll(() => finishers.length, { timeout: 30_000 }).toBe(sent.length);
    const stopped = gateway.process.stop(60_000);
    await expect.poll(() => fetch(gateway.url).catch(() => "gone")).toBe("gone");
    for (const finish of finishers) finish();
    for (const { text } of await Promise.all(sent)) expect(readEvents(text).at(-1)).toBe("[DONE]");
    expect(await stopped).toEqual({ code: 0, signal: null });
    expect(workersInLog(gateway)).toEqual([1, 2]);
    await gateway.stop();
    const alone = await startGateway({ workers: 1, config, dataDirectory: gateway.dataDirectory });
    const usage = await sendHttp1(alone.url, { path: "/v1/usage", headers });
    expect(JSON.parse(usage.text).credits_used).toBe(sent.length);
    const audited = () => runOptamil(["audit"], alone.dataDirectory);
    await expect
      .poll(async () => (await audited()).stdout, { timeout: 20_000 })
      .toBe("Nothing is lost and nothing counts twice.\n");
  });
});

describe("optamil start --workers", () => {
  it("refuses a port that another gateway has, though it would share it", async () => {
    const gateway = await startGateway({ workers });
    const { command, args } = runtimeCommand("src/main.ts", ["start", "--workers", "2"]);
    const folder = await temporaryFolder();
    const env = { OPTAMIL_DATA: folder, PORT: `${gateway.port}`, OPTAMIL_CONFIG: undefined };
    const { code, stderr } = await run(command, args, { env });
    expect(code).toBe(1);
    expect(stderr).toContain("EADDRINUSE");
  });

  it("ends all its processes with the first one", async () => {
    const gateway = await startGateway({ workers });
    const parts = await partsOf(gateway.process.pid);
    expect(parts.map(({ part }) => part).toSorted()).toEqual([
      "consumer",
      "owner",
      "worker",
      "worker",
    ]);
    process.kill(gateway.process.pid, "SIGKILL");
    const alive = () => parts.filter(({ pid }) => isAlive(pid));
    await expect.poll(alive, { timeout: 30_000 }).toEqual([]);
    await gateway.kill();
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
