/** What every adapter of the counters must do; run on memory, and on Redis. */
import { describe, expect, it } from "vitest";
import type {
  Admission,
  AdmitRequest,
  ConfirmedSums,
  Counters,
  LoadedBase,
} from "../../src/admission/counters.ts";
import { byTier, credit, request, wideLimits } from "../admission/requests.ts";

/** Counters under test, and the hands on their clock and on what they load. */
export type CountersUnderTest = {
  readonly counters: Counters;
  /** Lets the adapter's time pass. */
  advance(ms: number): void | Promise<void>;
};

/**
 * Opens counters whose time is `wallMs` (Unix milliseconds) and whose accounts have the base given, or none.
 * Each test opens its own.
 */
export type OpenCounters = (options: {
  readonly wallMs: number;
  readonly base?: LoadedBase;
}) => CountersUnderTest | Promise<CountersUnderTest>;

const noonMs = Date.UTC(2026, 3, 10, 12, 0, 0, 250);
const usedOne = { accountId: "account", tier: "mid", creditsMicro: credit, tokens: 100 } as const;
const free = { accountId: "account", tokens: 0 };

/** Registers the suite for one adapter. */
export function describeCounters(name: string, open: OpenCounters): void {
  const start = (base?: LoadedBase) => open({ wallMs: noonMs, ...(base && { base }) });
  describe(`counters in ${name}`, () => {
    describeLimits(start);
    describeDays(open);
    describeCredits(start);
    describeEnds(start);
    describeSweep(start);
    describeConfirm(start);
    describeBudgets(start);
    describePeriods(open);
  });
}

type Start = (base?: LoadedBase) => CountersUnderTest | Promise<CountersUnderTest>;

/** Admits `count` requests `<prefix>1`, `<prefix>2`, … one after the other. */
async function admitMany(
  { counters }: CountersUnderTest,
  count: number,
  overrides: Partial<AdmitRequest> = {},
  prefix = "event",
): Promise<Admission[]> {
  const admissions: Admission[] = [];
  for (let number = 1; number <= count; number += 1) {
    const eventId = `${prefix}${number}`;
    admissions.push(await counters.admit(request({ eventId, ...overrides })));
  }
  return admissions;
}

function outcomes(admissions: readonly Admission[]): string[] {
  return admissions.map((one) => (one.admitted ? "admitted" : one.reason));
}

function retryAfterMs(admission: Admission | undefined): number {
  if (admission === undefined || admission.admitted) return Number.NaN;
  return admission.retryAfterMs ?? Number.NaN;
}

function sums(overrides: Partial<ConfirmedSums>): ConfirmedSums {
  return {
    accountId: "account",
    periodId: "2026-04",
    baseByTierMicro: byTier(),
    includedIds: [],
    version: { epoch: 0, offset: 0 },
    ...overrides,
  };
}

