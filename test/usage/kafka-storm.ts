/** A rebalance storm: consumers join and leave without end while a gateway records. */
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from "vitest";
import { Storm, type StormMember } from "../fakes/kafka-storm.ts";
import { MemoryWarehouse } from "../fakes/memory-warehouse.ts";
import { describeWith } from "../setup/describe-with.ts";
import { type KafkaCluster, kafkaTool, startKafka } from "../setup/kafka.ts";
import { createKafkaHome, forwarded, openGateway } from "./kafka-home.ts";
import { periodId, sampleEvent } from "./sample-events.ts";

/** How long, and how bad. */
export type StormOptions = {
  readonly seconds: number;
  /** For how long the first consumer is frozen, from the start on; 0: not at all. */
  readonly frozenSeconds: number;
};

/** What came of it. */
export type StormResult = {
  readonly events: number;
  /** Rows that the warehouse was given, repeats included. */
  readonly rows: number;
  /** Partitions that the frozen consumer had. */
  readonly frozenPartitions: number;
  /** Accounts whose last delivered sum is not what they used. */
  readonly wrongSums: number;
  /** From the last change on until all was in the warehouse and confirmed. */
  readonly settledMs: number;
  readonly changes: number;
};

const accounts = 40;
const credit = 1_000_000n;
const partitions = 6;
const changeEveryMs = 2_000;
const eventsPerChange = 500;

/** The suite, at one size. */
export function describeStorm(options: StormOptions): Promise<void> {
  return describeWith("consumers that come and go every two seconds", kafkaTool, () => {
    let cluster: KafkaCluster;
    beforeAll(async () => {
      cluster = await startKafka({ brokers: 1 });
    }, 90_000);
    afterAll(() => cluster.stop());

    it(
      "lose and double nothing, and have caught up 10 s after",
      async () => {
        const result = await runStorm(cluster, options);
        process.stdout.write(`storm  ${JSON.stringify(result)}\n`);
        const events = (options.seconds * 1_000 * eventsPerChange) / changeEveryMs;
        expect(result).toMatchObject({ events, wrongSums: 0 });
        expect(result.frozenPartitions).toBeGreaterThan(0);
        expect(result.settledMs).toBeLessThan(10_000);
      },
      options.seconds * 2_000 + 60_000,
    );
  });
}

async function runStorm(
  cluster: KafkaCluster,
  { seconds, frozenSeconds }: StormOptions,
): Promise<StormResult> {
  const home = await createKafkaHome(cluster, { partitions });
  const warehouse = new MemoryWarehouse();
  const storm = new Storm(home, warehouse);
  onTestFinished(() => storm.stop());
  const gateway = await openGateway(home, { durability: "fsync" });
  const [frozen, ...members]: StormMember[] = [storm.join(), storm.join()];
  const changes = Math.floor((seconds * 1_000) / changeEveryMs);
  let events = 0;
  let rows = 0;
  let frozenPartitions = 0;
  warehouse.onCall = (kind, batch) => {
    if (kind === "inserted") rows += batch?.events.length ?? 0;
  };
  for (let change = 0; change < changes; change++) {
    const more = Array.from({ length: eventsPerChange }, () =>
      sampleEvent({ accountId: `account-${events++ % accounts}` }),
    );
    await Promise.all(more.map((event) => gateway.log.append(event)));
    if (change === 2 && frozenSeconds > 0) {
      frozenPartitions = await vi.waitUntil(() => frozen?.status().size, {
        timeout: 20_000,
        interval: 20,
      });
      frozen?.kill("SIGSTOP");
    }
    if ((change - 2) * changeEveryMs >= frozenSeconds * 1_000) frozen?.kill("SIGCONT");
    // The storm is made of time: this is its beat, no wait for something to be ready.
    await pause(changeEveryMs);
    if (members.length < 3 && change % 2 === 0) members.push(storm.join());
    else await members.shift()?.leave();
  }
  frozen?.kill("SIGCONT");
  await forwarded(gateway);
  await gateway.log.close();
  const start = performance.now();
  await vi.waitFor(
    () => {
      const all = [frozen, ...members].flatMap((member) => [...(member?.status() ?? [])]);
      expect(new Set(all.map(([partition]) => partition)).size, storm.troubles.join()).toBe(
        partitions,
      );
      expect(all.every(([, { lag, confirmed }]) => lag === 0 && confirmed)).toBe(true);
      expect(wrongSums(storm, events)).toBe(0);
    },
    { timeout: 30_000, interval: 50 },
  );
  const settledMs = Math.round(performance.now() - start);
  expect(Number((await warehouse.rows()).effective)).toBe(events);
  const wrong = wrongSums(storm, events);
  return { events, rows, frozenPartitions, wrongSums: wrong, settledMs, changes };
}

function wrongSums({ delivered }: Storm, events: number): number {
  let wrong = 0;
  for (let account = 0; account < accounts; account++) {
    // Counters take a sum if its version is later than theirs.
    const sums = delivered
      .flatMap((confirmation) => confirmation.sums)
      .filter((sum) => sum.accountId === `account-${account}` && sum.periodId === periodId)
      .toSorted((one, other) => one.version.offset - other.version.offset);
    const used = Math.floor(events / accounts) + (account < events % accounts ? 1 : 0);
    if (sums.at(-1)?.baseByTierMicro.budget !== BigInt(used) * credit) wrong++;
  }
  return wrong;
}
