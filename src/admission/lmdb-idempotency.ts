// The keyed requests of one machine: those that run in memory, those that are finished in LMDB.
import { type Database, open, type RootDatabase } from "lmdb";
import type { Clock } from "../platform/clock.ts";
import { OptamilError } from "../platform/errors.ts";
import { commit } from "../platform/lmdb-commit.ts";
import {
  answerBytesMax,
  answerLifeMs,
  type Begun,
  type Idempotency,
  type KeyedTry,
} from "./idempotency.ts";

/** How to open the store. */
export type LmdbIdempotencyOptions = {
  /** Folder of the environment, which only this process may have open; made if it is missing. */
  readonly path: string;
  readonly clock: Clock;
  /** Answers kept, bytes before compression; beyond, the oldest go first. Default 4 GiB: 40,000 streams of 100 kB. */
  readonly answersBytesMax?: number | undefined;
  /** Finished keys kept; beyond, the oldest are forgotten. Default 2,000,000: about 1 GB, 23 a second for a day. */
  readonly finishedMax?: number | undefined;
  /** Keys claimed at once; beyond, keyed requests are refused. Default 100,000: more than one process serves. */
  readonly runningMax?: number | undefined;
};

/** A finished key. */
type Finished = {
  readonly bodyDigest: string;
  readonly eventId: string;
  /** Unix milliseconds. */
  readonly expiresAtMs: number;
};

/** Expiry and name of a finished key: the order in which they are removed. */
type Place = [expiresAtMs: number, name: string];

/** Rows looked at in one step of `sweep`: some milliseconds. */
const sweepRowsMax = 1_000;

/** What the rows of a request take at most beside its answer, pages that are split for them included. */
const roomPerRowBytes = 16_384;

/** Opens the store. */
export function openLmdbIdempotency(options: LmdbIdempotencyOptions): LmdbIdempotency {
  return new LmdbIdempotency(options);
}

/**
 * The store of one process.
 *
 * What runs is in memory only, so a restart forgets it: its clients may repeat. A request whose charge was
 * recorded but whose answer was not stored when the process died (they are one commit apart, and the client
 * has not had the end of its answer) is charged again when it is repeated. Both charges are events of their
 * own, and the second answer is not marked as a replay.
 */
export class LmdbIdempotency implements Idempotency {
  readonly #path: string;
  readonly #env: RootDatabase;
  readonly #finished: Database<Finished, string>;
  /** Place → bytes of the answer, 0 if it is not kept. */
  readonly #places: Database<number, Place>;
  readonly #answers: Database<Uint8Array, Place>;
  /** `finished` and `answers_bytes`: the sums over `places`. */
  readonly #meta: Database<number, string>;
  readonly #clock: Clock;
  readonly #answersBytesMax: number;
  readonly #finishedMax: number;
  readonly #runningMax: number;
  /** By name. With `isOver` it has ended, but that could not be written. */
  readonly #running = new Map<string, { readonly attempt: KeyedTry; isOver: boolean }>();
  #finishedCount: number;
  #answersBytes: number;

