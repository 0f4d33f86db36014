// What a gateway knows of its own requests, to hand in when the shared counters have lost them.
import type { Settlement } from "./counters.ts";
import type { KnownRequest } from "./shared-counters.ts";

/** One request of this gateway. */
export type Entry = {
  readonly request: KnownRequest;
  /** Its end was free: only its hold is to go. */
  readonly isReleased: boolean;
  /** The shared counters have said that they know its present state. */
  readonly isKnown: boolean;
  /** Monotonic milliseconds of its last change. */
  readonly changedAtMs: number;
};

/** Settled requests kept; more would have to be confirmed later than 15 minutes after their end. */
const settledMaxDefault = 100_000;
/** A settled request is in the warehouse, or at least in the log, so long after its end. */
const settledKeptMs = 15 * 60_000;

/**
 * Open requests, and settled ones until they are confirmed or old. Beyond `settledMax` the oldest settled ones
 * go: after a loss they count again when the warehouse confirms them.
 */
export class Journal {
  readonly #open = new Map<string, Entry>();
  /** In the order of their end. */
  readonly #ended = new Map<string, Entry>();
  readonly #settledMax: number;

  constructor(settledMax = settledMaxDefault) {
    this.#settledMax = settledMax;
  }

  /** Notes an admission; one that is there already stays. */
  open(request: KnownRequest, isKnown: boolean, nowMs: number): void {
    if (this.get(request.eventId) !== undefined) return;
    const entry = { request, isReleased: false, isKnown, changedAtMs: nowMs };
    this.#open.set(request.eventId, entry);
  }

  get(eventId: string): Entry | undefined {
    return this.#open.get(eventId) ?? this.#ended.get(eventId);
  }

  /** Notes a charged end; false if the request is not open here. */
  settle(eventId: string, settlement: Settlement, nowMs: number): boolean {
    const { tier, creditsMicro, tokens } = settlement;
    return this.#end(eventId, nowMs, false, { settled: { tier, creditsMicro }, tokens });
  }

  /** Notes a free end; false if the request is not open here. */
  release(eventId: string, nowMs: number): boolean {
    return this.#end(eventId, nowMs, true, {});
  }

  /** Notes that the shared counters know an entry as it was read; one that has changed since is not known. */
  known(entry: Entry): void {
    const { eventId } = entry.request;
    const requests = this.#open.get(eventId) === entry ? this.#open : this.#ended;
    if (requests.get(eventId) !== entry) return;
    if (entry.isReleased) requests.delete(eventId);
    else requests.set(eventId, { ...entry, isKnown: true });
  }

  /** Forgets a request that is confirmed, or whose hold has been swept. */
  forget(eventId: string): void {
    this.#open.delete(eventId);
    this.#ended.delete(eventId);
  }

  /** All that a store that has lost everything must be told. */
  all(): Entry[] {
    return [...this.#open.values(), ...this.#ended.values()];
  }

  /** What a store that was out of reach has not been told. */
  unknown(): Entry[] {
    return this.all().filter(({ isKnown }) => !isKnown);
  }

  /** Forgets settled requests that are old and known. */
  prune(nowMs: number): void {
    for (const [eventId, { isKnown, changedAtMs }] of this.#ended) {
      if (changedAtMs > nowMs - settledKeptMs) return;
      if (isKnown) this.#ended.delete(eventId);
    }
  }

  #end(eventId: string, nowMs: number, isReleased: boolean, end: Partial<KnownRequest>): boolean {
    const entry = this.#open.get(eventId);
    if (entry === undefined) return false;
    this.#open.delete(eventId);
    const request = { ...entry.request, ...end };
    this.#ended.set(eventId, { request, isReleased, isKnown: false, changedAtMs: nowMs });
    if (this.#ended.size > this.#settledMax) {
      const [oldest] = this.#ended.keys();
      if (oldest !== undefined) this.#ended.delete(oldest);
    }
    return true;
  }
}