function describeLimits(start: Start): void {
  it.each([
    ["requests-minute", { requestsPerMinute: 3 }],
    ["requests-day", { requestsPerDay: 3 }],
    ["tokens-minute", { tokensPerMinute: 300 }],
  ] as const)(
    "a full %s window refuses, and has room after exactly its wait",
    async (reason, limit) => {
      const under = await start();
      const limits = { ...wideLimits, ...limit };
      const admissions = await admitMany(under, 4, { limits });
      expect(outcomes(admissions)).toEqual(["admitted", "admitted", "admitted", reason]);
      const waitMs = retryAfterMs(admissions[3]);
      await under.advance(waitMs - 1_000);
      expect(outcomes(await admitMany(under, 1, { limits }, "early"))).toEqual([reason]);
      await under.advance(1_000);
      expect(outcomes(await admitMany(under, 1, { limits }, "late"))).toEqual(["admitted"]);
    },
  );

  it("a refused request takes nothing of any window", async () => {
    const under = await start();
    const limits = { ...wideLimits, tokensPerMinute: 100 };
    const [first, second] = await admitMany(under, 2, { limits });
    expect(outcomes([first, second].filter((one) => one !== undefined))).toEqual([
      "admitted",
      "tokens-minute",
    ]);
    expect(second?.rate["requests-minute"].remaining).toBe(wideLimits.requestsPerMinute - 1);
    expect(second?.rate["requests-day"].remaining).toBe(wideLimits.requestsPerDay - 1);
    expect((await under.counters.usage("account", 1_000n * credit)).heldMicro).toBe(credit);
  });

  it("more tokens than the whole minute allows are too large, at any time", async () => {
    const { counters } = await start();
    const limits = { ...wideLimits, tokensPerMinute: 1_000 };
    const admission = await counters.admit(request({ eventId: "a", limits, tokens: 1_001 }));
    expect(admission).toMatchObject({ admitted: false, reason: "too-large", scope: "account" });
    expect(admission).toHaveProperty("retryAfterMs", undefined);
  });

  it("a key's own limit is narrower than its account's, and other keys do not feel it", async () => {
    const under = await start();
    const keyLimits = { requestsPerMinute: 2 };
    const admissions = await admitMany(under, 3, { keyLimits });
    expect(outcomes(admissions)).toEqual(["admitted", "admitted", "requests-minute"]);
    expect(admissions[2]).toMatchObject({ scope: "key" });
    expect(admissions[2]?.rate["requests-minute"]).toMatchObject({ limit: 2, remaining: 0 });
    expect(outcomes(await admitMany(under, 1, { keyId: "other" }, "other"))).toEqual(["admitted"]);
  });

  it("the limit of a part of a key refuses that part alone, and names it", async () => {
    const under = await start();
    const parts = [{ id: "model gpt-5", limits: { requestsPerMinute: 2 } }];
    const admissions = await admitMany(under, 3, { parts });
    expect(outcomes(admissions)).toEqual(["admitted", "admitted", "requests-minute"]);
    expect(admissions[2]).toMatchObject({ scope: "key", part: "model gpt-5" });
    expect(admissions[2]?.rate["requests-minute"]).toMatchObject({ limit: 2, remaining: 0 });
    expect(outcomes(await admitMany(under, 2, {}, "others"))).toEqual(["admitted", "admitted"]);
    await under.advance(60_000);
    expect(outcomes(await admitMany(under, 1, { parts }, "later"))).toEqual(["admitted"]);
  });

  it("of two parts and their key, the one that is full for longest refuses", async () => {
    const under = await start();
    const parts = [
      { id: "model gpt-5", limits: { requestsPerMinute: 2 } },
      { id: "tier premium", limits: { requestsPerDay: 2 } },
    ];
    const keyLimits = { requestsPerMinute: 2 };
    const admissions = await admitMany(under, 3, { parts, keyLimits });
    expect(outcomes(admissions)).toEqual(["admitted", "admitted", "requests-day"]);
    expect(admissions[2]).toMatchObject({ scope: "key", part: "tier premium" });
  });

  it("a key runs as many requests at once as it may, however they end", async () => {
    const under = await start();
    const { counters } = under;
    const admitOne = (eventId: string, keyId = "key") =>
      counters.admit(request({ eventId, keyId, keyRunningMax: 2 }));
    await admitOne("a");
    await admitOne("b");
    expect(await admitOne("c")).toMatchObject({
      reason: "running",
      scope: "key",
      retryAfterMs: 1_000,
    });
    expect(await admitOne("b")).toMatchObject({ admitted: true });
    expect(await admitOne("other", "other")).toMatchObject({ admitted: true });
    await counters.settle("a", usedOne);
    expect(await admitOne("d")).toMatchObject({ admitted: true });
    expect(await admitOne("e")).toMatchObject({ reason: "running" });
    await counters.release("b", free);
    await counters.release("b", free);
    expect(await admitOne("f")).toMatchObject({ admitted: true });
    expect(await admitOne("g")).toMatchObject({ reason: "running" });
    await under.advance(30_001);
    expect(await counters.sweep()).toHaveLength(3);
    await counters.settle("f", usedOne);
    expect(await admitOne("h")).toMatchObject({ admitted: true });
    expect(await admitOne("i")).toMatchObject({ admitted: true });
    expect(await admitOne("j")).toMatchObject({ reason: "running" });
  });

  it("many keys share the limit of their account", async () => {
    const under = await start();
    const limits = { ...wideLimits, requestsPerMinute: 2 };
    await admitMany(under, 2, { limits, keyId: "one" });
    expect(outcomes(await admitMany(under, 1, { limits, keyId: "two" }, "two"))).toEqual([
      "requests-minute",
    ]);
  });

  it("each answer tells what is left of each window and when all of it is back", async () => {
    const under = await start();
    const limits = { requestsPerMinute: 10, requestsPerDay: 20, tokensPerMinute: 1_000 };
    const [admission] = await admitMany(under, 1, { limits, tokens: 150 });
    expect(admission?.rate["requests-minute"]).toEqual({
      limit: 10,
      remaining: 9,
      resetAfterMs: 60_000,
    });
    expect(admission?.rate["requests-day"]).toMatchObject({ limit: 20, remaining: 19 });
    const tokens = admission?.rate["tokens-minute"];
    expect(tokens).toMatchObject({ limit: 1_000, remaining: 850 });
    expect(tokens?.resetAfterMs).toBeGreaterThanOrEqual(60_000);
    expect(tokens?.resetAfterMs).toBeLessThanOrEqual(61_000);
  });

  it("the tokens really used replace the estimate", async () => {
    const under = await start();
    const limits = { ...wideLimits, tokensPerMinute: 1_000 };
    await admitMany(under, 1, { limits, tokens: 900 });
    await under.counters.settle("event1", { ...usedOne, tokens: 50 });
    const [next] = await admitMany(under, 1, { limits, tokens: 900 }, "next");
    expect(next?.rate["tokens-minute"].remaining).toBe(50);
  });

  it("a correction that comes more than a minute late is dropped", async () => {
    const under = await start();
    const limits = { ...wideLimits, tokensPerMinute: 1_000 };
    await admitMany(under, 1, { limits, tokens: 900 });
    await under.advance(20_000);
    await under.counters.renew([{ eventId: "event1", accountId: "account" }]);
    await under.advance(42_000);
    await admitMany(under, 1, { limits, tokens: 900 }, "next");
    await under.counters.settle("event1", { ...usedOne, tokens: 0 });
    const [last] = await admitMany(under, 1, { limits, tokens: 101 }, "last");
    expect(outcomes(last ? [last] : [])).toEqual(["tokens-minute"]);
  });

  it("a full window comes before missing credits", async () => {
    const under = await start();
    const limits = { ...wideLimits, requestsPerMinute: 1 };
    const both = await admitMany(under, 2, { limits, totalMicro: credit });
    expect(outcomes(both)).toEqual(["admitted", "requests-minute"]);
  });
}

