/** The failure table of docs/operations.md, cell by cell, on a fleet under load. */
import { afterAll, expect, it } from "vitest";
import { openUpstream } from "../fakes/openai-upstream.ts";
import { fetchClickHouse } from "../setup/clickhouse.ts";
import { describeWith } from "../setup/describe-with.ts";
import { goTool } from "../setup/go-tool.ts";
import { type Dependency, type Fleet, startFleet } from "./fleet.ts";
import { checkFleet, settled } from "./fleet-books.ts";
import { chaosPlan } from "./fleet-kills.ts";
import { type Answers, type Fault, inflict, probe, untilDegraded, untilServed } from "./outages.ts";
import { startSamples } from "./samples.ts";
import { Traffic } from "./traffic.ts";

/** The cells of docs/operations.md's failure table. */
type Cell = {
  readonly dependency: Dependency;
  readonly fault: Fault;
  readonly forMs: number;
  /** Statuses that chat requests of a paying account may have. */
  readonly paying: readonly number[];
  readonly free: readonly number[];
  readonly usage: readonly number[];
};

const beforeMs = 3_000;

const served = { paying: [200], free: [200], usage: [200] };
/** What is paid for goes on within the overdraft, which four clients spend in a second. */
const refused = { paying: [200, 503], free: [200, 503], usage: [200, 503] };
/** The cells, with how long a service is stopped. */
function cellsOf(stoppedMs: number): readonly Cell[] {
  return [
    { dependency: "kafka", fault: "stopped", forMs: stoppedMs, ...served },
    { dependency: "kafka", fault: "frozen", forMs: 5_000, ...served },
    { dependency: "kafka", fault: "slow", forMs: 10_000, ...served },
    { dependency: "kafka", fault: "wiped", forMs: 5_000, ...served },
    { dependency: "clickhouse", fault: "stopped", forMs: stoppedMs, ...served },
    { dependency: "clickhouse", fault: "frozen", forMs: 5_000, ...served },
    { dependency: "clickhouse", fault: "slow", forMs: 10_000, ...served },
    { dependency: "clickhouse", fault: "wiped", forMs: 5_000, ...served },
    { dependency: "redis", fault: "stopped", forMs: stoppedMs / 2, ...refused },
    { dependency: "redis", fault: "frozen", forMs: 5_000, ...refused },
    { dependency: "redis", fault: "slow", forMs: stoppedMs / 2, ...served },
    { dependency: "redis", fault: "wiped", forMs: 5_000, ...refused },
  ];
}

/** Services that get a twentieth of their time. */
export const starvedCells: readonly Cell[] = [
  { dependency: "kafka", fault: "starved", forMs: 10_000, ...served },
  { dependency: "clickhouse", fault: "starved", forMs: 10_000, ...served },
  { dependency: "redis", fault: "starved", forMs: 10_000, ...refused },
];

/** The suite. */
export function describeOutages(stoppedMs: number, more: readonly Cell[] = []): Promise<void> {
  const fetch = async () => {
    await goTool("toxiproxy");
    return fetchClickHouse();
  };
  return describeWith("a fleet of two", fetch, (startClickHouse) => {
    outages(startClickHouse, [...cellsOf(stoppedMs), ...more], stoppedMs);
  });
}

function outages(
  startClickHouse: Awaited<ReturnType<typeof fetchClickHouse>>,
  cells: readonly Cell[],
  stoppedMs: number,
): void {
  let opened: Promise<Awaited<ReturnType<typeof openFleet>>> | undefined;
  afterAll(async () => {
    const world = await opened;
    await world?.fleet.stop();
    await world?.upstream.close();
  });

  async function openFleet() {
    const upstream = await openUpstream();
    const { baseUrl } = upstream;
    const fleet = await startFleet({
      ...{ startClickHouse, brokers: 3, gateways: 2, consumers: 2, proxied: true },
      config: {
        plans: [chaosPlan, { ...chaosPlan, name: "free" }],
        models: [{ name: "chaos-model", tier: "free" }],
        providers: [{ name: "lab", kind: "openai", baseUrl, models: ["chaos-model"] }],
      },
    });
    const keys = await Promise.all(["chaos", "free"].map((plan) => fleet.openAccount(plan)));
    // Used once, so that the counters know them: a new account is looked up where its events would be.
    for (const key of keys) await probe(fleet, key, 500);
    return { fleet, upstream, keys };
  }

  it.each(cells)(
    "serves with $dependency $fault as the table says, and has exact books afterwards",
    async ({ dependency, fault, forMs, paying, free, usage }) => {
      opened ??= openFleet();
      const { fleet, upstream, keys } = await opened;
      const [payingKey = "", freeKey = ""] = keys;
      const traffic = startTraffic(fleet, payingKey);
      const samples = startSamples(fleet, keys);
      await traffic.more(20);
      // Under the same load, and a moment before: a machine that others use is as slow then.
      const [{ servedMs: before }] = await Promise.all([
        probe(fleet, payingKey, beforeMs),
        probe(fleet, freeKey, beforeMs),
      ]);
      const end = await inflict(fleet, dependency, fault);
      const isSlowRedis = dependency === "redis" && fault === "slow";
      const isAway = fault === "stopped" || fault === "frozen" || isSlowRedis;
      const [asPaying, asFree, degradedMs] = await Promise.all([
        probe(fleet, payingKey, forMs),
        probe(fleet, freeKey, forMs),
        isAway ? untilDegraded(fleet, [dependency]) : undefined,
      ]);
      await end();
      const returnedMs = await untilServed(fleet, freeKey);
      await traffic.stop();
      const wellMs = await untilDegraded(fleet, []);
      const settledMs = await settled(fleet);
      const sampled = await samples.stop();
      const called = new Set(upstream.requests.map(({ headers }) => `${headers["x-request-id"]}`));
      await checkFleet(fleet, keys, { received: traffic.received, called });
      const health = { degradedMs, wellMs };
      const figures = { before, paying: asPaying, free: asFree, ...health, returnedMs, settledMs };
      console.log(
        `figure  ${dependency} ${fault} ${forMs} ms  ${JSON.stringify({ ...figures, ...sampled })}`,
      );
      expect(statusesOf(asPaying?.chat)).toEqual(expect.toSatisfy(isWithin(paying)));
      expect(statusesOf(asFree?.chat)).toEqual(expect.toSatisfy(isWithin(free)));
      expect(statusesOf(asPaying?.usage)).toEqual(expect.toSatisfy(isWithin(usage)));
      expect(statusesOf(asPaying?.chat)).not.toEqual([]);
      expect(settledMs).toBeLessThan(60_000);
    },
    2 * stoppedMs + 240_000,
  );
}

function startTraffic(fleet: Fleet, key: string): Traffic {
  return new Traffic({
    ...{ clients: 4, seed: 7 },
    address: async (client) => ({ url: (await fleet.address(client)).url, key }),
  });
}

function statusesOf(answers: Answers | undefined): number[] {
  return Object.keys(answers ?? {}).map(Number);
}

function isWithin(allowed: readonly number[]) {
  return (statuses: number[]) => statuses.every((status) => allowed.includes(status));
}
