// The ports of the usage log: where a gateway records its requests, and how a consumer reads them.
import type { UsageEvent } from "../gen/optamil/v1/event_pb.ts";

/**
 * Where one gateway records its requests. Two records a request: a hold at its admission, an event at its end; only the
 * event where a request ends before its hold is written.
 *
 * The log stamps each event with the gateway, its boot and a sequence number without gaps, so an event
 * that was handed over belongs to the log. A hold that is open when the gateway dies becomes an event as it
 * is (GATEWAY_ABORT, rev 0, no charge) when the log is opened again.
 */
export interface UsageLog {
  /**
   * Records that a request was admitted; resolves when that survives the process, or its end does. To be called
   * un-awaited, and to be awaited, after `hurry`, before the first byte goes out: the log may wait some milliseconds
   * for the end. Throws `service_unavailable` when the log is full.
   */
  hold(event: UsageEvent): Promise<void>;
  /** Writes the holds that wait for an end: somebody waits for them. */
  hurry(): void;
  /**
   * Appends the end of a request, which closes its hold, or an event without a hold (a refusal, a refund, a
   * swept request). Resolves when it survives a power cut: only then may the answer end. A full log takes it
   * from its reserve; throws `service_unavailable` when that is used up.
   */
  append(event: UsageEvent): Promise<void>;
  status(): UsageLogStatus;
  close(): Promise<void>;
}

/** How full the log is. */
export type UsageLogStatus = {
  /** Events so far: the offset of the next one. */
  readonly endOffset: number;
  /** Events below are part of the confirmed sums. */
  readonly confirmedOffset: number;
  readonly openHolds: number;
  /** Unconfirmed events as a share of those that the log takes, 0 to 1. */
  readonly spoolShare: number;
  /** Why holds are refused; undefined if they are not. */
  readonly refusing: "spool" | "disk" | undefined;
};

/** One log, or one partition of it, as its consumer sees it. */
export interface UsageLogReader {
  /** Names it among all logs of a warehouse: "usage/0". */
  readonly name: string;
  /** Unix microseconds of its making. Offsets of another epoch are those of another log. */
  readonly epoch: number;
  /** Records from an offset on, in order and without gaps, at least one if there is one. */
  read(fromOffset: number, limits: BatchLimits): Promise<LogBatch>;
  close(): Promise<void>;
}

/** The most that one batch may hold; a first record above `bytesMax` comes alone. */
export type BatchLimits = { readonly eventsMax: number; readonly bytesMax: number };

/** Some records. */
export type LogBatch = {
  readonly records: readonly LogRecord[];
  /** Offset of the oldest record that is kept; below it everything was confirmed and trimmed. */
  readonly firstOffset: number;
  /** Offset of the next record to be written. */
  readonly endOffset: number;
};

/** One record: an encoded event at its place. */
export type LogRecord = { readonly offset: number; readonly bytes: Uint8Array };

/** Place in a log up to which something is known. A later epoch is later than any offset. */
export type LogVersion = { readonly epoch: number; readonly offset: number };
