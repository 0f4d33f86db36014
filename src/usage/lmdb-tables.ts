// The tables of the usage log's LMDB environment, and how to read them from any process.
import type { Database, RootDatabase } from "lmdb";
import type { BatchLimits, LogBatch, LogRecord } from "./usage-log.ts";

/** The tables by their role. Only the gateway writes them. */
export type LogTables = {
  /** Offset, from 0 without gaps → event. */
  readonly log: Database<Uint8Array, number>;
  /** Event id as text → event, for requests that are not over. */
  readonly holds: Database<Uint8Array, string>;
  /** UTC day number → offset of its first event. */
  readonly days: Database<number, number>;
  /** UTC day number, account and key → requests admitted on that day. */
  readonly admissions: Database<number, [number, string, string]>;
  /** `epoch` of the log, `boot` of the last gateway, `confirmed` offset, `schema` and `schemaOldest` of the folder. */
  readonly meta: Database<number, string>;
};

/** The tables of an environment; with `readOnly` they must be there. */
export function openTables(env: RootDatabase): LogTables {
  return {
    log: env.openDB({ name: "log", encoding: "binary" }),
    holds: env.openDB({ name: "holds", encoding: "binary" }),
    days: env.openDB({ name: "days", encoding: "ordered-binary" }),
    admissions: env.openDB({ name: "admissions", encoding: "ordered-binary" }),
    meta: env.openDB({ name: "meta", encoding: "ordered-binary" }),
  };
}

/** The offset of the next event. The last record is never trimmed, so that this is known. */
export function readEndOffset({ log }: LogTables): number {
  for (const last of log.getKeys({ reverse: true, limit: 1 })) return last + 1;
  return 0;
}

/** The offset of the oldest event that is kept. */
export function readFirstOffset({ log }: LogTables): number {
  for (const first of log.getKeys({ limit: 1 })) return first;
  return 0;
}

/** A batch as `UsageLogReader.read` gives it. */
export function readBatch(tables: LogTables, fromOffset: number, limits: BatchLimits): LogBatch {
  const records: LogRecord[] = [];
  let sizeBytes = 0;
  for (const { key, value } of tables.log.getRange({
    start: fromOffset,
    limit: limits.eventsMax,
  })) {
    sizeBytes += value.length;
    if (records.length > 0 && sizeBytes > limits.bytesMax) break;
    records.push({ offset: key, bytes: value });
  }
  return { records, firstOffset: readFirstOffset(tables), endOffset: readEndOffset(tables) };
}