function describeDays(open: OpenCounters): void {
  it("requests of the day are free again at midnight UTC", async () => {
    const under = await open({ wallMs: Date.UTC(2026, 3, 10, 23, 59, 30) });
    const limits = { ...wideLimits, requestsPerDay: 2 };
    const admissions = await admitMany(under, 3, { limits });
    expect(outcomes(admissions)).toEqual(["admitted", "admitted", "requests-day"]);
    // A remote store's clock goes on during the test.
    expect(retryAfterMs(admissions[2])).toBeGreaterThan(25_000);
    expect(retryAfterMs(admissions[2])).toBeLessThanOrEqual(30_000);
    await under.advance(30_000);
    expect(outcomes(await admitMany(under, 2, { limits }, "next"))).toEqual([
      "admitted",
      "admitted",
    ]);
  });
}

function describeCredits(start: Start): void {
  it("of 1,000 concurrent requests with one credit left, 1 is admitted and 999 lack credits", async () => {
    const { counters } = await start();
    const ids = Array.from({ length: 1_000 }, (_, number) => `event${number}`);
    const admissions = await Promise.all(
      ids.map(async (eventId) => counters.admit(request({ eventId, totalMicro: credit }))),
    );
    const counts = Map.groupBy(outcomes(admissions), (outcome) => outcome);
    expect(counts.get("admitted")).toHaveLength(1);
    expect(counts.get("credits")).toHaveLength(999);
    expect(counts.size).toBe(2);
  });

  it("when only the over-estimates of open holds stand in the way, the same request may come again", async () => {
    const under = await start();
    const prices = { totalMicro: 10n * credit, holdMicro: 6n * credit, lowestMicro: credit };
    const admissions = await admitMany(under, 2, prices);
    expect(outcomes(admissions)).toEqual(["admitted", "credits-held"]);
    expect(retryAfterMs(admissions[1])).toBe(1_000);
    await under.counters.settle("event1", { ...usedOne, creditsMicro: 2n * credit });
    expect(outcomes(await admitMany(under, 1, prices, "again"))).toEqual(["admitted"]);
  });

  it("credits that are gone even at the lowest prices are no reason to wait", async () => {
    const under = await start();
    const prices = { totalMicro: 10n * credit, holdMicro: 6n * credit, lowestMicro: 5n * credit };
    expect(outcomes(await admitMany(under, 2, prices))).toEqual(["admitted", "credits"]);
  });

  it("a caller that can do with less gets a hold of what is left", async () => {
    const under = await start();
    const prices = {
      totalMicro: 10n * credit,
      holdMicro: 6n * credit,
      lowestMicro: credit,
      leastHoldMicro: 3n * credit,
    };
    const held = await admitMany(under, 3, prices);
    expect(held[0]).toMatchObject({ admitted: true, heldMicro: 6n * credit });
    expect(held[1]).toMatchObject({ admitted: true, heldMicro: 4n * credit });
    expect(outcomes(held)[2]).toBe("credits-held");
  });

  it("of the overdraft a charge may use what is reserved for it, and all charges together no more", async () => {
    const under = await start();
    const prices = { totalMicro: 4n * credit, overdraftMicro: 3n * credit, holdMicro: 2n * credit };
    const admissions = await admitMany(under, 2, prices);
    const most = admissions.map((one) => (one.admitted ? one.chargeMaxMicro : 0n));
    expect(most).toEqual([4n * credit, 3n * credit]);
  });

  it("a free request is admitted on an account without credits", async () => {
    const under = await start();
    const nothing = { totalMicro: 0n, holdMicro: 0n, lowestMicro: 0n };
    expect(outcomes(await admitMany(under, 1, nothing))).toEqual(["admitted"]);
  });

  it("admitting an open hold's id again gives the same hold and takes nothing", async () => {
    const under = await start();
    const [first] = await admitMany(under, 1);
    const [second] = await admitMany(under, 1);
    expect(second).toEqual(first);
    expect((await under.counters.usage("account", 5n * credit)).heldMicro).toBe(credit);
  });
}

