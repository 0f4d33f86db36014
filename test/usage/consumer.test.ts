import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { UsageEvent } from "../../src/gen/optamil/v1/event_pb.ts";
import { Consumer } from "../../src/usage/consumer.ts";
import type { Confirmation, ConsumerParts } from "../../src/usage/consumer-parts.ts";
import { encodeEvent } from "../../src/usage/encode-event.ts";
import { createRefund, toEventIdText } from "../../src/usage/event.ts";
import { BatchRejected, nothingUsed } from "../../src/usage/warehouse.ts";
import { ManualClock } from "../admission/manual-clock.ts";
import { MemoryConsumerStore } from "../fakes/memory-consumer-store.ts";
import { MemoryLogDisk, MemoryLogReader } from "../fakes/memory-usage-log.ts";
import { MemoryWarehouse } from "../fakes/memory-warehouse.ts";
import { periodId, sampleEvent } from "./sample-events.ts";

const credit = 1_000_000n;

/** A consumer's world, which outlives the consumers that run in it. */
class World {
  readonly disk = new MemoryLogDisk();
  readonly warehouse = new MemoryWarehouse();
  readonly clock = new ManualClock();
  readonly delivered: Confirmation[] = [];
  store = new MemoryConsumerStore();

  append(...events: readonly UsageEvent[]): void {
    for (const event of events) this.disk.appendBytes(encodeEvent(event));
  }

  start(options: Partial<ConsumerParts> = {}): Consumer {
    return new Consumer({
      log: new MemoryLogReader(this.disk),
      warehouse: this.warehouse,
      store: this.store,
      clock: this.clock,
      deliver: async (confirmation) => {
        this.delivered.push(confirmation);
      },
      limits: { eventsMax: 100, bytesMax: 1e9 },
      ...options,
    });
  }

  /** Steps until the log is empty and everything is confirmed. */
  async drain(consumer: Consumer): Promise<void> {
    for (let idle = 0; idle < 2; ) {
      const { records, confirmed } = await consumer.step();
      idle = records === 0 && !confirmed ? idle + 1 : 0;
      if (records === 0) this.clock.advance(10_000);
    }
  }

  usedMicro(accountId: string): bigint {
    const base = this.store.base(accountId, periodId)?.microByTier ?? nothingUsed;
    return Object.values(base).reduce((total, micro) => total + micro, 0n);
  }

  includedIds(): string[] {
    return this.delivered.flatMap(({ sums }) => sums.flatMap(({ includedIds }) => includedIds));
  }
}

function idOf(event: UsageEvent): string {
  return toEventIdText(event.eventId);
}

