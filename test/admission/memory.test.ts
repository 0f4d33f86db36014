import { describe, expect, it } from "vitest";
import type { LoadBase, LoadedBase } from "../../src/admission/counters.ts";
import { MemoryCounters } from "../../src/admission/memory.ts";
import { describeCounters } from "../contracts/counters.ts";
import { ManualClock } from "./manual-clock.ts";
import { atOnce, byTier, credit, emptyBase, request, wideLimits } from "./requests.ts";

describeCounters("memory", ({ wallMs, base = emptyBase }) => {
  const clock = new ManualClock(wallMs);
  // The base is one month's: the others are empty.
  const firstPeriod = new Date(wallMs).toISOString().slice(0, 7);
  const loadBase: LoadBase = (_, periodId) => (periodId === firstPeriod ? base : emptyBase);
  const counters = new MemoryCounters({ clock, loadBase });
  return { counters, advance: (ms) => clock.advance(ms) };
});

describe("an account that is not in memory", () => {
  /** Counters whose loads wait until the test answers them. */
  function openWaiting() {
    const clock = new ManualClock();
    const loads: { periodId: string; done: PromiseWithResolvers<LoadedBase> }[] = [];
    const loadBase: LoadBase = (_, periodId) => {
      const done = Promise.withResolvers<LoadedBase>();
      loads.push({ periodId, done });
      return done.promise;
    };
    return { clock, loads, counters: new MemoryCounters({ clock, loadBase }) };
  }

  it("is read once, and the requests that wait for it are all decided", async () => {
    const { counters, loads } = openWaiting();
    const admissions = [1, 2, 3].map((number) =>
      counters.admit(request({ eventId: `e${number}`, totalMicro: 2n * credit })),
    );
    expect(loads).toHaveLength(1);
    loads[0]?.done.resolve({ ...emptyBase, baseByTierMicro: byTier({ mid: credit }) });
    expect((await Promise.all(admissions)).map(({ admitted }) => admitted)).toEqual([
      true,
      false,
      false,
    ]);
  });

  it("does not miss what is confirmed while it is being read", async () => {
    const { counters, loads } = openWaiting();
    const usage = counters.usage("account", 9n * credit);
    const after = byTier({ mid: 5n });
    await counters.confirm({
      accountId: "account",
      periodId: "2026-04",
      baseByTierMicro: after,
      includedIds: ["old"],
      version: { epoch: 0, offset: 7 },
    });
    loads[0]?.done.resolve({
      ...emptyBase,
      pending: [{ eventId: "old", tier: "mid", creditsMicro: 5n }],
    });
    expect((await usage).usedByTierMicro).toEqual(after);
  });

  it("is read anew after a reading that failed, which the waiting requests are told", async () => {
    const { counters, loads } = openWaiting();
    const first = counters.admit(request({ eventId: "a" }));
    loads[0]?.done.reject(new Error("disk"));
    await expect(first).rejects.toThrow("disk");
    const second = counters.admit(request({ eventId: "b" }));
    loads[1]?.done.resolve(emptyBase);
    expect(await second).toMatchObject({ admitted: true });
  });

  it("is read for the new month when the month ends meanwhile", async () => {
    const { clock, counters, loads } = openWaiting();
    clock.jump(Date.UTC(2026, 3, 30, 23, 59, 59) - clock.wallMs());
    const admission = counters.admit(request({ eventId: "a" }));
    clock.advance(2_000);
    loads[0]?.done.resolve(emptyBase);
    await Promise.resolve().then(() => undefined);
    await Promise.resolve().then(() => undefined);
    expect(loads.map(({ periodId }) => periodId)).toEqual(["2026-04", "2026-05"]);
    loads[1]?.done.resolve(emptyBase);
    expect(await admission).toMatchObject({ admitted: true, periodId: "2026-05" });
  });
});