function describeEnds(start: Start): void {
  it("a settled request shows in its tier at once, and used + remaining = total", async () => {
    const under = await start();
    await admitMany(under, 2);
    expect(await under.counters.settle("event1", usedOne)).toBe("settled");
    expect(await under.counters.usage("account", 5n * credit)).toMatchObject({
      usedByTierMicro: byTier({ mid: credit }),
      usedMicro: credit,
      remainingMicro: 4n * credit,
      totalMicro: 5n * credit,
      heldMicro: credit,
    });
  });

  it("settling twice counts once", async () => {
    const under = await start();
    await admitMany(under, 1);
    await under.counters.settle("event1", usedOne);
    expect(await under.counters.settle("event1", usedOne)).toBe("ignored");
    expect((await under.counters.usage("account", 5n * credit)).usedMicro).toBe(credit);
  });

  it("a released request costs nothing, released once or twice", async () => {
    const under = await start();
    await admitMany(under, 2);
    await under.counters.release("event1", free);
    await under.counters.release("event1", free);
    const usage = await under.counters.usage("account", 5n * credit);
    expect([usage.usedMicro, usage.heldMicro]).toEqual([0n, credit]);
  });

  it("what was released cannot be settled", async () => {
    const under = await start();
    await admitMany(under, 1);
    await under.counters.release("event1", free);
    expect(await under.counters.settle("event1", usedOne)).toBe("ignored");
    expect((await under.counters.usage("account", 5n * credit)).usedMicro).toBe(0n);
  });

  it("an id that was never admitted is ignored", async () => {
    const { counters } = await start();
    expect(await counters.settle("nobody", usedOne)).toBe("ignored");
    expect((await counters.usage("account", 5n * credit)).usedMicro).toBe(0n);
  });
}

