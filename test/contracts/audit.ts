/** What the audits must find in every warehouse, however its rows were tampered with. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { audit } from "../../src/usage/audit.ts";
import { Consumer } from "../../src/usage/consumer.ts";
import { toEventIdText } from "../../src/usage/event.ts";
import type {
  AuditedWarehouse,
  BaseSource,
  StoredLogs,
  Warehouse,
} from "../../src/usage/warehouse.ts";
import { ManualClock } from "../admission/manual-clock.ts";
import { MemoryConsumerStore } from "../fakes/memory-consumer-store.ts";
import { MemoryLogDisk, MemoryLogReader, MemoryUsageLog } from "../fakes/memory-usage-log.ts";
import { sampleEvent, sampleHold, sampleSettlement } from "../usage/sample-events.ts";

/** An empty warehouse, and a hand that is not the consumer's. */
export type AuditHome = {
  readonly warehouse: Warehouse & AuditedWarehouse & StoredLogs & BaseSource;
  /** Runs a statement beside it. */
  tamper(statement: string): Promise<unknown>;
  remove(): Promise<void>;
};

/** The suite; every test opens a home of its own. */
export function describeAudits(name: string, open: () => Promise<AuditHome>): void {
  let home: AuditHome;
  let store: MemoryConsumerStore;
  let disk: MemoryLogDisk;
  const events = Array.from({ length: 40 }, (_, at) => sampleEvent({ accountId: `a${at % 4}` }));
  const [victim = ""] = events.slice(20).map(({ eventId }) => toEventIdText(eventId));

  /** Carries the whole log into the warehouse and confirms it. */
  async function consume(): Promise<void> {
    const consumer = new Consumer({
      log: new MemoryLogReader(disk),
      warehouse: home.warehouse,
      store,
      clock: new ManualClock(),
      deliver: async () => undefined,
    });
    await consumer.step();
    await consumer.confirmAll();
  }

  async function findings(): Promise<string[]> {
    const found = await audit({ warehouse: home.warehouse, records: store });
    return found.map((one) => `${one.severity} ${one.audit}: ${one.message}`);
  }

  describe(`the audits of ${name}`, () => {
    beforeEach(async () => {
      home = await open();
      store = new MemoryConsumerStore();
      disk = new MemoryLogDisk();
    });
    afterEach(() => home.remove());

    it("find nothing after two boots, a swept request, a correction, a replay and poison", async () => {
      const first = new MemoryUsageLog(disk);
      const swept = sampleHold();
      await Promise.all([
        first.hold(swept),
        ...events.slice(0, 20).map((one) => first.append(one)),
      ]);
      const second = new MemoryUsageLog(disk);
      await Promise.all(events.slice(20).map((one) => second.append(one)));
      await second.append(sampleSettlement(swept));
      disk.appendBytes(Uint8Array.from([0xff]));
      await second.append(sampleEvent());
      await consume();
      store = Object.assign(new MemoryConsumerStore(), { dead: store.dead });
      await consume();
      expect((await findings()).filter((line) => line.startsWith("error"))).toEqual([]);
    });

    it("find a row that was deleted, by its event and by its account's sum", async () => {
      const log = new MemoryUsageLog(disk);
      await Promise.all(events.map((one) => log.append(one)));
      await consume();
      const mutation = `ALTER TABLE optamil.usage_events DELETE WHERE event_id = '${victim}'`;
      await home.tamper(`${mutation} SETTINGS mutations_sync = 2`);
      expect(await findings()).toEqual([
        `error events: event ${victim} is recorded but not stored`,
        "error sums: account a0, 2026-04: 9000000 micro-credits are stored, 10000000 confirmed",
      ]);
    });

    it("find a row that was doubled under another id, by that id and by its account's sum", async () => {
      const log = new MemoryUsageLog(disk);
      await Promise.all(events.map((one) => log.append(one)));
      await consume();
      const copy = "SELECT * REPLACE (generateUUIDv4() AS event_id)";
      // In one SELECT, WHERE would look at the new id.
      await home.tamper(
        `INSERT INTO optamil.usage_events ${copy} FROM (SELECT * FROM optamil.usage_events WHERE event_id = '${victim}') SETTINGS insert_deduplicate = 0`,
      );
      const found = await findings();
      expect(found.join("\n")).toContain(
        "sums: account a0, 2026-04: 11000000 micro-credits are stored",
      );
      // Both claim one place in the log, which is one record: the other of them has none.
      expect(found.join("\n")).toMatch(
        /error events: event [-0-9a-f]{36} counts 1 times for 0 records/,
      );
    });

    it("find a row that was doubled for another account", async () => {
      const log = new MemoryUsageLog(disk);
      await Promise.all(events.map((one) => log.append(one)));
      await consume();
      const copy = "SELECT * REPLACE ('thief' AS account_id) FROM optamil.usage_events";
      await home.tamper(
        `INSERT INTO optamil.usage_events ${copy} WHERE event_id = '${victim}' SETTINGS insert_deduplicate = 0`,
      );
      expect(await findings()).toContain(
        `error events: event ${victim} counts 2 times for 1 records`,
      );
    });

    it("mention a row that was doubled as it is, which changes no sum", async () => {
      const log = new MemoryUsageLog(disk);
      await Promise.all(events.map((one) => log.append(one)));
      await consume();
      await home.tamper(
        `INSERT INTO optamil.usage_events SELECT * FROM optamil.usage_events WHERE event_id = '${victim}' SETTINGS insert_deduplicate = 0`,
      );
      expect(await findings()).toEqual([
        "notice events: 1 rows are repeated or replaced by a later one, and do not count",
      ]);
    });

    it("find a sequence number that a gateway skipped", async () => {
      const log = new MemoryUsageLog(disk);
      await Promise.all(events.slice(0, 10).map((one) => log.append(one)));
      const held = disk.records.length;
      await log.append(sampleEvent());
      disk.records.length = held;
      await log.append(sampleEvent());
      await consume();
      expect(await findings()).toEqual([
        "error sequence: gateway gateway-1, boot 1001: of numbers 1 to 12 1 are missing",
      ]);
    });

    it("find an offset that is neither stored nor a dead letter", async () => {
      const log = new MemoryUsageLog(disk);
      await Promise.all(events.slice(0, 5).map((one) => log.append(one)));
      disk.appendBytes(Uint8Array.from([0xff]));
      await log.append(sampleEvent());
      await consume();
      expect(await findings()).toEqual([]);
      store.dead.length = 0;
      expect(await findings()).toEqual([
        "error offsets: log usage/0: of offsets 0 to 6 1 are missing",
      ]);
    });

    it("find a base that is not what the warehouse sums up to", async () => {
      const log = new MemoryUsageLog(disk);
      await log.append(sampleEvent());
      await consume();
      const base = store.base("acme", "2026-04");
      if (base === undefined) expect.unreachable("no base");
      const ghost = { ...base, accountId: "ghost" };
      await store.save({ logName: "usage/0", bases: [ghost] });
      expect(await findings()).toEqual([
        "error sums: account ghost, 2026-04: 0 micro-credits are stored, 1000000 confirmed",
      ]);
    });
  });
}
