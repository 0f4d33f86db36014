// What will be used by the end of a period, if it goes on as it began.

/** A day: before that the pace says nothing. */
const leastMs = 86_400_000;

/** A period and what is used of it; times in Unix milliseconds, amounts in micro-credits. */
export type Pace = {
  readonly usedMicro: bigint;
  readonly start: number;
  /** The first moment after the period. */
  readonly end: number;
  readonly now: number;
};

/**
 * Micro-credits used by the period's end at the pace of the period so far, in whole credits; undefined in its first day, where
 * nothing is used, and after its end.
 */
export function forecastMicro({ usedMicro, start, end, now }: Pace): bigint | undefined {
  const passed = now - start;
  if (usedMicro <= 0n || passed < leastMs || now >= end) return undefined;
  const micro = (usedMicro * BigInt(end - start)) / BigInt(passed);
  const whole = ((micro + 500_000n) / 1_000_000n) * 1_000_000n;
  return whole > usedMicro ? whole : usedMicro;
}
