// The three windows of one account or one key.
import type { WindowName, WindowState } from "./counters.ts";
import type { DayCounts } from "./day-counts.ts";
import { MinuteLog } from "./minute-log.ts";

/** An instant on both clocks, read once for each operation. */
export type Instant = { readonly monotonicMs: number; readonly wallMs: number };

/** Up to so many requests a minute each has its own stamp: 16 kB an account at most. */
const exactLimitMax = 1_000;
/** Above, requests share slices of so many milliseconds: 48 kB at most, 99 % of what stamps would admit. */
const sliceMs = 20;

/** The windows of one id. Minutes run on the monotonic clock, days on the wall's. */
export class Windows {
  readonly #id: string;
  readonly #days: DayCounts;
  readonly #requests = new MinuteLog();
  readonly #tokens = new MinuteLog();

  constructor(id: string, days: DayCounts) {
    this.#id = id;
    this.#days = days;
  }

  /** Milliseconds until one request with so many tokens fits into a window. */
  waitMs(name: WindowName, now: Instant, limit: number, tokens: number): number {
    switch (name) {
      case "requests-minute":
        return this.#requests.waitMs(now.monotonicMs, 1, limit);
      case "requests-day":
        return this.#days.waitMs(now.wallMs, this.#id, limit);
      case "tokens-minute":
        return this.#tokens.waitMs(now.monotonicMs, tokens, limit);
    }
  }

  /** Takes the places of one request at an instant of the monotonic clock. */
  take(takenAtMs: number, requestsPerMinute: number | undefined, tokens: number): void {
    const slice = (requestsPerMinute ?? 0) > exactLimitMax ? sliceMs : 0;
    this.#requests.add(takenAtMs, 1, slice);
    this.#tokens.add(takenAtMs, tokens, slice);
  }

  /** Takes a place in the UTC day. */
  takeOfDay(wallMs: number): void {
    this.#days.add(wallMs, this.#id);
  }

  /** Changes the tokens that a request took at an instant of the monotonic clock. */
  correctTokens(now: Instant, takenAtMs: number, difference: number): void {
    this.#tokens.correct(now.monotonicMs, takenAtMs, difference);
  }

  /** The state of one window under a limit. */
  state(name: WindowName, now: Instant, limit: number): WindowState {
    switch (name) {
      case "requests-minute":
        return toState(limit, this.#requests, now.monotonicMs);
      case "requests-day":
        return {
          limit,
          remaining: Math.max(0, limit - this.#days.used(now.wallMs, this.#id)),
          resetAfterMs: this.#days.resetAfterMs(now.wallMs, this.#id),
        };
      case "tokens-minute":
        return toState(limit, this.#tokens, now.monotonicMs);
    }
  }
}

function toState(limit: number, window: MinuteLog, nowMs: number): WindowState {
  const remaining = Math.max(0, limit - window.used(nowMs));
  return { limit, remaining, resetAfterMs: window.resetAfterMs(nowMs) };
}
