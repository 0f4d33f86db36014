// The usage log of one machine: an LMDB environment that the gateway writes and any process may read.
import { open, type RootDatabase } from "lmdb";
import type { UsageEvent } from "../gen/optamil/v1/event_pb.ts";
import type { Clock } from "../platform/clock.ts";
import { OptamilError } from "../platform/errors.ts";
import { commit, hasRoom, isNoSpace, requireRoom } from "../platform/lmdb-commit.ts";
import { encodeEvent } from "./encode-event.ts";
import { decodeEvent } from "./event.ts";
import { AdmissionCounts } from "./lmdb-admissions.ts";
import { CommitQueue, tellDone, tellFailed, type Waiting } from "./lmdb-queue.ts";
import { lmdbLogName } from "./lmdb-reader.ts";
import { createReserve, type Reserve } from "./lmdb-reserve.ts";
import { noteStateVersion } from "./lmdb-state-version.ts";
import {
  type LogTables,
  openTables,
  readBatch,
  readEndOffset,
  readFirstOffset,
} from "./lmdb-tables.ts";
import type {
  BatchLimits,
  LogBatch,
  UsageLog,
  UsageLogReader,
  UsageLogStatus,
} from "./usage-log.ts";

/** How to open the usage log. */
export type LmdbUsageLogOptions = {
  /** Folder of the environment; made if it is missing. */
  readonly path: string;
  /** Written into each event. */
  readonly gatewayId: string;
  readonly clock: Clock;
  /** Told once when the log can record nothing any more (a failed write or sync); the process must end. */
  readonly onBroken: (cause: unknown) => void;
  /** Room kept back for requests in flight when the disk is full. Default 16 MiB: some 30,000 events. */
  readonly reserveBytes?: number | undefined;
  /** Unconfirmed events after which holds are refused. Default 4,000,000: about 1 GiB. */
  readonly spoolEventsMax?: number | undefined;
  /**
   * What becomes of confirmed events. "days": they are kept for 7 days, for a warehouse that is lost. "gone": they are removed
   * within seconds, as they are somewhere else. Default "days".
   */
  readonly confirmed?: "days" | "gone" | undefined;
  /** How long a hold waits for the end of its request, so that both take one commit. Default 10 ms. */
  readonly holdDelayMs?: number | undefined;
};

/** Records and holds that wait for a commit; holds beyond are refused, as the disk must be stuck. */
const waitingMax = 100_000;
/** Records removed in one commit, so that nobody waits long for it. */
const trimEventsMax = { days: 10_000, gone: 2_000 };
const trimEveryMs = { days: 60_000, gone: 1_000 };
const keptMs = 7 * 86_400_000;
const saveEveryMs = 1_000;
const reserveRetryMs = 1_000;
/** What a record takes at most: ten times the usual, split pages and the removed hold included. */
const roomPerRecordBytes = 4_096;
const dayMs = 86_400_000;

/** Opens the log and ends what an older gateway left open; waits until that is recorded. */
export async function openLmdbUsageLog(options: LmdbUsageLogOptions): Promise<LmdbUsageLog> {
  const log = new LmdbUsageLog(options);
  await log.recover();
  return log;
}

/**
 * The log, its reader for this process, and its retention.
 *
 * `overlappingSync` is off: a commit is on disk when its promise resolves. It costs nothing (group commit,
 * 35,000 appends/s either way), after a power cut plain LMDB recovery holds, and a failed commit does not
 * leave a promise that never ends. `eventTurnBatching` is off because it makes a promise of its own that
 * nobody can catch when a commit fails.
 */
export class LmdbUsageLog implements UsageLog, UsageLogReader {
  readonly name = lmdbLogName;
  readonly epoch: number;
  readonly #options: LmdbUsageLogOptions;
  readonly #env: RootDatabase;
  readonly #tables: LogTables;
  readonly #admissions: AdmissionCounts;
  readonly #reserve: Reserve;
  readonly #kept: "days" | "gone";
  readonly #bootEpoch: number;
  readonly #bootEpochInEvents: bigint;
  readonly #spoolEventsMax: number;
  readonly #queue: CommitQueue;
  #endOffset: number;
  #localSeq = 0;
  #confirmedOffset: number;
  #day: number;
  #writing: Promise<void> | undefined;
  #diskFull: boolean;
  #reserveTriedAtMs = 0;
  #trimAtMs = 0;
  #saveAtMs = 0;
  #broken: unknown;

