// Keeps analytics from everything else: few questions at a time, few that wait, and none for long.
import { type Clock, systemClock } from "../platform/clock.ts";
import { OptamilError } from "../platform/errors.ts";
import { within } from "../platform/within.ts";
import type { AnalyticsWarehouse } from "./analytics.ts";

/** Bounds of the room. */
export type AnalyticsRoomOptions = {
  /** Questions that are answered at a time. Default 1: the embedded warehouse takes no more. */
  readonly runningMax?: number | undefined;
  /** Questions that wait. Default 32: what two dashboards ask at once. */
  readonly waitingMax?: number | undefined;
  /** Milliseconds until an answer is given up, the wait included. Default 10,000. */
  readonly timeoutMs?: number | undefined;
  /** Part of the time, up to 1, in which questions are answered when they come without a pause. Default 1: always. */
  readonly share?: number | undefined;
  /** Milliseconds of answering beyond that part before there are rests. Default 1,000: a page of charts. */
  readonly burstMs?: number | undefined;
  readonly clock?: Pick<Clock, "monotonicMs"> | undefined;
};

/** Asks when it is one's turn; throws `service_unavailable` beyond the bounds. */
export type Room = <Found>(ask: () => Promise<Found>) => Promise<Found>;

/** A room with bounds of its own. */
export function openRoom(options: AnalyticsRoomOptions): Room {
  const { timeoutMs = 10_000, clock = systemClock } = options;
  const turns = new Turns(options);
  const rests = new Rests(options);
  return async (ask) => {
    const endMs = performance.now() + timeoutMs;
    await turns.take(endMs);
    const startMs = clock.monotonicMs();
    const asking = ask().finally(() => {
      const restMs = rests.after(startMs, clock.monotonicMs());
      if (restMs <= 0) turns.giveBack();
      else setTimeout(() => turns.giveBack(), restMs).unref();
    });
    const answer = await within(
      endMs - performance.now(),
      asking.then((found) => ({ found })),
    );
    if (answer === undefined) throw busy();
    return answer.found;
  };
}

/**
 * The warehouse behind bounds; throws `service_unavailable` beyond them. A question that is given up goes on until the
 * warehouse's own bound ends it, and keeps its place among the running ones till then. Who asks for the same figures while
 * they are waited for gets the same answer.
 */
export function boundAnalytics(
  warehouse: AnalyticsWarehouse,
  options: AnalyticsRoomOptions = {},
): AnalyticsWarehouse {
  const run = openRoom(options);
  const asked = new Map<string, ReturnType<AnalyticsWarehouse["figures"]>>();
  return {
    figures(question) {
      const name = JSON.stringify(question);
      const answer =
        asked.get(name) ?? run(() => warehouse.figures(question)).finally(() => asked.delete(name));
      asked.set(name, answer);
      return answer;
    },
    requests: (question) => run(() => warehouse.requests(question)),
    request: (accountId, requestId) => run(() => warehouse.request(accountId, requestId)),
    savings: (question) => run(() => warehouse.savings(question)),
  };
}

/** Who may go on, and who waits, in their order. */
class Turns {
  readonly #runningMax: number;
  readonly #waitingMax: number;
  readonly #waiting = new Set<() => void>();
  #running = 0;

  constructor({ runningMax = 1, waitingMax = 32 }: AnalyticsRoomOptions) {
    this.#runningMax = runningMax;
    this.#waitingMax = waitingMax;
  }

  /** Resolves when it is one's turn; throws where that takes too long. */
  async take(endMs: number): Promise<void> {
    if (this.#running < this.#runningMax) {
      this.#running++;
      return;
    }
    if (this.#waiting.size >= this.#waitingMax) throw busy();
    const { promise, resolve } = Promise.withResolvers<true>();
    const turn = () => resolve(true);
    this.#waiting.add(turn);
    if (await within(endMs - performance.now(), promise)) return;
    // The turn may have come in the very moment: then it is given back.
    if (!this.#waiting.delete(turn)) this.giveBack();
    throw busy();
  }

  giveBack(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#running--;
      return;
    }
    this.#waiting.delete(next);
    next();
  }
}

/** How long there is to be a rest after a question, so that the rests come to their part of the time. */
class Rests {
  readonly #share: number;
  readonly #burstMs: number;
  /** Milliseconds of answering beyond the share, up to the time after it. */
  #aheadMs = 0;
  #atMs = 0;

  constructor({ share = 1, burstMs = 1_000 }: AnalyticsRoomOptions) {
    this.#share = share;
    this.#burstMs = burstMs;
  }

  /** Milliseconds to rest after a question that was answered between the two times. */
  after(startMs: number, endMs: number): number {
    if (this.#share >= 1) return 0;
    const restedMs = Math.max(0, startMs - this.#atMs);
    this.#aheadMs = Math.max(0, this.#aheadMs - restedMs * this.#share);
    this.#aheadMs += (endMs - startMs) * (1 - this.#share);
    this.#atMs = endMs;
    return (this.#aheadMs - this.#burstMs) / this.#share;
  }
}

function busy(): OptamilError {
  const message = "Too many questions about usage are being answered: try again later.";
  return new OptamilError("service_unavailable", message, { retryAfterMs: 2_000 });
}