describe("the consumer", () => {
  it("carries events to the warehouse in batches, and says how many are left", async () => {
    const world = new World();
    world.append(...Array.from({ length: 250 }, () => sampleEvent()));
    const consumer = world.start();
    expect(await consumer.step()).toEqual({ records: 100, dead: 0, confirmed: false, lag: 150 });
    await world.drain(consumer);
    expect(world.warehouse.calls.inserts).toBe(3);
    expect(world.store.progress("usage/0")).toMatchObject({ offset: 250, confirmedOffset: 250 });
    expect(world.usedMicro("acme")).toBe(250n * credit);
  });

  it("confirms sums with the ids that they include, each id once", async () => {
    const world = new World();
    const events = [sampleEvent(), sampleEvent({ accountId: "b", tier: "mid" }), sampleEvent()];
    world.append(...events);
    await world.drain(world.start());
    expect(world.delivered).toEqual([
      {
        confirmedOffset: 3,
        sums: [
          {
            accountId: "acme",
            periodId,
            baseByTierMicro: { ...nothingUsed, budget: 2n * credit },
            includedIds: [events[0], events[2]].map((event) => event && idOf(event)),
            version: { epoch: 1_000, offset: 3 },
          },
          {
            accountId: "b",
            periodId,
            baseByTierMicro: { ...nothingUsed, mid: credit },
            includedIds: [events[1]].map((event) => event && idOf(event)),
            version: { epoch: 1_000, offset: 3 },
          },
        ],
      },
    ]);
  });

  it("confirms what was used of budgets before the accounts, by the events that were admitted under them", async () => {
    const world = new World();
    const budgets = [
      { id: "key:k1", limitMicro: 9n * credit },
      { id: "tag:team-a", limitMicro: 9n * credit },
    ];
    const before = sampleEvent({ keyId: "k1" });
    const both = sampleEvent({ keyId: "k1", tag: "team-a", budgets });
    const tagged = sampleEvent({ keyId: "k2", tag: "team-a", budgets: budgets.slice(1) });
    world.append(before, both, tagged);
    await world.drain(world.start());
    const sums = world.delivered.flatMap((one) => one.sums);
    const shown = sums.map(({ budgetId, baseByTierMicro, includedIds }) => ({
      budgetId,
      usedMicro: baseByTierMicro.budget,
      includedIds,
    }));
    expect(shown).toEqual([
      { budgetId: "key:k1", usedMicro: 2n * credit, includedIds: [idOf(both)] },
      { budgetId: "tag:team-a", usedMicro: 2n * credit, includedIds: [both, tagged].map(idOf) },
      {
        budgetId: undefined,
        usedMicro: 3n * credit,
        includedIds: [before, both, tagged].map(idOf),
      },
    ]);
    expect(world.usedMicro("acme")).toBe(3n * credit);
  });

  it("confirms a refund to the budgets of the charge", async () => {
    const world = new World();
    const budgets = [{ id: "tag:team-a", limitMicro: 9n * credit }];
    const charged = sampleEvent({ tag: "team-a", budgets });
    const { accountId, keyJti, tag, creditsMicro } = charged;
    const spent = { keyId: keyJti, rootKeyId: keyJti, tag, budgets };
    const ofCharge = { eventId: idOf(charged), accountId, periodId, creditsMicro, ...spent };
    const refund = createRefund(
      { ...ofCharge, tier: "budget" },
      Number(charged.admittedAtUs) / 1_000,
    );
    world.append(charged);
    const consumer = world.start();
    await world.drain(consumer);
    world.append(refund);
    await world.drain(consumer);
    expect(world.delivered.at(-1)?.sums.at(0)).toMatchObject({
      budgetId: "tag:team-a",
      baseByTierMicro: nothingUsed,
      includedIds: [idOf(refund)],
    });
  });

  it("does not name swept requests, as they may still settle", async () => {
    const world = new World();
    const settled = sampleEvent();
    world.append({ ...settled, rev: 0, creditsMicro: 0n });
    const consumer = world.start();
    await world.drain(consumer);
    expect(world.includedIds()).toEqual([]);
    world.append(settled);
    await world.drain(consumer);
    expect(world.includedIds()).toEqual([idOf(settled)]);
    expect(world.usedMicro("acme")).toBe(credit);
  });

  it("asks for sums at most every second, and for a twentieth of the time at most", async () => {
    const world = new World();
    let queryMs = 1;
    world.warehouse.onCall = (kind) => {
      if (kind === "sums") world.clock.advance(queryMs);
    };
    const consumer = world.start();
    const askedAtMs: number[] = [];
    for (let ms = 0; ms < 30_000; ms += 100) {
      world.append(sampleEvent());
      const before = world.clock.monotonicMs();
      if ((await consumer.step()).confirmed) askedAtMs.push(before);
      world.clock.advance(100);
      if (ms === 10_000) queryMs = 200;
    }
    const pauses = askedAtMs.slice(1).map((at, index) => at - (askedAtMs[index] ?? 0));
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(1_000);
    expect(pauses.slice(-3).every((pause) => pause >= 4_000)).toBe(true);
  });

  it("moves its confirmed offset only over accounts that are confirmed", async () => {
    const world = new World();
    const accounts = Array.from({ length: 1_500 }, (_, index) => `account-${index}`);
    world.append(...accounts.map((accountId) => sampleEvent({ accountId })));
    await world.drain(world.start());
    expect(world.delivered.map(({ confirmedOffset }) => confirmedOffset).at(-1)).toBe(1_500);
    for (const { confirmedOffset, sums } of world.delivered) {
      const named = new Set(sums.map(({ accountId }) => accountId));
      expect(accounts.slice(confirmedOffset).some((id) => named.has(id))).toBe(false);
    }
  });
});

