/** Arrival times of requests: the kinds of traffic on which limiters go wrong. */

/** A seeded source of numbers from 0 up to 1 (mulberry32). */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** The kinds of traffic: each gives whole milliseconds in order, for some minutes at a mean rate. */
export const trafficKinds = ["poisson", "edge", "burst"] as const;

/** Arrival times over `minutes`, on average `perMinute`. */
export function arrivals(
  kind: (typeof trafficKinds)[number],
  perMinute: number,
  minutes: number,
  random: () => number,
): number[] {
  const count = Math.round(perMinute * minutes);
  const spanMs = minutes * 60_000;
  const times = Array.from({ length: count }, () => {
    const at = random() * spanMs;
    if (kind === "poisson") return at;
    // Edge: all within half a second of a minute's edge. Burst: all within 2 of every 20 seconds.
    const [everyMs, widthMs] = kind === "edge" ? [60_000, 1_000] : [20_000, 2_000];
    return Math.floor(at / everyMs) * everyMs + everyMs - widthMs / 2 + random() * widthMs;
  });
  return times.map(Math.floor).toSorted((a, b) => a - b);
}

/** The largest sum of amounts within any half-open 60 seconds. */
export function worstMinute(taken: readonly { readonly atMs: number; readonly amount: number }[]) {
  let worst = 0;
  let sum = 0;
  let oldest = 0;
  for (const { atMs, amount } of taken) {
    sum += amount;
    for (let first = taken[oldest]; first && first.atMs <= atMs - 60_000; first = taken[oldest]) {
      sum -= first.amount;
      oldest += 1;
    }
    worst = Math.max(worst, sum);
  }
  return worst;
}