function describeSweep(start: Start): void {
  it("a hold without a sign of life is swept after 30 seconds and blocks nobody", async () => {
    const under = await start();
    await admitMany(under, 1, { totalMicro: credit });
    await under.advance(29_000);
    expect(await under.counters.sweep()).toEqual([]);
    await under.advance(1_001);
    const [swept] = await under.counters.sweep();
    expect(swept).toMatchObject({
      eventId: "event1",
      accountId: "account",
      keyId: "key",
      periodId: "2026-04",
      heldMicro: credit,
    });
    expect(await under.counters.sweep()).toEqual([]);
    expect(outcomes(await admitMany(under, 1, { totalMicro: credit }, "next"))).toEqual([
      "admitted",
    ]);
  });

  it("a renewed hold lives on", async () => {
    const under = await start();
    await admitMany(under, 1);
    for (let round = 0; round < 10; round += 1) {
      await under.advance(10_000);
      await under.counters.renew([{ eventId: "event1", accountId: "account" }]);
      expect(await under.counters.sweep()).toEqual([]);
    }
    expect(await under.counters.settle("event1", usedOne)).toBe("settled");
  });

  it("a swept request that settles after all is counted, once", async () => {
    const under = await start();
    await admitMany(under, 1);
    await under.advance(31_000);
    await under.counters.sweep();
    expect(await under.counters.settle("event1", usedOne)).toBe("settled-late");
    expect(await under.counters.settle("event1", usedOne)).toBe("ignored");
    const usage = await under.counters.usage("account", 5n * credit);
    expect([usage.usedMicro, usage.heldMicro]).toEqual([credit, 0n]);
  });

  it("renewing a swept hold does not bring it back", async () => {
    const under = await start();
    await admitMany(under, 1);
    await under.advance(31_000);
    await under.counters.sweep();
    await under.counters.renew([{ eventId: "event1", accountId: "account" }]);
    expect((await under.counters.usage("account", 5n * credit)).heldMicro).toBe(0n);
  });
}

function describeConfirm(start: Start): void {
  it("confirmed sums replace the base, and exactly the ids they include leave pending", async () => {
    const under = await start();
    await admitMany(under, 2);
    await under.counters.settle("event1", usedOne);
    await under.counters.settle("event2", { ...usedOne, tier: "ultra" });
    const baseByTierMicro = byTier({ free: 7n, mid: credit });
    await under.counters.confirm(sums({ baseByTierMicro, includedIds: ["event1"] }));
    const usage = await under.counters.usage("account", 5n * credit);
    expect(usage.usedByTierMicro).toEqual(byTier({ free: 7n, mid: credit, ultra: credit }));
  });

  it("sums that come out of order never take the base back, yet their ids leave pending", async () => {
    const under = await start();
    await admitMany(under, 2);
    await under.counters.settle("event1", usedOne);
    await under.counters.settle("event2", usedOne);
    const both = sums({
      baseByTierMicro: byTier({ mid: 2n * credit }),
      includedIds: ["event2"],
      version: { epoch: 0, offset: 9 },
    });
    const older = sums({
      baseByTierMicro: byTier({ mid: credit }),
      includedIds: ["event1"],
      version: { epoch: 0, offset: 5 },
    });
    for (const one of [both, older, both, older]) await under.counters.confirm(one);
    const usage = await under.counters.usage("account", 5n * credit);
    expect(usage.usedByTierMicro).toEqual(byTier({ mid: 2n * credit }));
  });

  it("a new epoch of the log is later than any offset of the one before", async () => {
    const under = await start();
    await under.counters.usage("account", credit);
    const baseByTierMicro = byTier({ mid: 3n });
    await under.counters.confirm(sums({ version: { epoch: 0, offset: 1_000 } }));
    await under.counters.confirm(sums({ baseByTierMicro, version: { epoch: 1, offset: 0 } }));
    await under.counters.confirm(sums({ version: { epoch: 0, offset: 2_000 } }));
    const usage = await under.counters.usage("account", 5n * credit);
    expect(usage.usedByTierMicro).toEqual(baseByTierMicro);
  });

  it("a request that is confirmed before it settles is counted once", async () => {
    const under = await start();
    await admitMany(under, 1);
    const baseByTierMicro = byTier({ mid: credit });
    await under.counters.confirm(sums({ baseByTierMicro, includedIds: ["event1"] }));
    expect(await under.counters.settle("event1", usedOne)).toBe("ignored");
    const usage = await under.counters.usage("account", 5n * credit);
    expect([usage.usedMicro, usage.heldMicro]).toEqual([credit, 0n]);
  });

  it("a swept request that is confirmed before it settles is counted once", async () => {
    const under = await start();
    await admitMany(under, 1);
    await under.advance(31_000);
    await under.counters.sweep();
    const baseByTierMicro = byTier({ mid: credit });
    await under.counters.confirm(sums({ baseByTierMicro, includedIds: ["event1"] }));
    expect(await under.counters.settle("event1", usedOne)).toBe("ignored");
    expect((await under.counters.usage("account", 5n * credit)).usedMicro).toBe(credit);
  });

  it("credits given back by confirmed sums can be spent again", async () => {
    const under = await start();
    const one = { totalMicro: credit };
    await admitMany(under, 1, one);
    await under.counters.settle("event1", usedOne);
    expect(outcomes(await admitMany(under, 1, one, "poor"))).toEqual(["credits"]);
    await under.counters.confirm(sums({ includedIds: ["event1"] }));
    expect(outcomes(await admitMany(under, 1, one, "rich"))).toEqual(["admitted"]);
  });

  it("a first use starts from what is durable: the base, and the log behind it", async () => {
    const under = await start({
      baseByTierMicro: byTier({ budget: 2n * credit }),
      version: { epoch: 0, offset: 3 },
      pending: [{ eventId: "before", tier: "mid", creditsMicro: credit }],
    });
    expect(outcomes(await admitMany(under, 2, { totalMicro: 4n * credit }))).toEqual([
      "admitted",
      "credits",
    ]);
    const baseByTierMicro = byTier({ budget: 2n * credit, mid: credit });
    const includedIds = ["before"];
    const version = { epoch: 0, offset: 4 };
    await under.counters.confirm(sums({ baseByTierMicro, includedIds, version }));
    const usage = await under.counters.usage("account", 4n * credit);
    expect(usage.usedByTierMicro).toEqual(baseByTierMicro);
  });
}