describe("whatever is delivered how often and in what order", () => {
  it("the sums are the same", async () => {
    const deliveries = fc.array(
      fc.record({ account: fc.nat(3), event: fc.nat(40), batch: fc.integer({ min: 1, max: 7 }) }),
      { minLength: 1, maxLength: 200 },
    );
    const events = Array.from({ length: 41 }, (_, at) => sampleEvent({ accountId: `a${at % 4}` }));
    await fc.assert(
      fc.asyncProperty(deliveries, async (list) => {
        const world = new World();
        const picked = list.map(({ event }) => events[event % 41] ?? sampleEvent());
        world.append(...picked);
        for (const { batch } of list.slice(0, 5)) {
          const limits = { eventsMax: batch, bytesMax: 1e9 };
          await world.start({ limits }).step();
        }
        await world.drain(world.start());
        const unique = new Map(picked.map((event) => [idOf(event), event.accountId]));
        for (let account = 0; account < 4; account++) {
          const mine = [...unique.values()].filter((id) => id === `a${account}`);
          expect(world.usedMicro(`a${account}`)).toBe(BigInt(mine.length) * credit);
        }
      }),
      { numRuns: 40 },
    );
  });

  it("each message 1 to 5 times, shuffled, and a replay from offset 0 in mid-run change no sum", async () => {
    const world = new World();
    const events = Array.from({ length: 300 }, (_, at) => sampleEvent({ accountId: `a${at % 7}` }));
    const copies = events.flatMap((event, at) => Array.from({ length: 1 + (at % 5) }, () => event));
    const [shuffled = []] = fc.sample(fc.shuffledSubarray(copies, { minLength: copies.length }), {
      numRuns: 1,
      seed: 7,
    });
    world.append(...shuffled);
    const consumer = world.start();
    for (let step = 0; step < 4; step++) await consumer.step();
    world.store = new MemoryConsumerStore();
    const emptied = new MemoryWarehouse();
    await world.drain(
      world.start({
        warehouse: { ...bind(world.warehouse), lastOffset: emptied.lastOffset.bind(emptied) },
      }),
    );
    for (let account = 0; account < 7; account++) {
      const mine = events.filter(({ accountId }) => accountId === `a${account}`).length;
      expect(world.usedMicro(`a${account}`)).toBe(BigInt(mine) * credit);
    }
  });
});

function bind(warehouse: MemoryWarehouse): ConsumerParts["warehouse"] {
  return {
    insert: (batch) => warehouse.insert(batch),
    sums: (accounts, periods) => warehouse.sums(accounts, periods),
    sumsAfter: (after, limit) => warehouse.sumsAfter(after, limit),
    bases: (asked) => warehouse.bases(asked),
    id: () => warehouse.id(),
    lastOffset: (logName, logEpoch) => warehouse.lastOffset(logName, logEpoch),
    close: () => warehouse.close(),
  };
}

