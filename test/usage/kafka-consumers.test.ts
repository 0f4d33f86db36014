import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import type { UsageEvent } from "../../src/gen/optamil/v1/event_pb.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { openKafkaSender } from "../../src/platform/kafka/sender.ts";
import type { Confirmation } from "../../src/usage/consumer-parts.ts";
import { encodeEvent } from "../../src/usage/encode-event.ts";
import { toEventIdText } from "../../src/usage/event.ts";
import {
  type KafkaConsumers,
  type KafkaConsumersOptions,
  openKafkaConsumers,
} from "../../src/usage/kafka/consumers.ts";
import { openKafkaDeadLetters } from "../../src/usage/kafka/dead-letters.ts";
import { readEpochs, writeEpoch } from "../../src/usage/kafka/epochs.ts";
import { openKafkaTail } from "../../src/usage/kafka/tail.ts";
import { ensureUsageTopics } from "../../src/usage/kafka/topics.ts";
import { nothingUsed } from "../../src/usage/warehouse.ts";
import { MemoryWarehouse } from "../fakes/memory-warehouse.ts";
import { describeWith } from "../setup/describe-with.ts";
import { type KafkaCluster, kafkaTool, startKafka } from "../setup/kafka.ts";
import { createKafkaHome, forwarded, type KafkaHome, openGateway } from "./kafka-home.ts";
import { periodId, sampleEvent } from "./sample-events.ts";

const credit = 1_000_000n;
const soon = { timeout: 20_000, interval: 20 };

/** Warehouse and counters of a fleet, which outlive its consumers. */
class Fleet {
  readonly home: KafkaHome;
  readonly warehouse = new MemoryWarehouse();
  readonly delivered: Confirmation[] = [];
  readonly troubles: string[] = [];

  constructor(home: KafkaHome) {
    this.home = home;
  }

  join(options: Partial<KafkaConsumersOptions> = {}): KafkaConsumers {
    const consumers = openKafkaConsumers({
      ...this.home,
      warehouse: this.warehouse,
      clock: systemClock,
      deliver: async (confirmation) => void this.delivered.push(confirmation),
      onTrouble: (message) => this.troubles.push(message),
      ...options,
    });
    onTestFinished(() => consumers.close());
    return consumers;
  }

  /** Waits until so many events count, and nothing waits to be confirmed. */
  async settled(events: number, ...members: readonly KafkaConsumers[]): Promise<void> {
    await vi.waitFor(async () => {
      expect(Number((await this.warehouse.rows()).effective), this.troubles.join()).toBe(events);
      const all = members.flatMap((member) => [...member.status().values()]);
      expect(all.every(({ lag, confirmed }) => lag === 0 && confirmed)).toBe(true);
    }, soon);
  }

  /** The newest sum that was delivered for an account. */
  usedMicro(accountId: string): bigint {
    const sums = this.delivered.flatMap((confirmation) => confirmation.sums);
    const last = sums.findLast((sum) => sum.accountId === accountId);
    const byTier = last?.baseByTierMicro ?? nothingUsed;
    return Object.values(byTier).reduce((total, micro) => total + micro, 0n);
  }

  includedIds(): string[] {
    return this.delivered.flatMap(({ sums }) => sums.flatMap(({ includedIds }) => includedIds));
  }
}

function idsOf(events: readonly UsageEvent[]): string[] {
  return events.map(({ eventId }) => toEventIdText(eventId)).toSorted();
}

function eventsOf(accounts: number, each: number): UsageEvent[] {
  const all = Array.from({ length: accounts * each });
  return all.map((_, at) => sampleEvent({ accountId: `account-${at % accounts}` }));
}

