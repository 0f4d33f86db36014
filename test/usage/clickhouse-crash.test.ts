import { setImmediate } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { audit } from "../../src/usage/audit.ts";
import { type ClickHouseWarehouse, openClickHouseWarehouse } from "../../src/usage/clickhouse.ts";
import { Consumer } from "../../src/usage/consumer.ts";
import { ManualClock } from "../admission/manual-clock.ts";
import { MemoryConsumerStore } from "../fakes/memory-consumer-store.ts";
import { MemoryLogDisk, MemoryLogReader, MemoryUsageLog } from "../fakes/memory-usage-log.ts";
import { type ClickHouseServer, fetchClickHouse } from "../setup/clickhouse.ts";
import { describeWith } from "../setup/describe-with.ts";
import { periodId, sampleEvent } from "./sample-events.ts";

const kills = 5;
const eventsPerRound = 2_000;

await describeWith("a ClickHouse server that fails", fetchClickHouse, (startClickHouse) => {
  describe("under a consumer", () => {
    const disk = new MemoryLogDisk();
    const log = new MemoryUsageLog(disk);
    const store = new MemoryConsumerStore();
    const confirmed: bigint[] = [];
    let server: ClickHouseServer;
    let warehouse: ClickHouseWarehouse;
    let consumer: Consumer;

    beforeAll(async () => {
      server = await startClickHouse();
      warehouse = await openClickHouseWarehouse({ url: server.url, timeoutMs: 3_000 });
      consumer = new Consumer({
        log: new MemoryLogReader(disk),
        warehouse,
        store,
        clock: new ManualClock(),
        limits: { eventsMax: 500, bytesMax: 1e9 },
        deliver: async ({ sums }) => {
          confirmed.push(...sums.map(({ baseByTierMicro }) => baseByTierMicro.budget));
        },
      });
    });
    afterAll(async () => {
      await warehouse.close();
      await server.stop();
    });

    async function append(count: number): Promise<void> {
      await Promise.all(Array.from({ length: count }, () => log.append(sampleEvent())));
    }

    /** Carries all that is in the log, through at most 20 failures, and has it confirmed. */
    async function drain(): Promise<void> {
      for (let failures = 0, lag = 1; lag > 0; ) {
        try {
          ({ lag } = await consumer.step());
        } catch (error) {
          if (++failures > 20) throw error;
        }
      }
      await consumer.confirmAll();
    }

    /** Each event of the log is there once, the sums are theirs, and no sum ever fell. */
    async function expectAll(): Promise<void> {
      const count = BigInt(disk.records.length);
      const [sum] = await warehouse.sums(["acme"], [periodId]);
      expect(sum?.microByTier.budget).toBe(count * 1_000_000n);
      expect((await warehouse.rows()).effective).toBe(count);
      const found = await audit({ warehouse, records: store });
      expect(found.filter(({ severity }) => severity === "error")).toEqual([]);
      expect(store.base("acme", periodId)?.microByTier.budget).toBe(count * 1_000_000n);
      const rising = confirmed.toSorted((one, other) => (one < other ? -1 : 1));
      expect(confirmed).toEqual(rising);
    }

    it("loses and doubles nothing when it is killed in mid-insert", async () => {
      let cutOff = 0;
      for (let round = 0; round < kills; round++) {
        await append(eventsPerRound);
        // The first batch is acknowledged; the second is on its way when the server dies.
        const first = await Promise.allSettled([consumer.step()]);
        expect(first[0].status).toBe("fulfilled");
        const second = Promise.allSettled([consumer.step()]);
        const [[{ status }]] = await Promise.all([
          second,
          setImmediate().then(() => server.kill()),
        ]);
        if (status === "rejected") cutOff++;
        await server.restart();
        await drain();
        await expectAll();
      }
      expect(cutOff).toBeGreaterThan(0);
    }, 120_000);

    it("has the consumer wait while it is frozen, and go on after", async () => {
      await append(eventsPerRound);
      const before = store.progress("usage/0")?.offset;
      server.pause();
      await expect(consumer.step()).rejects.toThrow();
      expect(store.progress("usage/0")?.offset).toBe(before);
      server.resume();
      await drain();
      await expectAll();
    });

    it("is filled again from the log after it was wiped, and no sum falls meanwhile", async () => {
      await server.wipe();
      await append(eventsPerRound);
      await drain();
      await expectAll();
    }, 60_000);
  });
});