describe("a consumer that dies", () => {
  it("between insert and offset inserts the same batch again, and loses and doubles nothing", async () => {
    const world = new World();
    world.append(...Array.from({ length: 10 }, () => sampleEvent()));
    const tokens: string[] = [];
    world.warehouse.onCall = (kind, batch) => {
      if (kind !== "inserted" || batch === undefined) return;
      tokens.push(`${batch.events.at(0)?.offset}-${batch.events.at(-1)?.offset}`);
      if (tokens.length === 1) throw new Error("killed");
    };
    await expect(world.start().step()).rejects.toThrow("killed");
    world.append(sampleEvent());
    await world.drain(world.start());
    expect(tokens).toEqual(["0-9", "0-9", "10-10"]);
    expect(world.usedMicro("acme")).toBe(11n * credit);
  });

  it("before its sums arrive names their events again", async () => {
    const world = new World();
    const events = [sampleEvent(), sampleEvent()];
    world.append(...events);
    const lost = world.start({ deliver: () => Promise.reject(new Error("channel closed")) });
    await lost.step();
    await expect(lost.step()).rejects.toThrow("channel closed");
    await world.drain(world.start());
    expect(world.includedIds()).toEqual(events.map(idOf));
  });

  it("after it wrote down sums that never arrived names their events again, from what the gateway knows", async () => {
    const world = new World();
    const events = [sampleEvent(), sampleEvent()];
    world.append(...events);
    await world.drain(world.start({ deliver: async () => undefined }));
    expect(world.includedIds()).toEqual([]);
    await world.drain(world.start({ deliveredOffset: 0 }));
    expect(world.includedIds()).toEqual(events.map(idOf));
  });

  it("before it wrote down its offset has written down the sums that it delivered", async () => {
    const world = new World();
    world.append(sampleEvent());
    const known: bigint[] = [];
    const consumer = world.start({
      deliver: async () => void known.push(world.usedMicro("acme")),
    });
    await world.drain(consumer);
    expect(known).toEqual([credit]);
  });

  it("in an insert ends that batch before it asks for sums, which could include it unnamed", async () => {
    const world = new World();
    const events = [sampleEvent(), sampleEvent()];
    world.append(...events.slice(0, 1));
    const first = world.start();
    await first.step();
    world.append(...events.slice(1));
    world.warehouse.onCall = (kind) => {
      if (kind === "inserted") throw new Error("no answer");
    };
    world.clock.advance(10_000);
    expect(await first.step()).toMatchObject({ confirmed: true });
    await expect(first.step()).rejects.toThrow("no answer");
    world.clock.advance(10_000);
    for (const consumer of [first, world.start({ deliveredOffset: 0 })]) {
      if (consumer !== first) expect(await consumer.step()).toMatchObject({ records: 1 });
      await expect(consumer.step()).rejects.toThrow("no answer");
    }
    expect(world.warehouse.calls.sums).toBe(1);
    await expect(first.confirmAll()).rejects.toThrow("no answer");
    world.warehouse.onCall = () => {};
    await first.confirmAll();
    expect(world.includedIds()).toEqual(events.map(idOf));
  });

  it("and loses its store finds offset and bases in the warehouse", async () => {
    const world = new World();
    world.append(sampleEvent(), sampleEvent({ accountId: "b" }), sampleEvent());
    await world.drain(world.start());
    world.disk.trimmedTo = 2;
    world.store = new MemoryConsumerStore();
    await world.drain(world.start());
    expect(world.store.progress("usage/0")).toMatchObject({ offset: 3, confirmedOffset: 3 });
    expect(world.usedMicro("b")).toBe(credit);
    expect(world.store.base("acme", periodId)?.version).toEqual({ epoch: 1_000, offset: 3 });
  });

  it("and loses its store names again all that the log has: counters may have loaded it before the bases were there", async () => {
    const world = new World();
    const events = [sampleEvent(), sampleEvent({ accountId: "b" }), sampleEvent()];
    world.append(...events);
    await world.drain(world.start());
    world.store = new MemoryConsumerStore();
    world.delivered.length = 0;
    await world.drain(world.start());
    expect(world.includedIds().toSorted()).toEqual(events.map(idOf).toSorted());
    expect(world.usedMicro("acme")).toBe(2n * credit);
    expect(await world.warehouse.rows()).toEqual({ rows: 3n, effective: 3n });
  });

  it("and loses its store and its warehouse fills both from the log, and tells what the log has no more", async () => {
    const world = new World();
    world.append(sampleEvent(), sampleEvent({ accountId: "b" }), sampleEvent());
    await world.drain(world.start());
    const told: string[] = [];
    const startAnew = async () => {
      world.warehouse.wipe();
      world.store = new MemoryConsumerStore();
      await world.drain(world.start({ tell: (message) => void told.push(message) }));
    };
    await startAnew();
    expect(told).toEqual([]);
    expect([world.usedMicro("acme"), world.usedMicro("b")]).toEqual([2n * credit, credit]);
    world.disk.trimmedTo = 2;
    await startAnew();
    expect(told).toEqual([expect.stringContaining("lacks 2 records of usage/0 before 2")]);
    expect([world.usedMicro("acme"), world.usedMicro("b")]).toEqual([credit, 0n]);
    expect(await world.warehouse.rows()).toEqual({ rows: 1n, effective: 1n });
  });

  it("of a warehouse that was wiped while nothing failed sends all of the log again, before any sum", async () => {
    const world = new World();
    world.append(sampleEvent(), sampleEvent(), sampleEvent());
    const consumer = world.start();
    await world.drain(consumer);
    world.warehouse.wipe();
    // What comes after it hides that there was more before.
    world.append(sampleEvent());
    await expect(world.drain(consumer)).rejects.toThrow("is not the one that was filled");
    await world.drain(consumer);
    const sums = world.delivered.flatMap((one) => one.sums.map((sum) => sum.baseByTierMicro));
    expect(sums.map(({ budget }) => budget)).toEqual([3n * credit, 4n * credit]);
    expect(await world.warehouse.lastOffset("usage/0", 1_000)).toBe(3);
    expect(await world.warehouse.rows()).toEqual({ rows: 4n, effective: 4n });
  });

  it("and comes back to a warehouse that was made anew sends all of the log again", async () => {
    const world = new World();
    world.append(sampleEvent(), sampleEvent());
    await world.drain(world.start());
    world.warehouse.wipe();
    await world.drain(world.start());
    expect(world.usedMicro("acme")).toBe(2n * credit);
    expect(await world.warehouse.rows()).toEqual({ rows: 2n, effective: 2n });
  });

  it("and died while it sent the log again begins anew", async () => {
    const world = new World();
    world.append(...Array.from({ length: 6 }, () => sampleEvent()));
    await world.drain(world.start());
    world.warehouse.wipe();
    const limits = { eventsMax: 2, bytesMax: 1e6 };
    await world.start({ limits }).step();
    world.append(sampleEvent());
    await world.drain(world.start({ limits }));
    expect(world.usedMicro("acme")).toBe(7n * credit);
    expect(await world.warehouse.rows()).toEqual({ rows: 7n, effective: 7n });
  });

  it("does not go on with a warehouse that was made anew when the log begins later", async () => {
    const world = new World();
    world.append(sampleEvent(), sampleEvent());
    await world.drain(world.start());
    world.disk.trimmedTo = 1;
    world.warehouse.wipe();
    await expect(world.start().step()).rejects.toThrow("restore the warehouse from its backup");
  });

  it("starts a log that was made anew from its beginning, on the sums of the old one", async () => {
    const world = new World();
    world.append(sampleEvent(), sampleEvent());
    await world.drain(world.start());
    world.disk.records.length = 0;
    world.disk.epoch = 2_000;
    world.append(sampleEvent());
    await world.drain(world.start());
    expect(world.usedMicro("acme")).toBe(3n * credit);
    expect(world.store.base("acme", periodId)?.version).toEqual({ epoch: 2_000, offset: 1 });
  });

  it("refuses to go on where the log has lost records", async () => {
    const world = new World();
    world.append(sampleEvent(), sampleEvent(), sampleEvent());
    await world.start({ limits: { eventsMax: 1, bytesMax: 1e9 } }).step();
    world.disk.trimmedTo = 3;
    world.append(sampleEvent());
    const consumer = world.start();
    await expect(world.drain(consumer)).rejects.toThrow("misses its records from 1 to 3");
    await expect(consumer.step()).rejects.toThrow("misses its records from 1 to 3");
  });

  it("refuses to go on where the log was wiped and has no new epoch", async () => {
    const world = new World();
    world.append(sampleEvent(), sampleEvent(), sampleEvent());
    const consumer = world.start();
    await world.drain(consumer);
    world.disk.records.length = 1;
    for (const one of [consumer, world.start()]) {
      await expect(one.step()).rejects.toThrow("the log ends at 1, before 3");
    }
  });

  it("inserts a batch once although the next one cannot be read", async () => {
    const world = new World();
    world.append(...Array.from({ length: 150 }, () => sampleEvent()));
    const log = new MemoryLogReader(world.disk);
    const read = log.read.bind(log);
    let failures = 0;
    log.read = (from, limits) => {
      if (from !== 100 || failures++ > 0) return read(from, limits);
      return Promise.reject(new Error("disk"));
    };
    await world.drain(world.start({ log }));
    expect(world.warehouse.calls.inserts).toBe(2);
    expect(world.usedMicro("acme")).toBe(150n * credit);
  });
});

