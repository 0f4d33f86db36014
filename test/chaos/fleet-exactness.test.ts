import { afterAll, expect, it } from "vitest";
import { worstMinute } from "../admission/traffic.ts";
import { bearer } from "../e2e/doors.ts";
import { sendHttp1 } from "../e2e/rest-client.ts";
import { fetchClickHouse } from "../setup/clickhouse.ts";
import { describeWith } from "../setup/describe-with.ts";
import { exactPlans, spendLastCredits } from "./exactness.ts";
import { type Fleet, startFleet } from "./fleet.ts";
import type { Address } from "./traffic.ts";

const sixty = {
  name: "sixty",
  creditsPerMonth: 10_000,
  requestsPerMinute: 60,
  requestsPerDay: 100_000,
  tokensPerMinute: 1_000_000,
};
const chat = { model: "auto", messages: [{ role: "user", content: "Say hello." }] };

await describeWith("four gateways on one Redis", fetchClickHouse, (startClickHouse) => {
  let fleet: Fleet;
  let gateways: Address[] = [];

  const opened = async () => {
    if (gateways.length > 0) return;
    fleet = await startFleet({
      ...{ startClickHouse, gateways: 4, consumers: 1 },
      config: { plans: [...exactPlans, sixty] },
    });
    gateways = await Promise.all([0, 1, 2, 3].map((number) => fleet.address(number)));
  };
  afterAll(() => fleet.stop());

  it("answer one of a thousand requests for the last credit, in each of 50 rounds over three of them", async () => {
    await opened();
    const totals = await spendLastCredits(gateways.slice(0, 3), 50, 1_000);
    console.log(`figure  last credit, three gateways  ${JSON.stringify(totals)}`);
    expect(totals).toMatchObject({ answered: 50, refused: 50 * 999 });
  }, 600_000);

  it("answer three of 200 requests for a tag's budget of three, and know it after Redis has lost all", async () => {
    await opened();
    const headers = { ...bearer(await fleet.openAccount("many")), "x-optamil-tag": "job" };
    const [first] = gateways;
    const set = { path: "/v1/budgets/tag:job", method: "PUT", headers, body: { credits: 3 } };
    const usedAt = async (url: string) => {
      const { status, text } = await sendHttp1(url, { path: "/v1/budgets", headers });
      return status === 200 ? JSON.parse(text).data.at(0)?.credits_used : status;
    };
    const soon = { timeout: 20_000, interval: 20 };
    await expect.poll(async () => (await sendHttp1(first?.url ?? "", set)).status, soon).toBe(200);
    for (const { url } of gateways) await expect.poll(() => usedAt(url), soon).toBe(0);
    const path = "/v1/chat/completions";
    const askAll = async (count: number) => {
      const asked = Array.from({ length: count }, async (_, turn) => {
        const { url = "" } = gateways[turn % gateways.length] ?? {};
        return (await sendHttp1(url, { path, headers, body: chat })).status;
      });
      return Object.fromEntries([...Map.groupBy(await Promise.all(asked), String)].map(toCount));
    };
    expect(await askAll(200)).toEqual({ 200: 3, 402: 197 });
    for (const { url } of gateways) expect(await usedAt(url)).toBe(3);
    await fleet.redis.wipe();
    for (const { url } of gateways) await expect.poll(() => usedAt(url), soon).toBe(3);
    expect(await askAll(8)).toEqual({ 402: 8 });
  }, 120_000);

  it("accept 60 of 600 requests in 60 seconds of a key that may send 60 a minute", async () => {
    await opened();
    const key = await fleet.openAccount(sixty.name);
    const headers = bearer(key);
    for (const { url } of gateways) {
      const status = async () => (await sendHttp1(url, { path: "/v1/usage", headers })).status;
      await expect.poll(status, { timeout: 10_000, interval: 20 }).toBe(200);
    }
    const accepted = await sendEvenly(gateways, headers, 600, 60_000);
    const worst = worstMinute(accepted.map((atMs) => ({ atMs, amount: 1 })));
    console.log(
      `figure  60 a minute, four gateways  ${JSON.stringify({ accepted: accepted.length, worst })}`,
    );
    expect({ accepted: accepted.length, worst }).toEqual({ accepted: 60, worst: 60 });
  }, 120_000);
});

function toCount([status, all]: [string, unknown[]]): [string, number] {
  return [status, all.length];
}

/** Sends so many requests at an even pace, in turn to the gateways; when those were sent that were answered. */
async function sendEvenly(
  gateways: readonly Address[],
  headers: Record<string, string>,
  count: number,
  spanMs: number,
): Promise<number[]> {
  const accepted: number[] = [];
  const answers: Promise<void>[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const startedMs = performance.now();
  const timer = setInterval(() => {
    const due = Math.min(count, Math.ceil(((performance.now() - startedMs) / spanMs) * count));
    while (answers.length < due) {
      const url = gateways[answers.length % gateways.length]?.url ?? "";
      const atMs = performance.now() - startedMs;
      const path = "/v1/chat/completions";
      answers.push(
        sendHttp1(url, { path, headers, body: chat }).then(({ status }) => {
          if (status === 200) accepted.push(atMs);
          else expect(status).toBe(429);
        }),
      );
    }
    if (answers.length === count) resolve();
  }, 10);
  await promise;
  clearInterval(timer);
  await Promise.all(answers);
  return accepted.toSorted((one, other) => one - other);
}