  constructor(options: LmdbIdempotencyOptions) {
    this.#path = options.path;
    this.#clock = options.clock;
    this.#answersBytesMax = options.answersBytesMax ?? 4 * 1024 ** 3;
    this.#finishedMax = options.finishedMax ?? 2_000_000;
    this.#runningMax = options.runningMax ?? 100_000;
    // As in the usage log: a commit is on disk when its promise resolves, and one that fails rejects
    // nothing that nobody can reach.
    this.#env = open({
      path: options.path,
      maxDbs: 4,
      overlappingSync: false,
      eventTurnBatching: false,
    });
    this.#finished = this.#env.openDB({ name: "finished", encoding: "json" });
    this.#places = this.#env.openDB({ name: "places", encoding: "ordered-binary" });
    this.#answers = this.#env.openDB({ name: "answers", encoding: "binary", compression: true });
    this.#meta = this.#env.openDB({ name: "meta", encoding: "ordered-binary" });
    this.#finishedCount = this.#meta.get("finished") ?? 0;
    this.#answersBytes = this.#meta.get("answers_bytes") ?? 0;
  }

  /** Looks and claims in one turn of the event loop: nobody comes in between. */
  async begin(attempt: KeyedTry): Promise<Begun> {
    const name = toName(attempt);
    const running = this.#running.get(name);
    if (running !== undefined) {
      if (running.attempt.bodyDigest !== attempt.bodyDigest) return { kind: "mismatch" };
      return running.isOver ? { kind: "finished", answer: undefined } : { kind: "running" };
    }
    const finished = this.#finished.get(name);
    if (finished !== undefined && finished.expiresAtMs > this.#clock.wallMs()) {
      if (finished.bodyDigest !== attempt.bodyDigest) return { kind: "mismatch" };
      return { kind: "finished", answer: this.#answers.get([finished.expiresAtMs, name]) };
    }
    if (this.#running.size >= this.#runningMax) {
      throw new OptamilError(
        "service_unavailable",
        "Too many requests with an Idempotency-Key are running.",
        { retryAfterMs: 1_000 },
      );
    }
    this.#running.set(name, { attempt, isOver: false });
    return { kind: "new" };
  }

  async finish(attempt: KeyedTry, answer: Uint8Array | undefined): Promise<void> {
    const name = toName(attempt);
    const running = this.#running.get(name);
    if (running === undefined || running.attempt.eventId !== attempt.eventId) return;
    running.isOver = true;
    const kept = answer !== undefined && answer.byteLength <= answerBytesMax ? answer : undefined;
    const { bodyDigest, eventId } = attempt;
    const expiresAtMs = this.#clock.wallMs() + answerLifeMs;
    await this.#commit(1, kept?.byteLength ?? 0, () => {
      const place: Place = [expiresAtMs, name];
      void this.#finished.put(name, { bodyDigest, eventId, expiresAtMs });
      void this.#places.put(place, kept?.byteLength ?? 0);
      if (kept !== undefined) void this.#answers.put(place, kept);
    });
    this.#running.delete(name);
  }

  async forget(attempt: KeyedTry): Promise<void> {
    const name = toName(attempt);
    if (this.#running.get(name)?.attempt.eventId === attempt.eventId) this.#running.delete(name);
  }

  /**
   * Removes what has expired and what is beyond the bounds, oldest first. To be called every second, one call
   * after the other; true if there may be more.
   */
  async sweep(): Promise<boolean> {
    // A snapshot taken earlier in this turn of the event loop would be read again.
    this.#env.resetReadTxn();
    const removed = this.#placesToRemove();
    const emptied = this.#answersToDrop();
    const gone = new Map([...emptied, ...removed].map(([place, size]) => [place.join(" "), size]));
    const freedBytes = [...gone.values()].reduce((sum, size) => sum + size, 0);
    if (gone.size === 0) return false;
    await this.#commit(-removed.length, -freedBytes, () => {
      for (const [place] of emptied) {
        void this.#answers.remove(place);
        void this.#places.put(place, 0);
      }
      for (const [place] of removed) this.#remove(place);
    });
    return removed.length === sweepRowsMax || emptied.length === sweepRowsMax;
  }

  close(): Promise<void> {
    return this.#env.close();
  }

  #placesToRemove(): [Place, number][] {
    const nowMs = this.#clock.wallMs();
    const excess = this.#finishedCount - this.#finishedMax;
    const removed: [Place, number][] = [];
    for (const { key, value } of this.#places.getRange({ limit: sweepRowsMax })) {
      if (key[0] > nowMs && removed.length >= excess) break;
      // A name that runs again may be finished anew before this is committed.
      if (!this.#running.has(key[1])) removed.push([key, value]);
    }
    return removed;
  }

  #answersToDrop(): [Place, number][] {
    let excessBytes = this.#answersBytes - this.#answersBytesMax;
    const emptied: [Place, number][] = [];
    if (excessBytes <= 0) return emptied;
    for (const key of this.#answers.getKeys({ limit: sweepRowsMax })) {
      if (excessBytes <= 0) break;
      const size = this.#places.get(key) ?? 0;
      excessBytes -= size;
      emptied.push([key, size]);
    }
    return emptied;
  }

  #remove(place: Place): void {
    const [expiresAtMs, name] = place;
    void this.#places.remove(place);
    void this.#answers.remove(place);
    // The key may have been used again since this place expired.
    if (this.#finished.get(name)?.expiresAtMs === expiresAtMs) void this.#finished.remove(name);
  }

  /** One transaction with the sums in it; resolves when it is on disk. */
  async #commit(moreFinished: number, moreBytes: number, write: () => void): Promise<void> {
    this.#finishedCount += moreFinished;
    this.#answersBytes += moreBytes;
    try {
      const roomBytes = 2 * Math.max(0, moreBytes) + roomPerRowBytes;
      await commit(this.#env, this.#path, roomBytes, () => {
        write();
        void this.#meta.put("finished", this.#finishedCount);
        void this.#meta.put("answers_bytes", this.#answersBytes);
      });
    } catch (error) {
      this.#finishedCount -= moreFinished;
      this.#answersBytes -= moreBytes;
      throw error;
    }
    this.#env.resetReadTxn();
  }
}

/** Neither part holds a line feed. */
function toName({ accountId, key }: KeyedTry): string {
  return `${accountId}\n${key}`;
}
