import { describe, expect, it } from "vitest";
import { DayCounts } from "../../src/admission/day-counts.ts";
import { MinuteLog } from "../../src/admission/minute-log.ts";
import { Windows } from "../../src/admission/windows.ts";
import { arrivals, createRandom, trafficKinds, worstMinute } from "./traffic.ts";

type Taken = { atMs: number; amount: number };

/** What an exact log of amounts would admit of the same arrivals. */
function exactly(arriving: readonly Taken[], limit: number): number {
  const kept: Taken[] = [];
  let oldest = 0;
  let sum = 0;
  let admitted = 0;
  for (const one of arriving) {
    for (let first = kept[oldest]; first && first.atMs <= one.atMs - 60_000; first = kept[oldest]) {
      sum -= first.amount;
      oldest += 1;
    }
    if (sum + one.amount > limit) continue;
    kept.push(one);
    sum += one.amount;
    admitted += one.amount;
  }
  return admitted;
}

function sumOf(taken: readonly Taken[]): number {
  return taken.reduce((sum, { amount }) => sum + amount, 0);
}

type Table = { kind: string; limit: number; load: number; arriving: Taken[] };

/** Two seeds of each kind of traffic at half, at and above the limit. */
function tables(limits: readonly number[]): Table[] {
  return trafficKinds.flatMap((kind) =>
    limits.flatMap((limit) =>
      [0.5, 1, 3].map((load): Table => {
        const times = [1, 2].flatMap((seed) =>
          arrivals(kind, limit * load, 5, createRandom(seed)).map((at) => at + seed * 3_600_000),
        );
        return { kind, limit, load, arriving: times.map((atMs) => ({ atMs, amount: 1 })) };
      }),
    ),
  );
}

/** What the windows of one account admit of some arrivals. */
function admit(
  arriving: readonly Taken[],
  name: "requests-minute" | "tokens-minute",
  limit: number,
) {
  const windows = new Windows("a", new DayCounts());
  const requestsPerMinute = name === "requests-minute" ? limit : limit / 1_000;
  return arriving.filter(({ atMs, amount }) => {
    const now = { monotonicMs: atMs, wallMs: atMs };
    if (windows.waitMs(name, now, limit, amount) > 0) return false;
    windows.take(atMs, requestsPerMinute, amount);
    return true;
  });
}

function withTokens(arriving: readonly Taken[]): Taken[] {
  const random = createRandom(arriving.length);
  return arriving.map(({ atMs }) => ({ atMs, amount: Math.floor(random() * 2_000) }));
}

describe("requests in a rolling minute", () => {
  it.each(tables([10, 60, 300, 1_000]))(
    "$kind traffic at a limit of $limit and $load times that: what an exact log admits",
    ({ limit, arriving }) => {
      const taken = admit(arriving, "requests-minute", limit);
      expect(worstMinute(taken)).toBeLessThanOrEqual(limit);
      expect(taken).toHaveLength(exactly(arriving, limit));
    },
  );

  it.each(tables([1_500, 6_000]))(
    "$kind traffic at a limit of $limit and $load times that: never over, 98 % of an exact log",
    ({ limit, arriving }) => {
      const taken = admit(arriving, "requests-minute", limit);
      expect(worstMinute(taken)).toBeLessThanOrEqual(limit);
      expect(taken.length).toBeGreaterThanOrEqual(0.98 * exactly(arriving, limit));
    },
  );
});

describe("tokens in a rolling minute", () => {
  it.each(tables([10, 300, 1_000]))(
    "$kind traffic, $limit requests' worth a minute, $load times that: what an exact log admits",
    ({ limit, arriving }) => {
      const sized = withTokens(arriving);
      const taken = admit(sized, "tokens-minute", limit * 1_000);
      expect(worstMinute(taken)).toBeLessThanOrEqual(limit * 1_000);
      expect(sumOf(taken)).toBe(exactly(sized, limit * 1_000));
    },
  );

  it.each(tables([1_500, 6_000]))(
    "$kind traffic, $limit requests' worth a minute, $load times that: never over, 98 % of an exact log",
    ({ limit, arriving }) => {
      const sized = withTokens(arriving);
      const taken = admit(sized, "tokens-minute", limit * 1_000);
      expect(worstMinute(taken)).toBeLessThanOrEqual(limit * 1_000);
      expect(sumOf(taken)).toBeGreaterThanOrEqual(0.98 * exactly(sized, limit * 1_000));
    },
  );
});

describe("a rolling minute", () => {
  it("that is corrected never counts less than 0", () => {
    const log = new MinuteLog();
    log.add(500, 100, 0);
    log.correct(500, 500, -150);
    expect(log.used(500)).toBe(0);
  });

  it("is corrected where the amount was taken, in slices too", () => {
    const log = new MinuteLog();
    for (const atMs of [0, 7, 25, 40, 41]) log.add(atMs, 10, 20);
    log.correct(50, 25, 5);
    expect(log.used(60_039)).toBe(35);
    expect(log.used(60_040)).toBe(10);
  });

  it("is not corrected after a minute, when others stand in its place", () => {
    const log = new MinuteLog();
    log.add(0, 10, 0);
    log.add(59_000, 10, 0);
    log.correct(60_000, 0, -5);
    expect(log.used(60_000)).toBe(10);
  });

  it("keeps what was taken when its slices change", () => {
    const log = new MinuteLog();
    for (let atMs = 0; atMs < 100; atMs += 1) log.add(atMs, 1, atMs < 50 ? 20 : 0);
    expect(log.used(100)).toBe(100);
    expect(log.waitMs(100, 1, 100)).toBe(60_000 - 100);
    expect(log.used(60_060)).toBe(39);
  });

  it("knows that an amount above the limit has to wait for nothing but an empty log", () => {
    const log = new MinuteLog();
    expect(log.waitMs(0, 11, 10)).toBe(60_000);
    log.add(10, 5, 0);
    expect(log.waitMs(20, 11, 10)).toBe(59_990);
  });
});
