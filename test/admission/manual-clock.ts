/** A clock that stands still until its test moves it. */
import type { Clock } from "../../src/platform/clock.ts";

/** Both clocks move together; the wall's can also jump. */
export class ManualClock implements Clock {
  #wallMs: number;
  #monotonicMs = 5_000_123;

  constructor(wallMs: number = Date.UTC(2026, 3, 10, 12, 0, 0, 250)) {
    this.#wallMs = wallMs;
  }

  wallMs(): number {
    return this.#wallMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  /** Lets time pass. */
  advance(ms: number): void {
    this.#monotonicMs += ms;
    this.#wallMs += ms;
  }

  /** Sets the wall's clock, forward or back. */
  jump(ms: number): void {
    this.#wallMs += ms;
  }
}
