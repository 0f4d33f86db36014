// Carries the usage log into the warehouse, once as it counts, and has it confirmed.
import assert from "node:assert/strict";
import { Confirmer } from "./confirmer.ts";
import type { ConsumerParts } from "./consumer-parts.ts";
import { type ConsumerStart, findStart } from "./consumer-start.ts";
import type { ConsumerProgress, DeadLetter } from "./consumer-store.ts";
import { parseRecord } from "./parse-record.ts";
import { afterRefusal, afterSuccess, beginTrial, isCondemned } from "./trial.ts";
import type { BatchLimits, LogBatch, LogRecord } from "./usage-log.ts";
import { BatchRejected, type PlacedEvent } from "./warehouse.ts";

/** What a step did. */
export type Step = {
  /** Records that were read. */
  readonly records: number;
  /** Of them, those that became dead letters. */
  readonly dead: number;
  /** Whether sums were confirmed. */
  readonly confirmed: boolean;
  /** Records in the log that are not in the warehouse yet. */
  readonly lag: number;
};

type Sorted = { readonly events: readonly PlacedEvent[]; readonly dead: readonly DeadLetter[] };

const limitsDefault: BatchLimits = { eventsMax: 10_000, bytesMax: 8 * 1024 * 1024 };
/** This much poison and nothing else, for this long, is our mistake and not the records'. */
const poisonRecordsMax = 1_000;
const poisonMsMax = 60_000;

/** The consumer of one log. It has no timers: a driver calls its methods, one at a time. */
export class Consumer {
  readonly #parts: ConsumerParts;
  readonly #confirmer: Confirmer;
  #progress: ConsumerProgress | undefined;
  /** Next record to be looked at: behind `progress.offset` while unconfirmed accounts are found again. */
  #cursor = 0;
  #lag = 0;
  #poison: { records: number; readonly sinceMs: number } | undefined;

  constructor(parts: ConsumerParts) {
    this.#parts = parts;
    this.#confirmer = new Confirmer(parts);
  }

  /** Takes one batch, or confirms once; throws what should be tried again later. */
  async step(): Promise<Step> {
    const progress = this.#progress ?? this.#begin(await findStart(this.#parts));
    const again = this.#cursor < progress.offset;
    // Sums could include the rows of a batch in doubt, whose ids nobody would name.
    if (!again && progress.trial === undefined && this.#confirmer.due) {
      this.#progress = await this.#confirmer.confirm(progress);
      return { records: 0, dead: 0, confirmed: true, lag: this.#lag };
    }
    const { records, endOffset } = await this.#read(progress);
    const sorted = this.#sort(records);
    const dead = again ? 0 : await this.#take(progress, records, sorted);
    // What was refused is read once more, in smaller pieces.
    const taken = dead === undefined ? 0 : records.length;
    if (taken > 0) for (const placed of sorted.events) this.#confirmer.add(placed);
    this.#cursor += taken;
    this.#lag = endOffset - this.#cursor;
    return { records: taken, dead: dead ?? 0, confirmed: false, lag: this.#lag };
  }

  /** Confirms everything that was taken, out of turn: for the audits. A batch in doubt is ended first. */
  async confirmAll(): Promise<void> {
    let progress = this.#progress ?? this.#begin(await findStart(this.#parts));
    while (this.#cursor < progress.offset || progress.trial !== undefined) {
      await this.step();
      progress = this.#progress ?? progress;
    }
    while (!this.#confirmer.idle) {
      progress = await this.#confirmer.confirm(progress);
      this.#progress = progress;
    }
  }

  #begin({ progress, cursor }: ConsumerStart): ConsumerProgress {
    this.#progress = progress;
    this.#cursor = cursor;
    return progress;
  }

  async #read(progress: ConsumerProgress): Promise<LogBatch> {
    const { log, limits = limitsDefault } = this.#parts;
    const again = progress.offset - this.#cursor;
    const eventsMax = Math.min(limits.eventsMax, again || progress.trial?.events || Infinity);
    const batch = await log.read(this.#cursor, { ...limits, eventsMax });
    const [first] = batch.records;
    // A batch in doubt was in the log, so it must be there still.
    assert(
      first === undefined ? progress.trial === undefined : first.offset === this.#cursor,
      `the log misses its records from ${this.#cursor} to ${first?.offset}`,
    );
    return batch;
  }

  #sort(records: readonly LogRecord[]): Sorted {
    const events: PlacedEvent[] = [];
    const dead: DeadLetter[] = [];
    for (const record of records) {
      const parsed = parseRecord(record);
      if (typeof parsed === "string") dead.push(this.#toDeadLetter(record, parsed));
      else events.push(parsed);
    }
    return { events, dead };
  }

  /** Inserts a batch and moves on; gives the number of its dead letters, undefined if it must be cut. */
  async #take(
    progress: ConsumerProgress,
    records: readonly LogRecord[],
    { events, dead }: Sorted,
  ): Promise<number | undefined> {
    const [first] = records;
    if (first === undefined) return 0;
    this.#watchPoison(events.length, dead.length);
    const trial = progress.trial ?? beginTrial(first.offset, records.length);
    const refusal = isCondemned(trial)
      ? "the consumer dies of it"
      : await this.#insert({ ...progress, trial }, events);
    if (refusal !== undefined && records.length > 1) {
      await this.#save({ ...progress, trial: afterRefusal({ ...trial, events: records.length }) });
      return undefined;
    }
    const deadLetters = refusal === undefined ? dead : [this.#toDeadLetter(first, refusal)];
    const offset = first.offset + records.length;
    await this.#save({ ...progress, offset, trial: afterSuccess(trial, offset) }, deadLetters);
    return deadLetters.length;
  }

  /** Why the warehouse refuses the rows; undefined if it has taken them. */
  async #insert(
    progress: ConsumerProgress,
    events: readonly PlacedEvent[],
  ): Promise<string | undefined> {
    const { log, warehouse } = this.#parts;
    if (events.length === 0) return undefined;
    // Written down before, so that the next process knows on what this one died.
    await this.#save(progress);
    try {
      await warehouse.insert({ logName: log.name, logEpoch: log.epoch, events });
      return undefined;
    } catch (error) {
      if (!(error instanceof BatchRejected)) throw error;
      return `${error.message}: ${error.cause instanceof Error ? error.cause.message : ""}`;
    }
  }

  async #save(progress: ConsumerProgress, deadLetters?: readonly DeadLetter[]): Promise<void> {
    const { log, store } = this.#parts;
    await store.save({ logName: log.name, progress, deadLetters });
    this.#progress = progress;
  }

  #toDeadLetter({ offset, bytes }: LogRecord, reason: string): DeadLetter {
    return { offset, bytes, reason: reason.slice(0, 1_000), atMs: this.#parts.clock.wallMs() };
  }

  #watchPoison(good: number, dead: number): void {
    const nowMs = this.#parts.clock.monotonicMs();
    if (good > 0) this.#poison = undefined;
    else this.#poison ??= { records: 0, sinceMs: nowMs };
    if (this.#poison === undefined) return;
    this.#poison.records += dead;
    const { records, sinceMs } = this.#poison;
    const stop = records > poisonRecordsMax && nowMs - sinceMs > poisonMsMax;
    assert(!stop, `each of the last ${records} records was poison`);
  }
}
