// Reads the usage log of a gateway on the same machine, from another process.
import assert from "node:assert/strict";
import { open } from "lmdb";
import { openTables, readBatch } from "./lmdb-tables.ts";
import type { BatchLimits, LogBatch, UsageLogReader } from "./usage-log.ts";

/** Name of the one log of a machine. */
export const lmdbLogName = "usage/0";

/** Opens a log for reading only. The gateway must have opened it once before. */
export function openLmdbUsageLogReader(path: string): UsageLogReader {
  const env = open({ path, maxDbs: 8, readOnly: true, overlappingSync: false });
  const tables = openTables(env);
  const epoch = tables.meta.get("epoch");
  assert(epoch !== undefined, "the usage log has no epoch: no gateway has opened it");
  return {
    name: lmdbLogName,
    epoch,
    async read(fromOffset: number, limits: BatchLimits): Promise<LogBatch> {
      // Without this, a snapshot taken earlier in this turn of the event loop would be read again.
      env.resetReadTxn();
      return readBatch(tables, fromOffset, limits);
    },
    close: () => env.close(),
  };
}
