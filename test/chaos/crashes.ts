/** One gateway, its upstream and its clients, and processes of it that die at random moments. */
import { readFile } from "node:fs/promises";
import { expect } from "vitest";
import { createRandom } from "../admission/traffic.ts";
import { bearer } from "../e2e/doors.ts";
import { type Gateway, startGateway, temporaryFolder } from "../e2e/gateway.ts";
import { sendHttp1 } from "../e2e/rest-client.ts";
import { openUpstream, playOpenAi } from "../fakes/openai-upstream.ts";
import { caughtUp, judge, readBooks, readDisk, type Verdict } from "./books.ts";
import { type Address, Traffic } from "./traffic.ts";

/** Which process dies. */
export type Victim = "gateway" | "consumer" | "worker" | "owner";

const accounts = 4;
const clients = 12;
/** Answers between two deaths, at most: some come while the process starts, some in mid-insert. */
const answersMax: Readonly<Record<Victim, number>> = {
  gateway: 200,
  consumer: 3_000,
  worker: 200,
  owner: 200,
};
const upstreamLatencyMsMax = 20;
const plan = {
  name: "chaos",
  creditsPerMonth: 100_000_000,
  requestsPerMinute: 10_000_000,
  requestsPerDay: 100_000_000,
  tokensPerMinute: 1_000_000_000,
};

/** Kills a process again and again under load, then checks the books event by event. */
export async function killRepeatedly(victim: Victim, kills: number, seed: number) {
  const world = await openWorld(seed, victim === "worker" || victim === "owner" ? 2 : 1);
  const random = createRandom(seed);
  const traffic = new Traffic({
    clients,
    seed,
    address: (client) => world.address(client % accounts),
  });
  for (let kill = 0; kill < kills; kill++) {
    await traffic.more(1 + Math.floor(random() * answersMax[victim]));
    await world.kill(victim);
  }
  await traffic.more(answersMax[victim]);
  await traffic.stop();
  const verdict = await world.close(traffic.received);
  expect([...traffic.refused.keys()].filter((status) => status !== 503)).toEqual([]);
  return { ...verdict, kills, broken: traffic.broken };
}

async function openWorld(seed: number, workers: number) {
  const random = createRandom(seed + 1);
  const upstream = await openUpstream(async (response, request) => {
    await new Promise((resolve) => setTimeout(resolve, random() * upstreamLatencyMsMax));
    await playOpenAi(response, request);
  });
  const { baseUrl } = upstream;
  const config = {
    plans: [plan],
    models: [{ name: "chaos-model", tier: "free" }],
    providers: [{ name: "lab", kind: "openai", baseUrl, models: ["chaos-model"] }],
  };
  const dataDirectory = await temporaryFolder();
  let gateway = await startGateway({ config, dataDirectory, workers });
  let serving = Promise.resolve(gateway);
  const keys = await openAccounts(gateway);
  const admin = (): Address => gateway;
  const killGateway = async () => {
    const next = Promise.withResolvers<Gateway>();
    serving = next.promise;
    await gateway.kill();
    gateway = await startGateway({ config, dataDirectory, workers });
    next.resolve(gateway);
  };
  return {
    async address(account: number): Promise<Address> {
      return { url: (await serving).url, key: keys[account] ?? "" };
    },
    async kill(victim: Victim): Promise<void> {
      if (victim === "gateway") return killGateway();
      process.kill(await partOf(victim, gateway.process.pid, random), "SIGKILL");
    },
    /** The verdict, once everything is quiet. */
    async close(received: ReadonlySet<string>): Promise<Verdict> {
      const openHolds = async () => (await readDisk(dataDirectory)).openHolds;
      await expect.poll(openHolds, { timeout: 10_000, interval: 100 }).toBe(0);
      await caughtUp(admin(), dataDirectory);
      const events = await readBooks(admin());
      const called = new Set(
        upstream.requests.map(({ headers }) => String(headers["x-request-id"])),
      );
      const verdict = judge(events, { received, called });
      const booked = events.reduce((sum, { credits }) => sum + credits, 0);
      const used = await Promise.all(keys.map((key) => usedBy({ url: gateway.url, key })));
      expect(used.reduce((sum, one) => sum + one)).toBe(booked);
      await upstream.close();
      return verdict;
    },
  };
}

/** Credits used, after a check of the sums that every answer promises. */
async function usedBy({ url, key }: Address): Promise<number> {
  const reply = await sendHttp1(url, { path: "/v1/usage", headers: bearer(key) });
  const usage = JSON.parse(reply.text);
  const tiers = Object.values<number>(usage.tier_breakdown).reduce((sum, tier) => sum + tier);
  expect(tiers).toBe(usage.credits_used);
  expect(usage.credits_used + usage.credits_remaining).toBe(usage.credits_total);
  return usage.credits_used;
}

async function openAccounts({ url, key }: Address): Promise<string[]> {
  const opened = Array.from({ length: accounts }, async (_, account) => {
    const body = { name: `chaos-${account}`, plan: plan.name };
    const headers = bearer(key);
    const reply = await sendHttp1(url, { path: "/v1/admin/accounts", headers, body });
    return String(JSON.parse(reply.text).key);
  });
  return Promise.all(opened);
}

/** Process id of a part of a gateway; waits for the next one while there is none. */
async function partOf(victim: Victim, pid: number, random: () => number): Promise<number> {
  const parts = async () => {
    const found = await partsOf(pid);
    return found.filter(({ part }) => part === victim);
  };
  await expect.poll(async () => (await parts()).length, partTimes).toBeGreaterThan(0);
  const found = await parts();
  return found[Math.floor(random() * found.length)]?.pid ?? -1;
}

const partTimes = { timeout: 30_000, interval: 20 };

/** The processes of a gateway below its first one, by what they were started as (Linux). */
export async function partsOf(pid: number): Promise<{ pid: number; part: string }[]> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8").catch(() => "");
  const found = children.split(" ").filter((text) => text !== "");
  const parts = found.map(async (text) => {
    const child = Number(text);
    const words = await readFile(`/proc/${child}/cmdline`, "utf8").catch(() => "");
    const part = /main\.ts\0(\w+)/.exec(words)?.[1] ?? "";
    return [{ pid: child, part }, ...(await partsOf(child))];
  });
  return (await Promise.all(parts)).flat();
}
