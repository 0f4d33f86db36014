import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { openTopicReader } from "../../src/platform/kafka/reader.ts";
import { decodeEvent, toEventIdText } from "../../src/usage/event.ts";
import type { LogRecord } from "../../src/usage/usage-log.ts";
import { describeWith } from "../setup/describe-with.ts";
import { type KafkaCluster, kafkaTool, startKafka } from "../setup/kafka.ts";
import { createDataFolder } from "./data-folder.ts";
import { createKafkaHome, forwarded, type KafkaHome, openGateway } from "./kafka-home.ts";
import { createEventId, sampleEvent, sampleHold, sampleSettlement } from "./sample-events.ts";

const all = { eventsMax: 100_000, bytesMax: 1e9 };

/** The records of the topic by partition, up to the end. */
async function readPartitions(home: KafkaHome, partitions: number): Promise<LogRecord[][]> {
  const reader = openTopicReader(home.connection, home.topics.usage);
  const logs = await Promise.all(
    Array.from({ length: partitions }, async (_, partition) => {
      const records: LogRecord[] = [];
      for (;;) {
        const batch = await reader.partition(partition, 1).read(records.length, all);
        records.push(...batch.records);
        if (records.length === batch.endOffset) return records;
      }
    }),
  );
  await reader.close();
  return logs;
}

function idsOf(records: readonly LogRecord[]): string[] {
  return records.map(({ bytes }) => toEventIdText(decodeEvent(bytes).eventId));
}

await describeWith("the forwarder of the usage log to Kafka", kafkaTool, () => {
  let cluster: KafkaCluster;
  beforeAll(async () => {
    cluster = await startKafka({ brokers: 1 });
  }, 90_000);
  afterAll(() => cluster.stop());

  it("puts all events of an account into one partition, in their order", async () => {
    const home = await createKafkaHome(cluster, { partitions: 4 });
    const gateway = await openGateway(home, { durability: "fsync" });
    const events = Array.from({ length: 3_000 }, (_, at) =>
      sampleEvent({ accountId: `account-${at % 50}` }),
    );
    await Promise.all(events.map((event) => gateway.log.append(event)));
    await forwarded(gateway);
    await gateway.log.close();
    const partitions = await readPartitions(home, 4);
    expect(partitions.flat()).toHaveLength(3_000);
    const order = new Map(events.map(({ eventId }, at) => [toEventIdText(eventId), at]));
    for (const records of partitions) {
      const places = idsOf(records).map((id) => order.get(id) ?? -1);
      expect(places).toEqual(places.toSorted((one, other) => one - other));
    }
    const homes = partitions.map(
      (records) => new Set(records.map(({ bytes }) => decodeEvent(bytes).accountId)),
    );
    expect(homes.reduce((count, accounts) => count + accounts.size, 0)).toBe(50);
  }, 60_000);

  it("never sends holds", async () => {
    const home = await createKafkaHome(cluster);
    const gateway = await openGateway(home);
    const hold = sampleHold();
    await gateway.log.hold(hold);
    await gateway.log.append(sampleSettlement(hold));
    await gateway.log.close();
    const [records = []] = await readPartitions(home, 1);
    expect(records.map(({ bytes }) => decodeEvent(bytes).rev)).toEqual([1]);
  }, 60_000);

  it("writes CloudEvents attributes into the headers", async () => {
    const home = await createKafkaHome(cluster);
    const gateway = await openGateway(home);
    const event = sampleEvent({ eventId: createEventId() });
    await gateway.log.append(event);
    await gateway.log.close();
    const reader = openTopicReader(home.connection, home.topics.usage);
    const { records } = await reader.partition(0, 1).read(0, all);
    await reader.close();
    const headers = Object.entries(records[0]?.headers ?? {});
    expect(Object.fromEntries(headers.map(([name, value]) => [name, String(value)]))).toEqual({
      ce_specversion: "1.0",
      ce_id: toEventIdText(event.eventId),
      ce_source: "/gateway/gateway-1",
      ce_type: "optamil.usage.v1",
      ce_subject: "acme",
      ce_time: "2026-04-15T12:00:00.850Z",
      "content-type": "application/protobuf",
    });
  }, 60_000);

  it("keeps events while Kafka is away, in either durability, and sends them when it is back", async () => {
    const home = await createKafkaHome(cluster);
    const folder = createDataFolder();
    const [broker] = cluster.brokers;
    const gateway = await openGateway(home, { folder, quorumWaitMs: 50 });
    await gateway.log.append(sampleEvent());
    expect(gateway.log.degraded()).toBe(0);
    await broker?.kill();
    const events = Array.from({ length: 25_000 }, () => sampleEvent());
    await Promise.all(events.map((event) => gateway.outbox.append(event)));
    await gateway.log.append(sampleEvent());
    expect(gateway.log.degraded()).toBe(1);
    await vi.waitFor(() => expect(gateway.forwarder.lastError).toBeDefined(), 20_000);
    expect(gateway.forwarder.lag).toBe(25_001);
    await gateway.log.close();
    const again = await openGateway(home, { folder, durability: "fsync" });
    await again.log.append(sampleEvent());
    await broker?.restart();
    await forwarded(again, 40_000);
    expect(again.forwarder).toMatchObject({ forwardedOffset: 25_003, lastError: undefined });
    await again.log.close();
    const [records = []] = await readPartitions(home, 1);
    expect(new Set(idsOf(records)).size).toBe(25_003);
  }, 90_000);

  it("has what it forwarded trimmed from the outbox", async () => {
    const home = await createKafkaHome(cluster);
    const gateway = await openGateway(home);
    await Promise.all(Array.from({ length: 10 }, () => gateway.log.append(sampleEvent())));
    expect(gateway.log.status()).toMatchObject({ confirmedOffset: 10, endOffset: 10 });
    await gateway.log.close();
  }, 60_000);
});