await describeWith("the usage log on Kafka", kafkaTool, () => {
  let cluster: KafkaCluster;
  beforeAll(async () => {
    cluster = await startKafka({ brokers: 1 });
  }, 90_000);
  afterAll(() => cluster.stop());

  async function record(home: KafkaHome, events: readonly UsageEvent[]): Promise<void> {
    const gateway = await openGateway(home, { durability: "fsync" });
    await Promise.all(events.map((event) => gateway.log.append(event)));
    await forwarded(gateway);
    await gateway.log.close();
  }

  async function recordBytes(home: KafkaHome, values: readonly Uint8Array[]): Promise<void> {
    const sender = openKafkaSender(home.connection);
    const messages = values.map((value) => ({ value: Buffer.from(value) }));
    await sender.send(home.topics.usage, 0, messages);
    await sender.close();
  }

  describe("its consumers", () => {
    it("carry the events of all partitions to the warehouse, and deliver sums that name each event", async () => {
      const fleet = new Fleet(await createKafkaHome(cluster, { partitions: 6 }));
      const events = eventsOf(20, 10);
      await record(fleet.home, events);
      const [one, other] = [fleet.join(), fleet.join()];
      await fleet.settled(200, one, other);
      await vi.waitFor(() => {
        const parts = [...one.status().keys(), ...other.status().keys()];
        expect(parts.toSorted()).toEqual([0, 1, 2, 3, 4, 5]);
      }, soon);
      await vi.waitFor(() => {
        for (let at = 0; at < 20; at++) expect(fleet.usedMicro(`account-${at}`)).toBe(10n * credit);
      }, soon);
      expect([...new Set(fleet.includedIds())].toSorted()).toEqual(idsOf(events));
    }, 60_000);

    it("go on where the group was, and read nothing twice after a clean end", async () => {
      const fleet = new Fleet(await createKafkaHome(cluster, { partitions: 2 }));
      await record(fleet.home, eventsOf(4, 25));
      const first = fleet.join();
      await fleet.settled(100, first);
      await first.close();
      const { inserts } = fleet.warehouse.calls;
      await record(fleet.home, eventsOf(4, 1));
      const rows: number[] = [];
      fleet.warehouse.onCall = (kind, batch) => {
        if (kind === "insert") rows.push(batch?.events.length ?? 0);
      };
      await fleet.settled(104, fleet.join());
      expect(fleet.warehouse.calls.inserts).toBeGreaterThan(inserts);
      expect(rows.reduce((total, count) => total + count, 0)).toBe(4);
    }, 60_000);

    it("that lose what the group knew find their place in the warehouse, and change no sum", async () => {
      const fleet = new Fleet(await createKafkaHome(cluster, { partitions: 2 }));
      await record(fleet.home, eventsOf(4, 25));
      const first = fleet.join();
      await fleet.settled(100, first);
      await first.close();
      await fleet.settled(100, fleet.join({ groupId: "another" }));
      expect((await fleet.warehouse.rows()).rows).toBe(100n);
    }, 60_000);

    it("that read the whole log again, as one of a new epoch, change no sum", async () => {
      const fleet = new Fleet(await createKafkaHome(cluster, { partitions: 2 }));
      const { connection, topics } = fleet.home;
      await record(fleet.home, eventsOf(4, 25));
      const first = fleet.join();
      await fleet.settled(100, first);
      await first.close();
      await writeEpoch(connection, topics.meta, topics.usage);
      await fleet.settled(100, fleet.join());
      await vi.waitFor(async () => expect((await fleet.warehouse.rows()).rows).toBe(200n), soon);
      for (let at = 0; at < 4; at++) expect(fleet.usedMicro(`account-${at}`)).toBe(25n * credit);
    }, 60_000);

    it("make dead letters of poison, exactly, and delay nothing else", async () => {
      const fleet = new Fleet(await createKafkaHome(cluster));
      const good = Array.from({ length: 38 }, () => encodeEvent(sampleEvent()));
      const bad = [Uint8Array.of(0xff, 0xfe), encodeEvent({ ...sampleEvent(), creditsMicro: -1n })];
      await recordBytes(fleet.home, [...good.slice(0, 9), ...bad, ...good.slice(9)]);
      await fleet.settled(38, fleet.join());
      const letters = openKafkaDeadLetters(fleet.home.connection, fleet.home.topics);
      onTestFinished(() => letters.close());
      const found = await letters.list(0, 10);
      expect(found.map(({ offset }) => offset)).toEqual([9, 10]);
      expect(found.map(({ bytes }) => new Uint8Array(bytes))).toEqual(
        bad.map((b) => new Uint8Array(b)),
      );
      expect(found[1]?.reason).toBe("impossible charge");
      expect(fleet.troubles).toEqual([]);
    }, 60_000);

    it("take a dead letter that is sent again once its mistake is mended, however often", async () => {
      const fleet = new Fleet(await createKafkaHome(cluster, { partitions: 3 }));
      const { connection, topics } = fleet.home;
      const event = sampleEvent({ accountId: "account-1" });
      const sender = openKafkaSender(connection);
      await sender.send(topics.deadLetters, 0, [{ value: Buffer.from(encodeEvent(event)) }]);
      await sender.close();
      const letters = openKafkaDeadLetters(connection, topics);
      onTestFinished(() => letters.close());
      await letters.replay([0]);
      await letters.replay([0]);
      await expect(letters.show(7)).rejects.toMatchObject({ code: "not_found" });
      await fleet.settled(1, fleet.join());
      await vi.waitFor(() => expect(fleet.usedMicro("account-1")).toBe(credit), soon);
    }, 60_000);

    it("wait for a warehouse that is away, and say so", async () => {
      const fleet = new Fleet(await createKafkaHome(cluster));
      let away = true;
      fleet.warehouse.onCall = () => {
        if (away) throw new Error("no warehouse");
      };
      await record(fleet.home, eventsOf(3, 10));
      const consumers = fleet.join();
      await vi.waitFor(() => expect(fleet.troubles.join()).toContain("no warehouse"), soon);
      away = false;
      await fleet.settled(30, consumers);
    }, 60_000);
  });

  describe("its tail", () => {
    it("gives an account's events that the group has not confirmed, and none that it has", async () => {
      const home = await createKafkaHome(cluster, { partitions: 3 });
      const events = eventsOf(2, 3);
      await record(home, events);
      const tail = await openKafkaTail(home);
      onTestFinished(() => tail.close());
      const mine = events.filter(({ accountId }) => accountId === "account-1");
      const { pending, version } = await tail.read("account-1", periodId);
      expect(pending.map(({ eventId }) => eventId).toSorted()).toEqual(idsOf(mine));
      const epoch = (await readEpochs(home.connection, home.topics.meta)).get(home.topics.usage);
      expect(version).toEqual({ epoch, offset: 0 });
      const fleet = new Fleet(home);
      const consumers = fleet.join();
      await fleet.settled(6, consumers);
      const [sum] = fleet.delivered
        .flatMap(({ sums }) => sums)
        .filter(({ accountId }) => accountId === "account-1");
      if (sum === undefined || epoch === undefined) return expect.unreachable();
      const after = await tail.read("account-1", periodId);
      expect(after).toEqual({ baseByTierMicro: nothingUsed, version: sum.version, pending: [] });
    }, 60_000);

    it("is read for many accounts at once, each with its own events", async () => {
      const home = await createKafkaHome(cluster, { partitions: 2 });
      const events = eventsOf(20, 3);
      await record(home, events);
      const tail = await openKafkaTail(home);
      onTestFinished(() => tail.close());
      const accounts = [...new Set(events.map(({ accountId }) => accountId))];
      const tails = await Promise.all(accounts.map((account) => tail.read(account, periodId)));
      expect(accounts).toHaveLength(20);
      for (const [at, account] of accounts.entries()) {
        const ids = tails[at]?.pending.map(({ eventId }) => eventId).toSorted();
        expect(ids).toEqual(idsOf(events.filter(({ accountId }) => accountId === account)));
      }
    }, 60_000);
  });

  describe("its topics", () => {
    it("are made once, with an epoch that stays", async () => {
      const { connection, topics } = await createKafkaHome(cluster, { partitions: 2 });
      const before = await readEpochs(connection, topics.meta);
      const options = { topics, partitions: 2, replicationFactor: 1 };
      const findings = await ensureUsageTopics(connection, options);
      expect(findings.map(({ made, differences }) => ({ made, differences }))).toEqual(
        Array.from({ length: 3 }, () => ({ made: false, differences: [] })),
      );
      expect(await readEpochs(connection, topics.meta)).toEqual(before);
      expect(before.get(topics.usage)).toBeGreaterThan(1e15);
    }, 60_000);

    it("that are not as they should be are told with the remedy, and left alone", async () => {
      const { connection, topics } = await createKafkaHome(cluster, { partitions: 2 });
      const options = { topics, partitions: 3, replicationFactor: 3, retentionMs: 30 * 86_400_000 };
      const findings = await ensureUsageTopics(connection, options);
      const lines = findings.find(({ topic }) => topic === topics.usage)?.differences ?? [];
      expect(lines).toHaveLength(4);
      expect(lines[0]).toMatch(/has 2 partitions, not 3: set the number in the configuration to 2/);
      expect(lines[1]).toMatch(/has 1 replicas, not 3: kafka-reassign-partitions/);
      expect(lines[2]).toMatch(/has min\.insync\.replicas=1, not 2: kafka-configs --alter/);
      expect(lines[3]).toMatch(/has retention\.ms=1209600000, not 2592000000: kafka-configs/);
    }, 60_000);
  });
});