  constructor(options: LmdbUsageLogOptions) {
    this.#options = options;
    this.#spoolEventsMax = options.spoolEventsMax ?? 4_000_000;
    this.#kept = options.confirmed ?? "days";
    this.#queue = new CommitQueue(options.holdDelayMs ?? 10, () => {
      this.#writing ??= this.#writeAll();
    });
    this.#env = open({
      path: options.path,
      maxDbs: 8,
      overlappingSync: false,
      eventTurnBatching: false,
    });
    this.#tables = openTables(this.#env);
    this.#admissions = new AdmissionCounts(this.#tables, this.#today());
    this.#reserve = createReserve(options.path, options.reserveBytes ?? 16 * 1024 * 1024);
    this.#diskFull = !this.#reserve.fill();
    if (!hasRoom(options.path, 0)) {
      this.#reserve.release();
      this.#diskFull = true;
      requireRoom(options.path, 0);
    }
    const { meta, days } = this.#tables;
    const nowUs = Math.round(options.clock.wallMs() * 1_000);
    this.epoch = meta.get("epoch") ?? nowUs;
    // The clock may have been put back since; a boot must not share the epoch of another.
    this.#bootEpoch = Math.max(nowUs, (meta.get("boot") ?? 0) + 1);
    this.#bootEpochInEvents = BigInt(this.#bootEpoch);
    noteStateVersion(meta);
    meta.putSync("epoch", this.epoch);
    meta.putSync("boot", this.#bootEpoch);
    this.#endOffset = readEndOffset(this.#tables);
    this.#confirmedOffset = meta.get("confirmed") ?? 0;
    const [lastDay = -1] = days.getKeys({ reverse: true, limit: 1 });
    this.#day = lastDay;
  }

  hold(event: UsageEvent): Promise<void> {
    const refusal = this.#refusal() ?? this.#broken;
    return refusal === undefined ? this.#queue.hold(event) : Promise.reject(refusal);
  }

  hurry(): void {
    this.#queue.hurry();
  }

  append(event: UsageEvent): Promise<void> {
    return this.#broken === undefined ? this.#queue.append(event) : Promise.reject(this.#broken);
  }

  status(): UsageLogStatus {
    const unconfirmed = this.#endOffset - this.#confirmedOffset;
    const spoolShare = Math.min(1, unconfirmed / this.#spoolEventsMax);
    return {
      endOffset: this.#endOffset,
      confirmedOffset: this.#confirmedOffset,
      openHolds: this.#tables.holds.getKeysCount(),
      spoolShare,
      refusing: this.#diskFull ? "disk" : spoolShare === 1 ? "spool" : undefined,
    };
  }

  /** Requests that an account was admitted today (UTC), by key id; those of before a restart included. */
  admittedToday(accountId: string): ReadonlyMap<string, number> {
    return this.#admissions.ofAccount(accountId);
  }

  async read(fromOffset: number, limits: BatchLimits): Promise<LogBatch> {
    return readBatch(this.#tables, fromOffset, limits);
  }

  /**
   * Takes note that the sums contain all events below the offset, and trims what of them is old enough. A consumer that
   * has lost its warehouse tells lower offsets than the one before: what it has not taken again is not trimmed.
   */
  async confirmed(offset: number): Promise<void> {
    const taken = Math.min(offset, this.#endOffset);
    this.#confirmedOffset = Math.max(this.#confirmedOffset, taken);
    const nowMs = this.#options.clock.monotonicMs();
    if (this.#broken !== undefined) return;
    this.#saveConfirmed(nowMs);
    if (nowMs < this.#trimAtMs) return;
    this.#trimAtMs = nowMs + trimEveryMs[this.#kept];
    // A reader that was killed keeps its snapshot, and with it every page freed since.
    this.#env.readerCheck();
    try {
      if (await this.#trim(taken)) this.#trimAtMs = nowMs;
    } catch (cause) {
      if (this.#isDiskFull(cause)) this.#diskFull = true;
      else this.#break([], cause);
    }
  }

  async close(): Promise<void> {
    this.#queue.hurry();
    await this.#writing;
    this.#queue.close();
    await this.#env.close();
  }

  /** Ends the holds of older boots. */
  async recover(): Promise<void> {
    const held = [...this.#tables.holds.getRange({})];
    await Promise.all(held.map(({ value }) => this.append(decodeEvent(value))));
  }

  /** Writes down every second what was confirmed, so that a restart repeats little of it. */
  #saveConfirmed(nowMs: number): void {
    if (nowMs < this.#saveAtMs) return;
    this.#saveAtMs = nowMs + saveEveryMs;
    const save = () => void this.#tables.meta.put("confirmed", this.#confirmedOffset);
    // A disk that takes nothing is told of where events are written; this one is written again.
    commit(this.#env, this.#options.path, 0, save).catch(() => undefined);
  }

  #refusal(): OptamilError | undefined {
    if (this.#diskFull) this.#refillReserve();
    const unconfirmed = this.#endOffset - this.#confirmedOffset;
    const full = this.#diskFull || unconfirmed >= this.#spoolEventsMax;
    if (!full && this.#queue.size < waitingMax) return undefined;
    return new OptamilError("service_unavailable", "Usage cannot be recorded at the moment.", {
      retryAfterMs: 2_000,
    });
  }

  #refillReserve(): void {
    const nowMs = this.#options.clock.monotonicMs();
    if (nowMs - this.#reserveTriedAtMs < reserveRetryMs) return;
    this.#reserveTriedAtMs = nowMs;
    this.#diskFull = !this.#reserve.fill();
  }

  async #writeAll(): Promise<void> {
    // What comes in the same turn of the event loop shares the first round.
    await Promise.resolve();
    for (;;) {
      const round = this.#queue.take();
      if (round.length === 0) break;
      await this.#writeRound(round);
    }
    this.#writing = undefined;
  }

  /** Ends the waiting of the whole round; never throws. */
  async #writeRound(round: readonly Waiting[]): Promise<void> {
    try {
      await this.#commit(round);
      for (const one of round) tellDone(one);
    } catch (cause) {
      if (!this.#isDiskFull(cause)) return this.#break(round, cause);
      await this.#writeFromReserve(round, cause);
    }
  }

  /** The disk is full: holds are refused, ends of requests get the reserve. */
  async #writeFromReserve(round: readonly Waiting[], cause: unknown): Promise<void> {
    this.#diskFull = true;
    this.#reserveTriedAtMs = this.#options.clock.monotonicMs();
    this.#reserve.release();
    const refusal = new OptamilError("service_unavailable", "The disk for usage is full.", {
      cause,
    });
    const appends = round.filter(({ kind }) => kind === "append");
    for (const one of round) if (one.kind === "hold") tellFailed(one, refusal);
    await this.#commitWhatFits(appends, refusal);
  }

  async #commitWhatFits(appends: readonly Waiting[], refusal: OptamilError): Promise<void> {
    try {
      await this.#commit(appends);
      for (const one of appends) tellDone(one);
    } catch (cause) {
      if (appends.length > 1 && isNoSpace(cause)) {
        const half = Math.ceil(appends.length / 2);
        await this.#commitWhatFits(appends.slice(0, half), refusal);
        await this.#commitWhatFits(appends.slice(half), refusal);
      } else for (const one of appends) tellFailed(one, refusal);
    }
  }

  /** One transaction. Offsets and sequence numbers are used up only when it is on disk. */
  async #commit(round: readonly Waiting[]): Promise<void> {
    const { log, holds, days } = this.#tables;
    const day = this.#today();
    let appended = 0;
    const roomBytes = round.length * roomPerRecordBytes;
    await commit(this.#env, this.#options.path, roomBytes, () => {
      for (const { kind, eventId, event, hold } of round) {
        if (kind === "hold") {
          void holds.put(eventId, this.#encode(event, 0));
          this.#admissions.add(event);
          continue;
        }
        appended++;
        void log.put(
          this.#endOffset + appended - 1,
          this.#encode(event, this.#localSeq + appended),
        );
        if (hold === undefined) void holds.remove(eventId);
        else this.#admissions.add(hold.event);
      }
      this.#admissions.write();
      if (appended > 0 && day > this.#day) void days.put(day, this.#endOffset);
    });
    this.#endOffset += appended;
    this.#localSeq += appended;
    if (appended > 0) this.#day = Math.max(day, this.#day);
  }

  #today(): number {
    return Math.floor(this.#options.clock.wallMs() / dayMs);
  }

  #encode(event: UsageEvent, localSeq: number): Uint8Array {
    event.gatewayId = this.#options.gatewayId;
    event.bootEpoch = this.#bootEpochInEvents;
    event.localSeq = BigInt(localSeq);
    return encodeEvent(event);
  }

  #isDiskFull(cause: unknown): boolean {
    // A write that came up short is an EIO to LMDB, whatever stopped it.
    return isNoSpace(cause) || this.#reserve.diskIsFull();
  }

  /** After a failed sync nobody knows what is on disk: nothing more is acknowledged. */
  #break(round: readonly Waiting[], cause: unknown): void {
    this.#broken = new Error("the usage log is broken", { cause });
    for (const one of round) tellFailed(one, this.#broken);
    this.#queue.fail(this.#broken);
    this.#options.onBroken(cause);
  }

  /** Removes events that are confirmed and not to be kept; true if there may be more. */
  async #trim(taken: number): Promise<boolean> {
    const { log, days, meta } = this.#tables;
    const oldestDay = Math.floor((this.#options.clock.wallMs() - keptMs) / dayMs);
    const [kept] = this.#kept === "days" ? days.getRange({ start: oldestDay, limit: 1 }) : [];
    const lastOffset = this.#endOffset - 1;
    const first = readFirstOffset(this.#tables);
    const until = Math.min(kept?.value ?? lastOffset, taken, lastOffset);
    const end = Math.min(until, first + trimEventsMax[this.#kept]);
    // A commit each second for nothing would wake the disk of a gateway that sleeps.
    if (this.#kept === "gone" && end <= first) return false;
    await commit(this.#env, this.#options.path, 0, () => {
      void meta.put("confirmed", this.#confirmedOffset);
      for (let offset = first; offset < end; offset++) void log.remove(offset);
      for (const day of days.getKeys({ end: oldestDay })) void days.remove(day);
      this.#admissions.trim(trimEventsMax[this.#kept]);
    });
    return end < until;
  }
}
