/** What every usage log must do, whatever it is made of: run it with a `home` of the adapter. */
import { describe, expect, it, onTestFinished } from "vitest";
import { EventKind, Outcome, Thumb, type UsageEvent } from "../../src/gen/optamil/v1/event_pb.ts";
import { decodeEvent, toEventIdText } from "../../src/usage/event.ts";
import type { UsageLog, UsageLogReader } from "../../src/usage/usage-log.ts";
import {
  sampleEvent,
  sampleFeedback,
  sampleHold,
  sampleSettlement,
} from "../usage/sample-events.ts";

/** How a gateway opens its log. */
export type OpenOptions = {
  readonly spoolEventsMax?: number;
  /** Whether nobody confirms anything: the consumer is away, or what the log is forwarded to. */
  readonly stuck?: boolean;
};

/** Where logs of an adapter live, for one test. */
export type UsageLogHome = {
  /** Whether a gateway may record an event again after its start, the same in every byte. Default false. */
  readonly mayRepeat?: boolean;
  /** Starts a gateway: opens the log for writing. The one before must have been closed or crashed. */
  open(options?: OpenOptions): Promise<UsageLog>;
  /** Opens what a consumer in another process would. Only after the first `open`. */
  openReader(): Promise<UsageLogReader>;
  remove(): Promise<void>;
};

const allLimits = { eventsMax: 10_000, bytesMax: 1e9 };

async function readAll(reader: UsageLogReader, mayRepeat = false): Promise<UsageEvent[]> {
  const { records } = await reader.read(0, allLimits);
  expect(records.map(({ offset }) => offset)).toEqual(records.map((_, index) => index));
  const once = new Map(records.map(({ bytes }) => [Buffer.from(bytes).toString("hex"), bytes]));
  const kept = mayRepeat ? [...once.values()] : records.map(({ bytes }) => bytes);
  return kept.map(decodeEvent);
}

function idsOf(events: readonly UsageEvent[]): string[] {
  return events.map(({ eventId }) => toEventIdText(eventId));
}