describe("poison", () => {
  it.each<[string, Uint8Array]>([
    ["random bytes", Uint8Array.from([0xff, 0xfe, 0xfd])],
    ["a truncated event", encodeEvent(sampleEvent()).subarray(0, -3)],
    ["nothing", new Uint8Array()],
    ["ten megabytes", new Uint8Array(10_000_000)],
    ["a negative charge", encodeEvent({ ...sampleEvent(), creditsMicro: -1n })],
    ["an outcome of the future", Uint8Array.from([...encodeEvent(sampleEvent()), 0xb0, 1, 99])],
  ])(
    "(%s) becomes a dead letter with its bytes, offset and reason, and the rest moves on",
    async (_what, bytes) => {
      const world = new World();
      world.append(sampleEvent());
      world.disk.appendBytes(bytes);
      world.append(sampleEvent());
      await world.drain(world.start());
      expect(world.store.dead).toEqual([
        { offset: 1, bytes, reason: expect.stringMatching(/./), atMs: expect.any(Number) },
      ]);
      expect(world.usedMicro("acme")).toBe(2n * credit);
    },
  );

  it("and nothing else for a minute stops the consumer: the mistake is ours", async () => {
    const world = new World();
    const consumer = world.start();
    for (let index = 0; index < 2_000; index++) world.disk.appendBytes(Uint8Array.from([0xff]));
    for (let step = 0; step < 12; step++) await consumer.step();
    world.clock.advance(61_000);
    await expect(consumer.step()).rejects.toThrow("was poison");
    expect(world.store.dead).toHaveLength(1_200);
  });

  it("that the warehouse refuses is found in its batch at once", async () => {
    const world = new World();
    const events = Array.from({ length: 100 }, () => sampleEvent());
    world.append(...events);
    world.warehouse.onCall = (kind, batch) => {
      const bad = batch?.events.some(({ offset }) => offset === 37) ?? false;
      if (kind === "insert" && bad) throw new BatchRejected("refused", { cause: new Error("odd") });
    };
    await world.drain(world.start());
    expect(world.store.dead.map(({ offset, reason }) => ({ offset, reason }))).toEqual([
      { offset: 37, reason: "refused: odd" },
    ]);
    expect(world.usedMicro("acme")).toBe(99n * credit);
  });
});

