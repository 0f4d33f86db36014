/** One record in twenty that no warehouse can take, on a real broker and a real ClickHouse. */
import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { expect, it, onTestFinished, vi } from "vitest";
import type { EventKind, Outcome, UsageEvent } from "../../src/gen/optamil/v1/event_pb.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { openKafkaSender } from "../../src/platform/kafka/sender.ts";
import { openClickHouseWarehouse } from "../../src/usage/clickhouse.ts";
import { encodeEvent } from "../../src/usage/encode-event.ts";
import { toEventIdText } from "../../src/usage/event.ts";
import { openKafkaConsumers } from "../../src/usage/kafka/consumers.ts";
import { openKafkaDeadLetters } from "../../src/usage/kafka/dead-letters.ts";
import type { EventBatch } from "../../src/usage/warehouse.ts";
import { createRandom } from "../admission/traffic.ts";
import { fetchClickHouse } from "../setup/clickhouse.ts";
import { describeWith } from "../setup/describe-with.ts";
import { startKafka } from "../setup/kafka.ts";
import { createKafkaHome } from "./kafka-home.ts";
import { sampleEvent } from "./sample-events.ts";

const partitions = 3;
const records = 4_000;
const recordsPerSend = 20;
const sendEveryMs = 50;
const poisonEvery = 20;

/** Makes poison of each kind out of a good event. */
const poisons: readonly ((event: UsageEvent) => Uint8Array)[] = [
  (event) => encodeEvent(event).subarray(0, -1),
  () => randomBytes(200),
  () => new TextEncoder().encode('{"event":"of another kind"}'),
  () => new Uint8Array(900_000).fill(10),
  () => new Uint8Array(0),
  (event) => encodeEvent({ ...event, outcome: 99 as Outcome }),
  (event) => encodeEvent({ ...event, kind: 77 as EventKind }),
  (event) => encodeEvent({ ...event, creditsMicro: -1n }),
  (event) => encodeEvent({ ...event, periodId: "2026-13" }),
  (event) => encodeEvent({ ...event, accountId: "" }),
];

await describeWith("a log with 5 % poison", fetchClickHouse, (startClickHouse) => {
  it("gives the dead letters exactly the poison, and delays no good event for 5 s", async () => {
    const [cluster, server] = await Promise.all([startKafka({ brokers: 1 }), startClickHouse()]);
    onTestFinished(async () => void (await Promise.all([cluster.stop(), server.stop()])));
    const home = await createKafkaHome(cluster, { partitions });
    const warehouse = await openClickHouseWarehouse({ url: server.url });
    const storedAtMs = new Map<string, number>();
    const watched = {
      insert: async (batch: EventBatch) => {
        await warehouse.insert(batch);
        for (const { eventId } of batch.events) storedAtMs.set(eventId, performance.now());
      },
      sums: warehouse.sums.bind(warehouse),
      sumsAfter: warehouse.sumsAfter.bind(warehouse),
      bases: warehouse.bases.bind(warehouse),
      id: warehouse.id.bind(warehouse),
      lastOffset: warehouse.lastOffset.bind(warehouse),
      close: warehouse.close.bind(warehouse),
    };
    const troubles: string[] = [];
    const consumers = openKafkaConsumers({
      ...home,
      warehouse: watched,
      clock: systemClock,
      deliver: async () => undefined,
      onTrouble: (message) => troubles.push(message),
    });
    await vi.waitFor(() => expect(consumers.status().size).toBe(partitions), { timeout: 20_000 });

    const sender = openKafkaSender(home.connection);
    const random = createRandom(5);
    const sentAtMs = new Map<string, number>();
    const poison: string[] = [];
    for (let sent = 0; sent < records; sent += recordsPerSend) {
      const values = Array.from({ length: recordsPerSend }, (_, at) => {
        const event = sampleEvent({ accountId: `account-${at}` });
        if ((sent + at) % poisonEvery > 0) {
          sentAtMs.set(toEventIdText(event.eventId), performance.now());
          return encodeEvent(event);
        }
        const bytes = poisons[Math.floor(random() * poisons.length)]?.(event) ?? new Uint8Array();
        poison.push(Buffer.from(bytes).toString("base64"));
        return bytes;
      });
      const messages = values.map((value) => ({ value: Buffer.from(value) }));
      await sender.send(home.topics.usage, (sent / recordsPerSend) % partitions, messages);
      // The pace of the traffic, no wait for something to be ready.
      await pause(sendEveryMs);
    }
    await vi.waitFor(() => expect(storedAtMs.size).toBe(sentAtMs.size), { timeout: 30_000 });
    await vi.waitFor(
      () => expect([...consumers.status().values()].every(({ lag }) => lag === 0)).toBe(true),
      { timeout: 10_000 },
    );
    await Promise.all([consumers.close(), sender.close()]);
    const delays = [...sentAtMs]
      .map(([id, atMs]) => (storedAtMs.get(id) ?? Number.POSITIVE_INFINITY) - atMs)
      .toSorted((one, other) => one - other);
    const p99Ms = Math.round(delays[Math.floor(delays.length * 0.99)] ?? Number.NaN);
    const figures = {
      records,
      poison: poison.length,
      p99Ms,
      worstMs: Math.round(delays.at(-1) ?? 0),
    };
    process.stdout.write(`figure  5 % poison  ${JSON.stringify(figures)}\n`);
    expect(troubles).toEqual([]);
    expect(p99Ms).toBeLessThan(5_000);
    const rows = await warehouse.rows();
    expect(Number(rows.effective)).toBe(sentAtMs.size);
    await warehouse.close();

    const letters = openKafkaDeadLetters(home.connection, home.topics);
    const found = await letters.list(0, records);
    await letters.close();
    const bytes = found.map((letter) => Buffer.from(letter.bytes).toString("base64"));
    expect(bytes.toSorted()).toEqual(poison.toSorted());
  }, 180_000);
});
