/** What every warehouse must do: run it with a `home` of the adapter. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { UsageEvent } from "../../src/gen/optamil/v1/event_pb.ts";
import { encodeEvent } from "../../src/usage/encode-event.ts";
import { decodeEvent, toEventIdText } from "../../src/usage/event.ts";
import {
  type AuditedWarehouse,
  askedIdsMax,
  type BaseSource,
  nothingUsed,
  type PeriodSums,
  type StoredLogs,
  type Warehouse,
} from "../../src/usage/warehouse.ts";
import {
  createEventId,
  periodId,
  placeEvents,
  sampleEvent,
  sampleFeedback,
  sampleHold,
} from "../usage/sample-events.ts";

/** Where a warehouse of an adapter lives: one for the whole suite, whose tests use accounts of their own. */
export type WarehouseHome = {
  open(): Promise<Warehouse & AuditedWarehouse & BaseSource & StoredLogs>;
  remove(): Promise<void>;
};

const credit = 1_000_000n;

/** Names that end strings, statements, lines and rows wherever they are not escaped. */
const hostileNames = [
  "o'brien",
  "a\\",
  "a\\'",
  'say "hi"',
  "'; DROP TABLE optamil.usage_events; --",
  "') UNION ALL SELECT 1 --",
  "{accounts:Array(String)}",
  "a,b]\t[c",
  "\\N",
  "NULL",
  "%s$1`",
  "😀 𝒳 ｆｕｌｌ",
  "\u202egnp.exe",
  "null\u0000byte",
];