describe("a record that kills the consumer", () => {
  /** Starts consumers until nothing is left; each that meets the record dies. */
  async function survive(world: World, offset: number, lastExit: "crashed" | "killed") {
    let deaths = 0;
    world.warehouse.onCall = (kind, batch) => {
      const meets = batch?.events.some((placed) => placed.offset === offset) ?? false;
      if (kind === "insert" && meets) throw new Error("died");
    };
    for (let lives = 0; lives < 50; lives++) {
      const options = lives === 0 ? {} : { lastExit };
      const died = await world.drain(world.start(options)).catch(() => "died");
      if (died === undefined) return deaths;
      deaths++;
    }
    return deaths;
  }

  it("is found by cutting its batch after three deaths, and becomes a dead letter", async () => {
    const world = new World();
    world.append(...Array.from({ length: 100 }, () => sampleEvent()));
    expect(await survive(world, 42, "crashed")).toBe(7);
    expect(world.store.dead).toMatchObject([{ offset: 42, reason: "the consumer dies of it" }]);
    expect(world.usedMicro("acme")).toBe(99n * credit);
    expect(world.store.progress("usage/0")?.trial).toBeUndefined();
  });

  it("is never given up for deaths that came from outside", async () => {
    const world = new World();
    world.append(...Array.from({ length: 100 }, () => sampleEvent()));
    expect(await survive(world, 42, "killed")).toBe(50);
    expect(world.store.dead).toEqual([]);
    world.warehouse.onCall = () => {};
    await world.drain(world.start());
    expect(world.usedMicro("acme")).toBe(100n * credit);
  });
});
