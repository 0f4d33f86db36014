// Billing periods: calendar months in UTC.

/** One period, half open. */
export type Period = {
  /** "2026-04". */
  readonly id: string;
  /** Unix milliseconds. */
  readonly startMs: number;
  /** Unix milliseconds, the start of the next period. */
  readonly endMs: number;
};

/** The period of an instant in Unix milliseconds. */
export function periodAt(wallMs: number): Period {
  const at = new Date(wallMs);
  const year = at.getUTCFullYear();
  const month = at.getUTCMonth();
  return {
    id: `${year}-${String(month + 1).padStart(2, "0")}`,
    startMs: Date.UTC(year, month),
    endMs: Date.UTC(year, month + 1),
  };
}

/** `periodAt` that remembers its last answer, for the hot path. */
export function createPeriodFinder(): (wallMs: number) => Period {
  let last = periodAt(0);
  return (wallMs) => {
    if (wallMs < last.startMs || wallMs >= last.endMs) last = periodAt(wallMs);
    return last;
  };
}