/** The suite. */
export function describeWarehouse(name: string, createHome: () => Promise<WarehouseHome>): void {
  describe(`the warehouse in ${name}`, () => {
    let home: WarehouseHome;
    let warehouse: Warehouse & AuditedWarehouse & BaseSource & StoredLogs;
    let offset = 0;

    beforeAll(async () => {
      home = await createHome();
      warehouse = await home.open();
    });
    afterAll(async () => {
      await warehouse.close();
      await home.remove();
    });

    /** Inserts events at the next offsets, or again at those of before. */
    async function insert(events: readonly UsageEvent[], first = offset): Promise<number> {
      offset = Math.max(offset, first + events.length);
      const placed = placeEvents(events, first);
      await warehouse.insert({ logName: "usage/0", logEpoch: 7, events: placed });
      return first;
    }

    async function sumsOf(accountId: string): Promise<PeriodSums | undefined> {
      const sums = await warehouse.sums([accountId], [periodId]);
      expect(sums.length).toBeLessThanOrEqual(1);
      return sums[0];
    }

    it("sums up by account, period and tier", async () => {
      await insert([
        sampleEvent({ accountId: "sum-1", tier: "budget" }),
        sampleEvent({ accountId: "sum-1", tier: "mid", creditsMicro: 5n * credit }),
        sampleEvent({ accountId: "sum-2", tier: "mid" }),
        sampleEvent({ accountId: "sum-1", tier: "budget", creditsMicro: 3n }),
      ]);
      expect(await sumsOf("sum-1")).toEqual({
        accountId: "sum-1",
        periodId,
        microByTier: { ...nothingUsed, budget: credit + 3n, mid: 5n * credit },
      });
      const both = await warehouse.sums(["sum-2", "sum-1"], [periodId, "2026-05"]);
      expect(both.map(({ accountId }) => accountId).toSorted()).toEqual(["sum-1", "sum-2"]);
    });

    it("charges nothing for feedback", async () => {
      const rated = sampleEvent({ accountId: "rated", creditsMicro: 5n });
      await insert([rated, sampleFeedback(rated, { thumb: "down", score: 0, comment: "no" })]);
      const sums = await sumsOf("rated");
      expect(sums?.microByTier).toEqual({ ...nothingUsed, budget: 5n });
      const [base] = await warehouse.bases([{ accountId: "rated", periodId, eventIds: [] }]);
      expect(base?.microByTier).toEqual({ ...nothingUsed, budget: 5n });
    });

    it("knows nothing of accounts and periods without events", async () => {
      expect(await warehouse.sums(["nobody"], [periodId])).toEqual([]);
      expect(await warehouse.sums(["sum-1"], ["2019-01"])).toEqual([]);
      expect(await warehouse.sums([], [])).toEqual([]);
    });

    it("is exact where doubles are not", async () => {
      const creditsMicro = 2n ** 53n + 1n;
      await insert([sampleEvent({ accountId: "exact", creditsMicro })]);
      expect((await sumsOf("exact"))?.microByTier.budget).toBe(creditsMicro);
    });

    it("counts an event once, in whatever batches and how often it comes", async () => {
      const events = Array.from({ length: 20 }, () => sampleEvent({ accountId: "twice" }));
      const first = await insert(events);
      await insert(events, first);
      await insert(events.slice(5, 15), first + 5);
      for (const [index, event] of events.entries()) await insert([event], first + index);
      expect((await sumsOf("twice"))?.microByTier.budget).toBe(20n * credit);
    });

    it("takes a batch after one that came twice", async () => {
      const events = [sampleEvent({ accountId: "after" }), sampleEvent({ accountId: "after" })];
      const first = await insert(events);
      await insert(events, first);
      await insert([sampleEvent({ accountId: "after" })]);
      expect((await sumsOf("after"))?.microByTier.budget).toBe(3n * credit);
    });

    it("counts the highest rev, in whatever order they come", async () => {
      const event = sampleEvent({ accountId: "rev" });
      const corrected = { ...event, rev: 2, creditsMicro: 0n };
      const swept = { ...event, rev: 0, creditsMicro: 0n };
      await insert([corrected]);
      await insert([event, swept]);
      expect((await sumsOf("rev"))?.microByTier.budget ?? 0n).toBe(0n);
      const late = sampleEvent({ accountId: "late" });
      await insert([{ ...late, rev: 0, creditsMicro: 0n }]);
      await insert([late]);
      expect((await sumsOf("late"))?.microByTier.budget).toBe(credit);
    });

    it("has what was inserted in the very next sum", async () => {
      for (let count = 1n; count <= 5n; count++) {
        await insert([sampleEvent({ accountId: "next" })]);
        expect((await sumsOf("next"))?.microByTier.budget).toBe(count * credit);
      }
    });

    it.each(hostileNames)("takes the name %j as nothing but a name", async (accountId) => {
      const event = sampleEvent({ accountId });
      const names = { keyJti: accountId, servedModel: accountId, provider: accountId };
      const attempt = event.attempts.map((one) => ({ ...one, errorClass: accountId }));
      const hostile = decodeEvent(encodeEvent({ ...event, ...names, attempts: attempt }));
      await insert([hostile]);
      expect(await sumsOf(accountId)).toEqual({
        accountId,
        periodId,
        microByTier: { ...nothingUsed, budget: credit },
      });
    });

    it("says of many accounts at once what they used, and which of the events asked about that includes", async () => {
      const mine = [sampleEvent({ accountId: "base-1" }), sampleEvent({ accountId: "base-1" })];
      const other = sampleEvent({ accountId: "base-2", creditsMicro: 7n });
      const swept = { ...sampleEvent({ accountId: "base-2" }), rev: 0, creditsMicro: 0n };
      await insert([...mine, other, swept]);
      const idOf = (event: UsageEvent) => toEventIdText(event.eventId);
      const ids = [...mine.map(idOf), idOf(other), idOf(swept), createEventId()];
      const [one, two, nobody] = await warehouse.bases([
        { accountId: "base-1", periodId, eventIds: ids.slice(0, 1) },
        { accountId: "base-2", periodId, eventIds: ids.slice(2) },
        { accountId: "base-3", periodId, eventIds: [] },
      ]);
      expect(one).toEqual({
        microByTier: { ...nothingUsed, budget: 2n * credit },
        includedIds: ids.slice(0, 1),
      });
      expect(two).toEqual({ microByTier: { ...nothingUsed, budget: 7n }, includedIds: [ids[2]] });
      expect(nobody).toEqual({ microByTier: nothingUsed, includedIds: [] });
    });

    it("says what was used of a key's line and of a tag, with or without a budget at the time", async () => {
      const accountId = "budget-1";
      const budgets = [{ id: "key:k1", limitMicro: 9n * credit }];
      const first = sampleEvent({ accountId, keyId: "k1", tag: "team-a" });
      const rotated = sampleEvent({ accountId, keyId: "k2", rootKeyId: "k1", budgets });
      const tagged = sampleEvent({ accountId, keyId: "k3", tag: "team-a", creditsMicro: 5n });
      const foreign = sampleEvent({ accountId: "budget-2", keyId: "k1", tag: "team-a" });
      await insert([first, rotated, tagged, foreign]);
      const ids = [first, rotated, tagged, foreign].map(({ eventId }) => toEventIdText(eventId));
      const ask = (budgetId: string | undefined) => ({
        accountId,
        periodId,
        budgetId,
        eventIds: ids,
      });
      const [key, account, tag, nothing] = await warehouse.bases([
        ask("key:k1"),
        ask(undefined),
        ask("tag:team-a"),
        ask("tag:team-b"),
      ]);
      const sorted = (base: typeof key) => base?.includedIds.toSorted();
      expect(key?.microByTier).toEqual({ ...nothingUsed, budget: 2n * credit });
      expect(sorted(key)).toEqual(ids.slice(0, 2).toSorted());
      expect(tag?.microByTier).toEqual({ ...nothingUsed, budget: credit + 5n });
      expect(sorted(tag)).toEqual([ids[0], ids[2]].toSorted());
      expect(account?.microByTier).toEqual({ ...nothingUsed, budget: 2n * credit + 5n });
      expect(sorted(account)).toEqual(ids.slice(0, 3).toSorted());
      expect(nothing).toEqual({ microByTier: nothingUsed, includedIds: [] });
    });

    it("takes as many events in one question as it says", async () => {
      const ids = Array.from({ length: askedIdsMax }, () => createEventId());
      const event = sampleEvent({ accountId: "many-ids", eventId: ids.at(-1) ?? "" });
      await insert([event]);
      const [base] = await warehouse.bases([{ accountId: "many-ids", periodId, eventIds: ids }]);
      expect(base?.includedIds).toEqual(ids.slice(-1));
    });

    it("pages through the sums of all accounts in their order", async () => {
      const seen: string[] = [];
      for (let after = ""; ; ) {
        const page = await warehouse.sumsAfter(after, 3);
        const last = page.at(-1);
        if (last === undefined) break;
        seen.push(...page.map(({ accountId }) => accountId));
        after = last.accountId;
      }
      expect(new Set(seen).size).toBe(seen.length);
      expect(seen).toEqual(expect.arrayContaining(["sum-1", "twice", "rev", ...hostileNames]));
    });

    it("tells of each boot and log how many records it has, once for each record", async () => {
      const records = Array.from({ length: 10 }, (_, index) => {
        const event =
          index === 0 ? sampleHold({ accountId: "run" }) : sampleEvent({ accountId: "run" });
        return { ...event, gatewayId: "gateway-run", bootEpoch: 3n, localSeq: BigInt(index + 1) };
      });
      const first = await insert(records);
      await insert(records, first);
      const boots = await warehouse.boots();
      expect(boots.find(({ gatewayId }) => gatewayId === "gateway-run")).toEqual({
        gatewayId: "gateway-run",
        bootEpoch: 3n,
        first: 1n,
        last: 10n,
        records: 10n,
        total: 55n,
      });
      const [log] = await warehouse.logs();
      expect(log).toMatchObject({ logName: "usage/0", logEpoch: 7n, first: 0n });
      expect(log?.records).toBe(BigInt(offset));
      expect(await warehouse.lastOffset("usage/0", 7)).toBe(offset - 1);
      expect(await warehouse.lastOffset("usage/0", 8)).toBeUndefined();
    });

    it("finds every event stored once, and rows that do not count", async () => {
      expect(await warehouse.oddEvents(0, 1)).toEqual([]);
      const { rows, effective } = await warehouse.rows();
      expect(rows).toBeGreaterThanOrEqual(effective);
      expect(effective).toBeGreaterThan(50n);
    });

    it("keeps what it has when it is opened again", async () => {
      const eventId = createEventId();
      const event = sampleEvent({ eventId, accountId: "again" });
      await insert([event]);
      const id = await warehouse.id();
      await warehouse.close();
      warehouse = await home.open();
      expect((await sumsOf("again"))?.microByTier.budget).toBe(credit);
      expect(toEventIdText(event.eventId)).toBe(eventId);
      expect(await warehouse.id()).toBe(id);
      expect(id).toMatch(/^[0-9a-f-]{36}$/);
    });
  });
}