function describeBudgets(start: Start): void {
  const key = { id: "key:one", limitMicro: 3n * credit };
  const tag = { id: "tag:two", limitMicro: 2n * credit };

  it("a budget that is used up refuses what counts against it, and nothing else", async () => {
    const { counters } = await start();
    for (const eventId of ["a", "b"]) {
      await counters.admit(request({ eventId, budgets: [key, tag] }));
      await counters.settle(eventId, usedOne);
    }
    const refused = await counters.admit(request({ eventId: "c", budgets: [key, tag] }));
    expect(refused).toMatchObject({ admitted: false, reason: "credits", budget: "tag:two" });
    expect(refused).toMatchObject({ scope: "account", retryAfterMs: undefined });
    const others = [[key], []].map((budgets, at) =>
      counters.admit(request({ eventId: `d${at}`, budgets })),
    );
    expect(outcomes(await Promise.all(others))).toEqual(["admitted", "admitted"]);
  });

  it("a refusal by one budget takes nothing of the account or of the others", async () => {
    const { counters } = await start();
    const empty = { id: "tag:empty", limitMicro: 0n };
    const refused = await counters.admit(request({ eventId: "a", budgets: [key, empty] }));
    expect(refused).toMatchObject({ reason: "credits", budget: "tag:empty" });
    for (const budgetId of [undefined, "key:one"]) {
      expect(await counters.usage("account", credit, budgetId)).toMatchObject({ heldMicro: 0n });
    }
  });

  it("of many requests at once for the last credit of a budget, one is admitted", async () => {
    const { counters } = await start();
    const last = { id: "tag:last", limitMicro: credit };
    const ids = Array.from({ length: 200 }, (_, at) => `e${at}`);
    const admissions = await Promise.all(
      ids.map(async (eventId) => counters.admit(request({ eventId, budgets: [last] }))),
    );
    expect(admissions.filter(({ admitted }) => admitted)).toHaveLength(1);
  });

  it("what open requests hold of a budget above their lowest price is worth a retry", async () => {
    const { counters } = await start();
    const asked = { holdMicro: 2n * credit, lowestMicro: credit, budgets: [key] };
    await counters.admit(request({ eventId: "a", ...asked }));
    const refused = await counters.admit(request({ eventId: "b", ...asked }));
    expect(refused).toMatchObject({ reason: "credits-held", budget: "key:one" });
    await counters.settle("a", usedOne);
    const admitted = await counters.admit(request({ eventId: "b", ...asked }));
    expect(admitted).toMatchObject({ admitted: true, heldMicro: 2n * credit });
  });

  it("a smaller hold fits the budget that has least", async () => {
    const { counters } = await start();
    const asked = { holdMicro: 9n * credit, lowestMicro: 0n, leastHoldMicro: credit };
    const admitted = await counters.admit(
      request({ eventId: "a", ...asked, budgets: [key, tag], overdraftMicro: 5n }),
    );
    expect(admitted).toMatchObject({ heldMicro: 2n * credit, chargeMaxMicro: 2n * credit + 5n });
  });

  it("an admission tells what of its budgets was used before it, and usage what is now", async () => {
    const { counters } = await start();
    await counters.admit(request({ eventId: "a", budgets: [tag] }));
    await counters.settle("a", usedOne);
    const admitted = await counters.admit(request({ eventId: "b", budgets: [key, tag] }));
    expect(admitted).toMatchObject({ budgetsUsedMicro: [0n, credit] });
    expect(await counters.usage("account", tag.limitMicro, "tag:two")).toMatchObject({
      usedMicro: credit,
      usedByTierMicro: byTier({ mid: credit }),
      remainingMicro: credit,
      heldMicro: credit,
    });
  });

  it("a released and a swept request give back what they held of budgets", async () => {
    const { counters, advance } = await start();
    await counters.admit(request({ eventId: "a", budgets: [key, tag] }));
    await counters.admit(request({ eventId: "b", budgets: [key, tag] }));
    await counters.release("a", free);
    await advance(30_001);
    await counters.sweep();
    for (const budgetId of ["key:one", "tag:two"]) {
      const usage = await counters.usage("account", credit, budgetId);
      expect(usage).toMatchObject({ usedMicro: 0n, heldMicro: 0n });
    }
    expect(await counters.settle("b", usedOne)).toBe("settled-late");
    expect(await counters.usage("account", credit, "tag:two")).toMatchObject({ usedMicro: credit });
  });

  it("a request whose budget is confirmed before it settles is counted once in budget and account", async () => {
    const { counters } = await start();
    await counters.admit(request({ eventId: "a", budgets: [key, tag] }));
    const included = { includedIds: ["a"], version: { epoch: 0, offset: 1 } };
    const one = { ...included, baseByTierMicro: byTier({ mid: credit }) };
    await counters.confirm(sums({ ...one, budgetId: "tag:two" }));
    expect(await counters.settle("a", usedOne)).toBe("settled");
    await counters.confirm(sums({ ...one, budgetId: "key:one" }));
    await counters.confirm(sums(one));
    for (const budgetId of [undefined, "key:one", "tag:two"]) {
      const usage = await counters.usage("account", 9n * credit, budgetId);
      expect(usage, budgetId).toMatchObject({ usedMicro: credit, heldMicro: 0n });
    }
  });

  it("a budget begins with what its key or tag has used before it was set", async () => {
    const base = {
      baseByTierMicro: byTier({ mid: credit }),
      version: { epoch: 0, offset: 3 },
      pending: [{ eventId: "z", tier: "free", creditsMicro: credit / 2n } as const],
    };
    const { counters } = await start(base);
    const [first, second] = await admitMany({ counters, advance() {} }, 2, { budgets: [tag] });
    expect(first).toMatchObject({ reason: "credits", budget: "tag:two" });
    expect(second).toMatchObject({ reason: "credits", budget: "tag:two" });
    const cheap = request({ eventId: "c", holdMicro: credit / 2n, budgets: [tag] });
    expect(await counters.admit(cheap)).toMatchObject({ admitted: true });
  });
}

