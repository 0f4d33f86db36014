// Records that wait for a commit: ends at once, holds once they have waited for theirs.
import type { UsageEvent } from "../gen/optamil/v1/event_pb.ts";
import { toEventIdText } from "./event.ts";

/** A record that waits for its commit, and whom to tell of it. */
export type Waiting = {
  readonly kind: "hold" | "append";
  readonly eventId: string;
  readonly event: UsageEvent;
  /** The hold that this end came in time for: it is not written, and told of the same commit. */
  readonly hold: HeldBack | undefined;
  resolve(): void;
  reject(reason: unknown): void;
};

/** A hold, and when it came: in ticks of the queue. */
type HeldBack = Waiting & { readonly tick: number };

/** Events that share one commit: enough to be quick, few enough for a small first answer. */
const roundEventsMax = 1_000;
/** Between a half and the whole of the delay: a tick may come right after a hold. */
const ticksPerHold = 2;

/** The queue of one log. */
export class CommitQueue {
  readonly #tickMs: number;
  readonly #onDue: () => void;
  #ends: Waiting[] = [];
  /** Oldest first, by event id. */
  readonly #holds = new Map<string, HeldBack>();
  /** Goes on while holds wait; one that has seen two ticks is written. */
  #tick = 0;
  #ticker: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param holdDelayMs how long a hold waits for the end of its request
   * @param onDue called when there may be something to take: in the turn of an end, and after the delay of a hold
   */
  constructor(holdDelayMs: number, onDue: () => void) {
    this.#tickMs = holdDelayMs / ticksPerHold;
    this.#onDue = onDue;
  }

  /** Records that wait. */
  get size(): number {
    return this.#ends.length + this.#holds.size;
  }

  /** Adds a hold; resolves when it is written, or its end is. */
  hold(event: UsageEvent): Promise<void> {
    return new Promise((resolve, reject) => {
      const eventId = toEventIdText(event.eventId);
      const tick = this.#tick;
      const held = {
        kind: "hold",
        eventId,
        event,
        hold: undefined,
        resolve,
        reject,
        tick,
      } as const;
      this.#holds.set(eventId, held);
      this.#awaitTick();
    });
  }

  /** Adds the end of a request, or an event without a hold. */
  append(event: UsageEvent): Promise<void> {
    return new Promise((resolve, reject) => {
      const eventId = toEventIdText(event.eventId);
      const hold = this.#holds.get(eventId);
      if (hold !== undefined) this.#holds.delete(eventId);
      this.#ends.push({ kind: "append", eventId, event, hold, resolve, reject });
      this.#onDue();
    });
  }

  /** Makes all holds due. */
  hurry(): void {
    if (this.#holds.size === 0) return;
    this.#tick += ticksPerHold;
    this.#onDue();
  }

  /** Takes what one commit is to write: the ends, and the holds that have waited long enough for theirs. */
  take(): readonly Waiting[] {
    const round = this.#ends.splice(0, roundEventsMax);
    for (const [eventId, hold] of this.#holds) {
      if (this.#tick - hold.tick < ticksPerHold || round.length >= roundEventsMax) break;
      this.#holds.delete(eventId);
      round.push(hold);
    }
    return round;
  }

  /** Fails all that wait. */
  fail(reason: unknown): void {
    for (const one of [...this.#ends, ...this.#holds.values()]) tellFailed(one, reason);
    this.#ends = [];
    this.#holds.clear();
  }

  /** Ends the timer; what waits is taken before. */
  close(): void {
    clearTimeout(this.#ticker);
  }

  #awaitTick(): void {
    this.#ticker ??= setTimeout(() => {
      this.#ticker = undefined;
      this.#tick++;
      if (this.#holds.size === 0) return;
      this.#onDue();
      this.#awaitTick();
    }, this.#tickMs);
  }
}

/** Tells who waits for a record that it is on disk. */
export function tellDone({ hold, resolve }: Waiting): void {
  hold?.resolve();
  resolve();
}

/** Tells who waits for a record that it is not. */
export function tellFailed({ hold, reject }: Waiting, reason: unknown): void {
  hold?.reject(reason);
  reject(reason);
}