describe("a restart", () => {
  it("gives back no place in the windows that was taken before", () => {
    const clock = new ManualClock();
    const nowMs = clock.wallMs();
    const requests = [50_000, 20_000].map((agoMs) => ({
      keyId: "key",
      admittedAtMs: nowMs - agoMs,
      tokens: 400,
    }));
    const traffic = { requests, todayByKey: new Map([["key", 7]]) };
    const counters = new MemoryCounters({ clock, loadBase: () => ({ ...emptyBase, traffic }) });
    const limits = { requestsPerMinute: 3, requestsPerDay: 9, tokensPerMinute: 1_000 };
    const first = atOnce(counters.admit(request({ eventId: "a", limits, tokens: 200 })));
    expect(first).toMatchObject({ admitted: true });
    const second = counters.admit(request({ eventId: "b", limits, tokens: 200 }));
    expect(second).toMatchObject({
      admitted: false,
      rate: {
        "requests-minute": { remaining: 0 },
        "requests-day": { remaining: 1 },
        "tokens-minute": { remaining: 0 },
      },
    });
    clock.advance(11_000);
    expect(counters.admit(request({ eventId: "c", limits, tokens: 200 }))).toMatchObject({
      admitted: true,
    });
  });
});

describe("accounts in memory", () => {
  function openCounting(accountsMax: number) {
    const clock = new ManualClock();
    const loaded: string[] = [];
    const loadBase: LoadBase = (accountId) => {
      loaded.push(accountId);
      return emptyBase;
    };
    return { clock, loaded, counters: new MemoryCounters({ clock, loadBase, accountsMax }) };
  }

  it("are dropped when there are too many and nothing of them is open", () => {
    const { clock, counters, loaded } = openCounting(2);
    for (const accountId of ["a", "b"]) {
      atOnce(counters.admit(request({ eventId: accountId, accountId })));
      counters.release(accountId, { accountId, tokens: 0 });
    }
    clock.advance(61_000);
    atOnce(counters.usage("c", credit));
    atOnce(counters.usage("b", credit));
    expect(loaded).toEqual(["a", "b", "c"]);
    atOnce(counters.usage("a", credit));
    expect(loaded).toEqual(["a", "b", "c", "a"]);
  });

  it("stay while a hold, pending usage or a place in a rolling minute is theirs", () => {
    const { clock, counters, loaded } = openCounting(1);
    atOnce(counters.admit(request({ eventId: "held", accountId: "held" })));
    atOnce(counters.admit(request({ eventId: "pending", accountId: "pending" })));
    const tokens = 1;
    const settlement = { accountId: "pending", tier: "mid", creditsMicro: credit, tokens } as const;
    counters.settle("pending", settlement);
    clock.advance(60_000);
    atOnce(counters.admit(request({ eventId: "busy", accountId: "busy" })));
    counters.release("busy", { accountId: "busy", tokens });
    for (const accountId of ["x", "y", "held", "pending", "busy"]) {
      atOnce(counters.usage(accountId, credit));
    }
    expect(loaded).toEqual(["held", "pending", "busy", "x", "y"]);
  });

  it("keep the day's count of requests when they are dropped", () => {
    const { clock, counters, loaded } = openCounting(1);
    const limits = { ...wideLimits, requestsPerDay: 1 };
    atOnce(counters.admit(request({ eventId: "a", limits })));
    counters.release("a", { accountId: "account", tokens: 0 });
    clock.advance(61_000);
    atOnce(counters.usage("other", credit));
    expect(counters.admit(request({ eventId: "b", limits }))).toMatchObject({
      reason: "requests-day",
    });
    expect(loaded).toEqual(["account", "other", "account"]);
  });
});

describe("a wall clock that jumps", () => {
  it.each([-3_600_000, 3_600_000])("by %d ms moves no rolling minute", (jumpMs) => {
    const clock = new ManualClock();
    const counters = new MemoryCounters({ clock, loadBase: () => emptyBase });
    const limits = { ...wideLimits, requestsPerMinute: 1 };
    atOnce(counters.admit(request({ eventId: "a", limits })));
    clock.jump(jumpMs);
    expect(counters.admit(request({ eventId: "b", limits }))).toMatchObject({
      reason: "requests-minute",
      retryAfterMs: 60_000,
    });
  });
});

describe("a request", () => {
  it("that ends under another account is a broken invariant", () => {
    const counters = new MemoryCounters({
      clock: new ManualClock(),
      loadBase: () => emptyBase,
    });
    atOnce(counters.admit(request({ eventId: "a" })));
    expect(() => counters.release("a", { accountId: "other", tokens: 0 })).toThrow(
      "another account",
    );
  });
});