function describePeriods(open: OpenCounters): void {
  it("a request belongs to the month in which it was admitted, however late it settles", async () => {
    const under = await open({ wallMs: Date.UTC(2026, 3, 30, 23, 59, 55) });
    const [admission] = await admitMany(under, 1);
    expect(admission).toMatchObject({ periodId: "2026-04" });
    await under.advance(10_000);
    const [next] = await admitMany(under, 1, {}, "next");
    expect(next).toMatchObject({ periodId: "2026-05" });
    await under.counters.settle("event1", usedOne);
    expect(await under.counters.usage("account", 5n * credit)).toMatchObject({
      periodId: "2026-05",
      periodStartMs: Date.UTC(2026, 4),
      periodEndMs: Date.UTC(2026, 5),
      usedMicro: 0n,
      heldMicro: credit,
    });
  });

  it("a new month begins with all of its credits", async () => {
    const under = await open({ wallMs: Date.UTC(2026, 11, 31, 23, 59, 50) });
    const one = { totalMicro: credit };
    expect(outcomes(await admitMany(under, 2, one))).toEqual(["admitted", "credits"]);
    await under.advance(10_000);
    const [next] = await admitMany(under, 1, one, "next");
    expect(next).toMatchObject({ admitted: true, periodId: "2027-01" });
  });
}