/** The suite. */
export function describeUsageLog(name: string, createHome: () => Promise<UsageLogHome>): void {
  describe(`the usage log in ${name}`, () => {
    async function createOpenHome(): Promise<UsageLogHome & { log: UsageLog }> {
      const home = await createHome();
      onTestFinished(() => home.remove());
      return { ...home, log: await home.open() };
    }

    it("gives events back in the order in which they were appended, at offsets without gaps", async () => {
      const { log, openReader } = await createOpenHome();
      const events = Array.from({ length: 500 }, () => sampleEvent());
      await Promise.all(events.map((event) => log.append(event)));
      const reader = await openReader();
      expect(idsOf(await readAll(reader))).toEqual(idsOf(events));
      expect(log.status().endOffset).toBe(500);
      await Promise.all([reader.close(), log.close()]);
    });

    it("numbers the events of a boot from 1 without gaps", async () => {
      const { log, openReader } = await createOpenHome();
      for (let round = 0; round < 3; round++) {
        await Promise.all(Array.from({ length: 20 }, () => log.append(sampleEvent())));
      }
      const reader = await openReader();
      const events = await readAll(reader);
      expect(events.map(({ localSeq }) => Number(localSeq))).toEqual(events.map((_, at) => at + 1));
      expect(new Set(events.map(({ bootEpoch }) => bootEpoch)).size).toBe(1);
      expect(events[0]?.gatewayId).toBe("gateway-1");
      await Promise.all([reader.close(), log.close()]);
    });

    it("takes feedback whole, which closes no hold", async () => {
      const { log, openReader } = await createOpenHome();
      const hold = sampleHold();
      await log.hold(hold);
      const rating = { thumb: "down", score: 0.25, comment: "\u{1F642}".repeat(1_024) } as const;
      await log.append(sampleFeedback(hold, rating));
      expect(log.status()).toMatchObject({ openHolds: 1, endOffset: 1 });
      const reader = await openReader();
      const [event] = await readAll(reader);
      expect(event).toMatchObject({
        ...{ kind: EventKind.FEEDBACK, creditsMicro: 0n, localSeq: 1n },
        feedback: { thumb: Thumb.DOWN, scorePpm: 250_000, comment: rating.comment },
      });
      expect(Buffer.compare(event?.refEventId ?? new Uint8Array(), hold.eventId)).toBe(0);
      await Promise.all([reader.close(), log.close()]);
    });

    it("holds no record of a hold until it ends", async () => {
      const { log, openReader } = await createOpenHome();
      const hold = sampleHold();
      await log.hold(hold);
      const reader = await openReader();
      expect(await readAll(reader)).toEqual([]);
      expect(log.status().openHolds).toBe(1);
      await log.append(sampleSettlement(hold));
      expect(log.status()).toMatchObject({ openHolds: 0, endOffset: 1 });
      await Promise.all([reader.close(), log.close()]);
    });

    it("records one event of a request that ends before its hold is recorded", async () => {
      const { log, open, openReader, mayRepeat } = await createOpenHome();
      const hold = sampleHold();
      await Promise.all([log.hold(hold), log.append(sampleSettlement(hold))]);
      expect(log.status()).toMatchObject({ openHolds: 0, endOffset: 1 });
      await log.close();
      const again = await open();
      const reader = await openReader();
      const events = await readAll(reader, mayRepeat);
      expect(events).toMatchObject([{ rev: 1, creditsMicro: sampleSettlement(hold).creditsMicro }]);
      expect(idsOf(events)).toEqual(idsOf([hold]));
      await Promise.all([reader.close(), again.close()]);
    });

    it("ends a hold whose gateway died: aborted, rev 0, free, once", async () => {
      const { log, open, openReader, mayRepeat } = await createOpenHome();
      const [done, dead] = [sampleHold(), sampleHold()];
      await Promise.all([log.hold(done), log.hold(dead)]);
      await log.append(sampleSettlement(done));
      await log.close();
      await (await open()).close();
      const log3 = await open();
      const reader = await openReader();
      const events = await readAll(reader, mayRepeat);
      expect(idsOf(events)).toEqual(idsOf([done, dead]));
      expect(events[1]).toMatchObject({
        rev: 0,
        kind: EventKind.REQUEST,
        outcome: Outcome.GATEWAY_ABORT,
        creditsMicro: 0n,
        localSeq: 1n,
      });
      expect(log3.status().openHolds).toBe(0);
      await Promise.all([reader.close(), log3.close()]);
    });

    it("goes on where it ended, in a new boot of the same log", async () => {
      const { log, open, openReader, mayRepeat } = await createOpenHome();
      await log.append(sampleEvent());
      await log.close();
      const again = await open();
      await again.append(sampleEvent());
      const reader = await openReader();
      const [first, second] = await readAll(reader, mayRepeat);
      expect(second?.bootEpoch).toBeGreaterThan(first?.bootEpoch ?? 0n);
      expect(second?.localSeq).toBe(1n);
      await Promise.all([reader.close(), again.close()]);
    });

    it("lets its reader see what came after it was opened", async () => {
      const { log, openReader } = await createOpenHome();
      const reader = await openReader();
      const before = await reader.read(0, allLimits);
      expect(before).toMatchObject({ records: [], endOffset: 0 });
      await log.append(sampleEvent());
      const after = await reader.read(0, allLimits);
      expect(after.records).toHaveLength(1);
      expect(after.endOffset).toBe(1);
      await Promise.all([reader.close(), log.close()]);
    });

    it("cuts batches by number and by size, with one record at least", async () => {
      const { log, openReader } = await createOpenHome();
      await Promise.all(Array.from({ length: 10 }, () => log.append(sampleEvent())));
      const reader = await openReader();
      const some = await reader.read(4, { eventsMax: 3, bytesMax: 1e9 });
      expect(some.records.map(({ offset }) => offset)).toEqual([4, 5, 6]);
      const one = await reader.read(9, { eventsMax: 3, bytesMax: 1 });
      expect(one.records.map(({ offset }) => offset)).toEqual([9]);
      const none = await reader.read(10, { eventsMax: 3, bytesMax: 1 });
      expect(none.records).toEqual([]);
      await Promise.all([reader.close(), log.close()]);
    });

    it("refuses holds with service_unavailable when too much is unconfirmed, but takes their ends", async () => {
      const home = await createHome();
      onTestFinished(() => home.remove());
      const log = await home.open({ spoolEventsMax: 3, stuck: true });
      const hold = sampleHold();
      await log.hold(hold);
      await Promise.all(Array.from({ length: 3 }, () => log.append(sampleEvent())));
      expect(log.status()).toMatchObject({ spoolShare: 1, refusing: "spool" });
      await expect(log.hold(sampleHold())).rejects.toMatchObject({ code: "service_unavailable" });
      await log.append(sampleSettlement(hold));
      expect(log.status().endOffset).toBe(4);
      await log.close();
    });
  });
}
