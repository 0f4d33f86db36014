// Tells shared counters that are slow from those that are busy, and how long a request waits for them.
import { within } from "../platform/within.ts";

/** How patient a gateway is, milliseconds. */
export type Patience = {
  /**
   * Questions wait and none is answered for so long: the store is slow. Default 60: a busy one answers a thousand
   * questions one after the other, and a round trip takes less than 1.
   */
  readonly silenceMs: number;
  /** How long a request waits while it is slow. Default 25, twice a request, at its admission and at its end. */
  readonly slowWaitMs: number;
  /** It is quick again when the questions of each second were answered in so long, twice. Default 30. */
  readonly quickMs: number;
};

const patienceDefault: Patience = { silenceMs: 60, slowWaitMs: 25, quickMs: 30 };
/** One quick answer says little. */
const quickTicksMin = 2;

/** The answer has not come in the time that a request waits for it. It still comes, or fails. */
export const late = Symbol("late");

/** Whether a store is slow. */
export class Pace {
  readonly #silentMs: () => number;
  readonly #patience: Patience;
  #isSlow = false;
  #quickTicks = 0;

  /** `silentMs`: for how long questions have waited and none was answered. */
  constructor(silentMs: () => number, patience: Patience = patienceDefault) {
    this.#silentMs = silentMs;
    this.#patience = patience;
  }

  get isSlow(): boolean {
    return this.#isSlow;
  }

  /** The answer, or `late` as soon as it takes longer than a request waits: never while the store is only busy. */
  async inTime<Answer>(answer: Promise<Answer>): Promise<Answer | typeof late> {
    const { silenceMs, slowWaitMs } = this.#patience;
    const answered = answer.then((value) => ({ value }));
    // Ends with the answer, which has a deadline of its own.
    for (;;) {
      const soon = await within(this.#isSlow ? slowWaitMs : silenceMs, answered);
      if (soon !== undefined) return soon.value;
      if (this.#silentMs() >= silenceMs) this.#slow();
      if (this.#isSlow) return late;
    }
  }

  /** To be called every second, with the milliseconds that the newest answer took. */
  tick(roundTripMs: number): void {
    if (!this.#isSlow) return;
    this.#quickTicks = roundTripMs <= this.#patience.quickMs ? this.#quickTicks + 1 : 0;
    if (this.#quickTicks >= quickTicksMin) this.#isSlow = false;
  }

  #slow(): void {
    this.#isSlow = true;
    this.#quickTicks = 0;
  }
}
