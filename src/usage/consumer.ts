// Carries the usage log into the warehouse, once as it counts, and has it confirmed.
import assert from "node:assert/strict";
import { Confirmer } from "./confirmer.ts";
import type { ConsumerParts } from "./consumer-parts.ts";
import { type ConsumerStart, findLost, findStart } from "./consumer-start.ts";
import type { ConsumerProgress, DeadLetter } from "./consumer-store.ts";
import { parseRecord } from "./parse-record.ts";
import { afterRefusal, afterSuccess, beginTrial, isCondemned } from "./trial.ts";
import type { BatchLimits, LogRecord } from "./usage-log.ts";
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

/** Records with what is in them. */
type Batch = {
  readonly firstOffset: number;
  readonly records: readonly LogRecord[];
  readonly events: readonly PlacedEvent[];
  readonly dead: readonly DeadLetter[];
  readonly endOffset: number;
};

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
  #warehouseId = "";
  /** Whether the warehouse lost what lies between cursor and offset. */
  #lost = false;
  /** Whether something failed since the warehouse was last seen to have its rows. */
  #doubted = false;
  /** The batch after the one that was inserted last. */
  #ahead: Batch | undefined;
  #poison: { records: number; readonly sinceMs: number } | undefined;

  constructor(parts: ConsumerParts) {
    this.#parts = parts;
    this.#confirmer = new Confirmer(parts);
  }

  /** Whether all that was taken is confirmed. */
  get idle(): boolean {
    return this.#confirmer.idle;
  }

  /** Takes one batch, or confirms once; throws what should be tried again later. */
  async step(): Promise<Step> {
    try {
      return await this.#step();
    } catch (error) {
      // A server that failed may come back without its rows.
      this.#doubted = true;
      throw error;
    }
  }

  async #step(): Promise<Step> {
    let progress = this.#progress ?? this.#begin(await findStart(this.#parts));
    if (this.#doubted) progress = await this.#checkRows(progress);
    const again = this.#cursor < progress.offset;
    // Sums could include the rows of a batch in doubt, whose ids nobody would name.
    if (!again && progress.trial === undefined && this.#confirmer.due) {
      this.#progress = await this.#confirmer.confirm(progress);
      return { records: 0, dead: 0, confirmed: true, lag: this.#lag };
    }
    const batch = await this.#next(progress);
    const dead = again ? await this.#takeAgain(batch) : await this.#take(progress, batch);
    // What was refused is read once more, in smaller pieces.
    const taken = dead === undefined ? 0 : batch.records.length;
    if (taken > 0) for (const placed of batch.events) this.#confirmer.add(placed);
    this.#cursor += taken;
    if (again) this.#goOn(progress, this.#warehouseId);
    this.#lag = batch.endOffset - this.#cursor;
    return { records: taken, dead: dead ?? 0, confirmed: false, lag: this.#lag };
  }

  /** Confirms everything that was taken, out of turn: for the audits. A batch in doubt is ended first. */
  async confirmAll(): Promise<void> {
    let progress = this.#progress ?? this.#begin(await findStart(this.#parts));
    while (this.#cursor < progress.offset || progress.trial !== undefined) {
      await this.step();
      progress = this.#progress ?? progress;
    }
    if (this.#doubted) progress = await this.#checkRows(progress);
    while (this.#cursor < progress.offset) await this.step();
    progress = this.#progress ?? progress;
    while (!this.#confirmer.idle) {
      progress = await this.#confirmer.confirm(progress);
      this.#progress = progress;
    }
  }

  #begin({ progress, cursor, warehouseId, lost }: ConsumerStart): ConsumerProgress {
    this.#cursor = cursor;
    this.#lost = lost;
    return this.#goOn(progress, warehouseId);
  }

  /** Everything below the offset is in a warehouse once the cursor is there: before, a crash must find it lost. */
  #goOn(progress: ConsumerProgress, warehouseId: string): ConsumerProgress {
    const hasAll = this.#cursor >= progress.offset || !this.#lost;
    this.#warehouseId = warehouseId;
    this.#progress = hasAll ? { ...progress, warehouseId } : progress;
    return this.#progress;
  }

  /** Goes back to the first record that the warehouse has lost: nothing is confirmed until it has all again. */
  async #checkRows(progress: ConsumerProgress): Promise<ConsumerProgress> {
    const { warehouseId, lostFrom } = await findLost(this.#parts, progress);
    this.#doubted = false;
    if (lostFrom < progress.offset) {
      this.#cursor = Math.min(this.#cursor, lostFrom);
      this.#lost = true;
    }
    return this.#goOn(progress, warehouseId);
  }

  /** What was taken before: inserted only where the warehouse has lost it. */
  async #takeAgain({ events }: Batch): Promise<number> {
    const { log, warehouse } = this.#parts;
    if (!this.#lost || events.length === 0) return 0;
    await warehouse.insert({ logName: log.name, logEpoch: log.epoch, events });
    return 0;
  }

  /** The batch at the cursor: the one that was read ahead, if it is that. */
  async #next(progress: ConsumerProgress): Promise<Batch> {
    const ahead = this.#ahead;
    this.#ahead = undefined;
    const again = progress.offset - this.#cursor;
    const { trial } = progress;
    const fits = again === 0 && trial === undefined && ahead?.firstOffset === this.#cursor;
    if (fits) return ahead;
    const batch = await this.#read(this.#cursor, again || trial?.events || Infinity);
    // What was taken, and a batch in doubt, was in the log and must be there still.
    const known = again > 0 || trial !== undefined;
    assert(!known || batch.records.length > 0, `the log misses its records from ${this.#cursor}`);
    return batch;
  }

  async #read(firstOffset: number, eventsMax: number): Promise<Batch> {
    const { log, clock, limits = limitsDefault } = this.#parts;
    const atMost = { ...limits, eventsMax: Math.min(eventsMax, limits.eventsMax) };
    const { records, endOffset } = await log.read(firstOffset, atMost);
    // For a moment after an election of Kafka's; for ever if the log was wiped and has no new epoch.
    assert(endOffset >= firstOffset, `the log ends at ${endOffset}, before ${firstOffset}`);
    const found = records.at(0)?.offset ?? firstOffset;
    assert(found === firstOffset, `the log misses its records from ${firstOffset} to ${found}`);
    const events: PlacedEvent[] = [];
    const dead: DeadLetter[] = [];
    for (const record of records) {
      const parsed = parseRecord(record);
      if (typeof parsed !== "string") events.push(parsed);
      else dead.push(toDeadLetter(record, parsed, clock.wallMs()));
    }
    return { firstOffset, records, events, dead, endOffset };
  }

  /** Inserts a batch and moves on; gives the number of its dead letters, undefined if it must be cut. */
  async #take(progress: ConsumerProgress, batch: Batch): Promise<number | undefined> {
    const { firstOffset, records, events, dead } = batch;
    const [first] = records;
    if (first === undefined) return 0;
    this.#watchPoison(events.length, dead.length);
    const trial = progress.trial ?? beginTrial(firstOffset, records.length);
    const refusal = isCondemned(trial)
      ? "the consumer dies of it"
      : await this.#insert({ ...progress, trial }, batch);
    if (refusal !== undefined && records.length > 1) {
      await this.#save({ ...progress, trial: afterRefusal({ ...trial, events: records.length }) });
      return undefined;
    }
    const atMs = this.#parts.clock.wallMs();
    const deadLetters = refusal === undefined ? dead : [toDeadLetter(first, refusal, atMs)];
    const offset = firstOffset + records.length;
    await this.#save({ ...progress, offset, trial: afterSuccess(trial, offset) }, deadLetters);
    return deadLetters.length;
  }

  /** Why the warehouse refuses the rows; undefined if it has taken them. */
  async #insert(progress: ConsumerProgress, batch: Batch): Promise<string | undefined> {
    const { log, warehouse } = this.#parts;
    const { firstOffset, records, events, endOffset } = batch;
    if (events.length === 0) return undefined;
    // Written down before, so that the next process knows on what this one died.
    await this.#save(progress);
    const inserted = warehouse.insert({ logName: log.name, logEpoch: log.epoch, events });
    const nextOffset = firstOffset + records.length;
    // The warehouse works on threads of its own: this one reads the next batch meanwhile.
    const ahead = nextOffset < endOffset ? this.#read(nextOffset, Infinity) : undefined;
    const [read, stored] = await Promise.allSettled([ahead, inserted]);
    // If reading ahead failed, the next step reads again and says why.
    if (read.status === "fulfilled") this.#ahead = read.value;
    if (stored.status === "fulfilled") return undefined;
    const { reason } = stored;
    if (!(reason instanceof BatchRejected)) throw reason;
    return `${reason.message}: ${reason.cause instanceof Error ? reason.cause.message : ""}`;
  }

  async #save(progress: ConsumerProgress, deadLetters?: readonly DeadLetter[]): Promise<void> {
    const { log, store } = this.#parts;
    await store.save({ logName: log.name, progress, deadLetters });
    this.#progress = progress;
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

function toDeadLetter({ offset, bytes }: LogRecord, reason: string, atMs: number): DeadLetter {
  return { offset, bytes, reason: reason.slice(0, 1_000), atMs };
}
