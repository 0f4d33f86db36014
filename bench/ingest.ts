// `node bench/ingest.ts [events] [url]`: how fast usage is recorded, carried into chDB, or into the ClickHouse
// server at the URL, and summed up.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../src/platform/clock.ts";
import { type ChdbWarehouse, openChdbWarehouse } from "../src/usage/chdb.ts";
import { type ClickHouseWarehouse, openClickHouseWarehouse } from "../src/usage/clickhouse.ts";
import { Consumer } from "../src/usage/consumer.ts";
import { type LmdbUsageLog, openLmdbUsageLog } from "../src/usage/lmdb.ts";
import { openLmdbConsumerStore } from "../src/usage/lmdb-store.ts";
import { createEvent, periodId } from "./events.ts";

const eventCount = Number(process.argv[2] ?? 200_000);
const serverUrl = process.argv[3];
const appendsPerLevel = 20_000;
const folder = mkdtempSync(join(tmpdir(), "optamil-ingest-"));

/** Six of ten events are of one account, the others of 5,000. */
function accountOf(number: number): string {
  return number % 10 < 6 ? "big" : `account-${number % 5_000}`;
}

async function timed<T>(work: () => Promise<T>): Promise<{ value: T; ms: number }> {
  const startedMs = performance.now();
  const value = await work();
  return { value, ms: performance.now() - startedMs };
}

/** Appends, so many at a time. */
async function measureAppends(log: LmdbUsageLog, atATime: number): Promise<void> {
  const count = atATime === 1 ? appendsPerLevel / 40 : appendsPerLevel;
  const latenciesMs: number[] = [];
  let left = count;
  const work = async () => {
    while (left-- > 0) {
      const event = createEvent(left, accountOf(left));
      latenciesMs.push((await timed(() => log.append(event))).ms);
    }
  };
  const { ms } = await timed(() => Promise.all(Array.from({ length: atATime }, work)));
  latenciesMs.sort((one, other) => one - other);
  const at = (share: number) => (latenciesMs[Math.floor(count * share)] ?? 0).toFixed(2);
  const perSecond = Math.round((count / ms) * 1_000);
  console.log(
    `append, ${atATime} at a time: ${perSecond}/s, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`,
  );
}

async function fill(log: LmdbUsageLog): Promise<void> {
  for (let number = log.status().endOffset; number < eventCount; number += 10_000) {
    const events = Math.min(10_000, eventCount - number);
    await Promise.all(
      Array.from({ length: events }, (_, at) =>
        log.append(createEvent(number + at, accountOf(number + at))),
      ),
    );
  }
}

async function openWarehouse(): Promise<ChdbWarehouse | ClickHouseWarehouse> {
  return serverUrl === undefined
    ? openChdbWarehouse(`${folder}/warehouse`)
    : openClickHouseWarehouse({ url: serverUrl });
}

async function measureIngest(log: LmdbUsageLog): Promise<void> {
  const opened = await timed(openWarehouse);
  console.log(`open an empty warehouse: ${opened.ms.toFixed(0)} ms`);
  const warehouse = opened.value;
  const store = openLmdbConsumerStore(`${folder}/consumer`, "write");
  const confirmMs: number[] = [];
  const deliver = async () => undefined;
  const consumer = new Consumer({ log, warehouse, store, clock: systemClock, deliver });
  const cpu = process.cpuUsage();
  const { ms } = await timed(async () => {
    for (let lag = 1; lag > 0; ) {
      const step = await timed(() => consumer.step());
      if (step.value.confirmed) confirmMs.push(step.ms);
      lag = step.value.lag;
    }
  });
  const used = process.cpuUsage(cpu);
  const cpuUs = (used.user + used.system) / eventCount;
  const perSecond = Math.round((eventCount / ms) * 1_000);
  console.log(`ingest: ${perSecond} events/s, ${cpuUs.toFixed(1)} µs CPU an event`);
  console.log(`confirms meanwhile: ${confirmMs.map((one) => one.toFixed(0)).join(", ")} ms`);
  const big = await timed(() => warehouse.sums(["big"], [periodId]));
  const small = await timed(() => warehouse.sums(["account-7"], [periodId]));
  console.log(`sums: big account ${big.ms.toFixed(0)} ms, small ${small.ms.toFixed(0)} ms`);
  await warehouse.close();
  await store.close();
  const again = await timed(openWarehouse);
  console.log(`open it again: ${again.ms.toFixed(0)} ms`);
  await again.value.close();
}

const log = await openLmdbUsageLog({
  path: `${folder}/log`,
  gatewayId: "bench",
  clock: systemClock,
  spoolEventsMax: Infinity,
  onBroken: (cause) => {
    throw cause;
  },
});
try {
  for (const atATime of [1, 64, 1_000]) await measureAppends(log, atATime);
  await fill(log);
  await measureIngest(log);
} finally {
  await log.close();
  rmSync(folder, { recursive: true, force: true });
}
