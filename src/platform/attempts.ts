// Counts what each of many strangers tries in a minute, in bounded memory.
import type { Clock } from "./clock.ts";

/** How attempts are counted. */
export type AttemptsOptions = {
  /** Attempts of one id in a minute, which begins with its first one; 1 or more. */
  readonly perMinuteMax: number;
  readonly clock: Pick<Clock, "monotonicMs">;
  /** Ids that are known at once; beyond it the oldest go. Default 10,000: about 2 MB. */
  readonly idsMax?: number | undefined;
};

type Minute = { count: number; readonly endsAtMs: number };

const minuteMs = 60_000;

/** The attempts by id. */
export class Attempts {
  readonly #options: AttemptsOptions;
  readonly #minutes = new Map<string, Minute>();

  constructor(options: AttemptsOptions) {
    this.#options = options;
  }

  /** Milliseconds until an id may try again; 0: it may now. */
  waitMs(id: string): number {
    const minute = this.#minuteOf(id);
    if (minute === undefined || minute.count < this.#options.perMinuteMax) return 0;
    return minute.endsAtMs - this.#options.clock.monotonicMs();
  }

  /** Counts an attempt. */
  note(id: string): void {
    const minute = this.#minuteOf(id);
    if (minute !== undefined) {
      minute.count += 1;
      return;
    }
    const { clock, idsMax = 10_000 } = this.#options;
    for (const oldest of this.#minutes.keys()) {
      if (this.#minutes.size < idsMax) break;
      this.#minutes.delete(oldest);
    }
    this.#minutes.set(id, { count: 1, endsAtMs: clock.monotonicMs() + minuteMs });
  }

  #minuteOf(id: string): Minute | undefined {
    const minute = this.#minutes.get(id);
    if (minute === undefined || this.#options.clock.monotonicMs() < minute.endsAtMs) return minute;
    this.#minutes.delete(id);
    return undefined;
  }
}
