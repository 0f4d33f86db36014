import { clone } from "@bufbuild/protobuf";
import { expect, it, onTestFinished } from "vitest";
import { type UsageEvent, UsageEventSchema } from "../../src/gen/optamil/v1/event_pb.ts";
import { openChdbWarehouse } from "../../src/usage/chdb.ts";
import { openClickHouseWarehouse } from "../../src/usage/clickhouse.ts";
import { encodeEvent } from "../../src/usage/encode-event.ts";

import { checkMove } from "../../src/usage/move-check.ts";
import { type MoveTarget, moveRows, toBootNames } from "../../src/usage/move-rows.ts";
import { readTail } from "../../src/usage/move-tail.ts";
import { MemoryLogDisk, MemoryLogReader } from "../fakes/memory-usage-log.ts";
import { fetchClickHouse } from "../setup/clickhouse.ts";
import { describeWith } from "../setup/describe-with.ts";
import { createDataFolder } from "./data-folder.ts";
import { placeEvents, sampleEvent, sampleHold, sampleSettlement } from "./sample-events.ts";

const tiers = ["free", "budget", "mid", "premium", "ultra"] as const;
const log = { logName: "usage/0", logEpoch: 1_000 };

/** Numbered as by one boot of a gateway. */
function stamped(events: readonly UsageEvent[]): UsageEvent[] {
  return events.map((event, at) => {
    const copy = clone(UsageEventSchema, event);
    return Object.assign(copy, { gatewayId: "alone", bootEpoch: 7n, localSeq: BigInt(at + 1) });
  });
}

/** 60 events of four accounts in two months, every tenth swept first and settled later. */
function sampleBooks(): UsageEvent[] {
  const events = Array.from({ length: 60 }, (_, at): UsageEvent[] => {
    const accountId = `account-${at % 4}`;
    const tier = tiers[at % tiers.length] ?? "free";
    const hold = sampleHold({ accountId, requestId: `line\nbreak "${at}" \u2028 é` });
    if (at % 7 === 0) hold.periodId = "2026-05";
    const settled = sampleSettlement(hold, {
      accountId,
      tier,
      creditsMicro: BigInt(at) * 100_001n,
    });
    return at % 10 === 0 ? [hold, settled] : [settled];
  });
  return stamped(events.flat());
}

await describeWith(
  "usage that moves to a ClickHouse server",
  fetchClickHouse,
  (startClickHouse) => {
    it("is there once, with every record, after a move that failed at any page and was run again", async () => {
      const server = await startClickHouse();
      onTestFinished(() => server.stop());
      const to = await openClickHouseWarehouse({ url: server.url });
      onTestFinished(() => to.close());
      const from = await openChdbWarehouse(createDataFolder());
      onTestFinished(() => from.close());
      const events = sampleBooks();
      await from.insert({ ...log, events: placeEvents(events) });

      const told: string[] = [];
      const tell = (step: string, message: string) => told.push(`${step}: ${message}`);
      const tables: string[] = [];
      for (let pages = 0; ; pages += 1) {
        const target = failingAfter(to, pages, tables);
        const failure = await moveRows({ from, to: target, tell, rowsMax: 20 }).then(
          () => undefined,
          String,
        );
        if (failure === undefined) break;
        expect(failure).toBe("Error: the server is away");
        expect(pages, "each run may fail one page later").toBeLessThan(10);
      }
      // Three pages of the first month, one of the second, and the records of swept requests on two pages.
      expect(new Set(tables)).toEqual(new Set(["usage_events", "usage_records"]));
      told.length = 0;
      await moveRows({ from, to, tell });
      expect(told).toEqual([
        "rows: 2026-04: 51 are there",
        "rows: 2026-05: 9 are there",
        "records: usage/0@1000: 0 copied, 66 are there",
      ]);
      expect(await to.logs()).toEqual(await from.logs());
      expect(await to.boots()).toEqual(await from.boots());
      expect(await to.oddEvents(0, 1)).toEqual([]);
      const all = "SELECT * FROM usage_events FINAL ORDER BY event_id";
      expect(await to.sql(all)).toBe(await from.sql(all));
    }, 120_000);

    it("agrees with a source whose log has more, once that is there, and not before", async () => {
      const server = await startClickHouse();
      onTestFinished(() => server.stop());
      const to = await openClickHouseWarehouse({ url: server.url });
      onTestFinished(() => to.close());
      const from = await openChdbWarehouse(createDataFolder());
      onTestFinished(() => from.close());
      const hold = sampleHold({ accountId: "account-1" });
      const [first, swept, settled, other, twin] = stamped([
        sampleEvent({ accountId: "account-0" }),
        hold,
        sampleSettlement(hold, { tier: "ultra", creditsMicro: 5n }),
        sampleEvent({ accountId: "account-2", tier: "mid" }),
        sampleEvent({ accountId: "account-2", tier: "mid" }),
      ]);
      if (!first || !swept || !settled || !other || !twin) return expect.unreachable();
      await from.insert({ ...log, events: placeEvents([first, swept]) });
      await moveRows({ from, to, tell: () => {} });

      const disk = new MemoryLogDisk();
      for (const event of [settled, other, twin]) disk.appendBytes(encodeEvent(event));
      disk.appendBytes(new Uint8Array([1, 2, 3]));
      const tail = await readTail(new MemoryLogReader(disk), 0);
      expect(tail).toMatchObject({ records: 4, dead: [{ offset: 3 }] });
      const boots = toBootNames(await from.boots());
      // Pages of one account: those that only the tail has come along with the last.
      const check = () => checkMove({ from, to, tail, boots, accountsMax: 1 });
      expect((await check()).differences).toEqual([
        "account account-1 2026-04 tier ultra: 1 rows with 5 micro-credits here, 0 rows with 0 micro-credits in the fleet",
        "account account-1 2026-04 tier none: 0 rows with 0 micro-credits here, 1 rows with 0 micro-credits in the fleet",
        "account account-2 2026-04 tier mid: 2 rows with 2000000 micro-credits here, 0 rows with 0 micro-credits in the fleet",
      ]);
      const placed = placeEvents([settled, other, twin]);
      await to.insert({ logName: "optamil.usage.v1/0", logEpoch: 1, events: placed });
      // Of another gateway, whatever it has served meanwhile.
      await to.insert({
        ...log,
        events: placeEvents([sampleEvent({ accountId: "account-0" })], 99),
      });
      expect(await check()).toEqual({
        ...{ accounts: 3, rows: 4n, creditsMicro: 3_000_005n, differences: [] },
      });
    }, 120_000);
  },
);

/** A target that takes so many pages, and then none. */
function failingAfter(to: MoveTarget, pages: number, tables: string[]): MoveTarget {
  let taken = 0;
  return {
    ask: (name, parameters) => to.ask(name, parameters),
    boots: () => to.boots(),
    logs: () => to.logs(),
    async take(table, rows) {
      if (taken === pages) throw new Error("the server is away");
      taken += 1;
      tables.push(table);
      await to.take(table, rows);
    },
  };
}
