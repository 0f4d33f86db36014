// Finds where a consumer goes on, from its store or, where that is lost, from the warehouse itself.
import { OptamilError } from "../platform/errors.ts";
import type { ConsumerParts } from "./consumer-parts.ts";
import type { ConsumerProgress } from "./consumer-store.ts";
import { afterDeath } from "./trial.ts";

/** Where to go on. */
export type ConsumerStart = {
  readonly progress: ConsumerProgress;
  /** Record from which on accounts are found again whose sums are not confirmed. */
  readonly cursor: number;
  /** The warehouse that will have everything below `offset` when the cursor is there. */
  readonly warehouseId: string;
  /** Whether it has lost the records from the cursor on: they are inserted again. */
  readonly lost: boolean;
};

const oneRecord = { eventsMax: 1, bytesMax: 1 };
const accountsPerPage = 1_000;

/** Reads where the last process was, and judges by its exit the batch on which it was. */
export async function findStart(parts: ConsumerParts): Promise<ConsumerStart> {
  const { log, store, lastExit = "killed", deliveredOffset } = parts;
  const known = store.progress(log.name);
  if (known?.epoch !== log.epoch) return startAnew(parts, known === undefined);
  const progress = { ...known, trial: known.trial && afterDeath(known.trial, lastExit) };
  if (progress.trial !== undefined) await store.save({ logName: log.name, progress });
  const { warehouseId, lostFrom } = await findLost(parts, progress);
  if (lostFrom < known.offset) return { progress, cursor: lostFrom, warehouseId, lost: true };
  const { firstOffset } = await log.read(known.confirmedOffset, oneRecord);
  const namedOffset = Math.min(known.confirmedOffset, deliveredOffset ?? known.confirmedOffset);
  // Never beyond the offset: records that are gone before they were taken must be noticed.
  const cursor = Math.max(namedOffset, Math.min(firstOffset, known.offset));
  return { progress, cursor, warehouseId, lost: false };
}

/**
 * Which warehouse there is, and the first record that it should have and has not; `offset`: none. Dead letters
 * behind its last row look as if they were lost, and are read once more. Throws if the warehouse is another, or
 * empty, and the log is no longer whole.
 */
export async function findLost(
  { log, warehouse }: ConsumerParts,
  { offset, warehouseId: knownId }: ConsumerProgress,
): Promise<{ readonly warehouseId: string; readonly lostFrom: number }> {
  const warehouseId = await warehouse.id();
  if (offset === 0) return { warehouseId, lostFrom: 0 };
  const last = await warehouse.lastOffset(log.name, log.epoch);
  const { firstOffset } = await log.read(0, oneRecord);
  const isSame = knownId === undefined || knownId === warehouseId;
  if (isSame && last !== undefined) {
    return { warehouseId, lostFrom: Math.min(Math.max(last + 1, firstOffset), offset) };
  }
  if (firstOffset === 0) return { warehouseId, lostFrom: 0 };
  const message = `The warehouse lost the records of ${log.name}, and the log has none before ${firstOffset}: restore the warehouse from its backup.`;
  throw new OptamilError("service_unavailable", message);
}

/** A new log, or a lost store: the warehouse tells what of the log it has. */
async function startAnew(parts: ConsumerParts, storeIsLost: boolean): Promise<ConsumerStart> {
  const { log, store, warehouse, keepsBases = true, tell } = parts;
  const warehouseId = await warehouse.id();
  const { firstOffset } = await log.read(0, oneRecord);
  const last = await warehouse.lastOffset(log.name, log.epoch);
  const missing = firstOffset - (last ?? -1) - 1;
  if (missing > 0) {
    tell?.(
      `The warehouse lacks ${missing} records of ${log.name} before ${firstOffset}, where the log begins: usage and figures go on without them, unless a backup is restored.`,
    );
  }
  const offset = Math.max(firstOffset, last === undefined ? 0 : last + 1);
  // Counters that were loaded before the bases are restored count the whole log: all of it is named again.
  const cursor = storeIsLost && keepsBases ? Math.min(firstOffset, offset) : offset;
  const place = { offset, confirmedOffset: cursor };
  const progress = { epoch: log.epoch, ...place, trial: undefined, warehouseId };
  if (storeIsLost && keepsBases) await restoreBases(parts, progress);
  await store.save({ logName: log.name, progress });
  return { progress, cursor, warehouseId, lost: false };
}

/** Writes the sums of all accounts; the progress comes after them, or a crash here would hide the rest. */
async function restoreBases(parts: ConsumerParts, progress: ConsumerProgress): Promise<void> {
  const { log, store, warehouse } = parts;
  const version = { epoch: progress.epoch, offset: progress.offset };
  for (let after = ""; ; ) {
    const sums = await warehouse.sumsAfter(after, accountsPerPage);
    const last = sums.at(-1);
    if (last === undefined) return;
    after = last.accountId;
    await store.save({ logName: log.name, bases: sums.map((sum) => ({ ...sum, version })) });
  }
}
