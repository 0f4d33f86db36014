// Finds where a consumer goes on, from its store or, where that is lost, from the warehouse itself.
import { OptamilError } from "../platform/errors.ts";
import type { ConsumerParts } from "./consumer-parts.ts";
import type { ConsumerProgress } from "./consumer-store.ts";
import { afterDeath } from "./trial.ts";
import type { LogRecords } from "./warehouse.ts";

/** Where to go on. */
export type ConsumerStart = {
  readonly progress: ConsumerProgress;
  /** Record from which on accounts are found again whose sums are not confirmed. */
  readonly cursor: number;
  /** Whether the warehouse has lost the records from the cursor on: they are inserted again. */
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
  const lostFrom = await findLost(parts, known.offset);
  if (lostFrom < known.offset) return { progress, cursor: lostFrom, lost: true };
  const { firstOffset } = await log.read(known.confirmedOffset, oneRecord);
  const namedOffset = Math.min(known.confirmedOffset, deliveredOffset ?? known.confirmedOffset);
  // Never beyond the offset: records that are gone before they were taken must be noticed.
  return {
    progress,
    cursor: Math.max(namedOffset, Math.min(firstOffset, known.offset)),
    lost: false,
  };
}

/**
 * First record that the warehouse should have and has not; `offset`: none. Dead letters behind its last row
 * look as if they were lost, and are read once more. Throws if it is empty and the log is no longer whole.
 */
export async function findLost({ log, warehouse }: ConsumerParts, offset: number): Promise<number> {
  if (offset === 0) return 0;
  const run = toRunOf(log, await warehouse.logs());
  const { firstOffset } = await log.read(0, oneRecord);
  if (run !== undefined) return Math.min(Math.max(Number(run.last) + 1, firstOffset), offset);
  if (firstOffset === 0) return 0;
  const message = `The warehouse lost the records of ${log.name}, and the log has none before ${firstOffset}: restore the warehouse from its backup.`;
  throw new OptamilError("service_unavailable", message);
}

function toRunOf(log: ConsumerParts["log"], runs: readonly LogRecords[]): LogRecords | undefined {
  return runs.find(
    ({ logName, logEpoch }) => logName === log.name && logEpoch === BigInt(log.epoch),
  );
}

/** A new log, or a lost store: the warehouse tells what of the log it has. */
async function startAnew(parts: ConsumerParts, storeIsLost: boolean): Promise<ConsumerStart> {
  const { log, store, warehouse, keepsBases = true } = parts;
  const { firstOffset } = await log.read(0, oneRecord);
  const run = toRunOf(log, await warehouse.logs());
  const offset = Math.max(firstOffset, run === undefined ? 0 : Number(run.last) + 1);
  const progress = { epoch: log.epoch, offset, confirmedOffset: offset, trial: undefined };
  if (storeIsLost && keepsBases) await restoreBases(parts, progress);
  await store.save({ logName: log.name, progress });
  return { progress, cursor: offset, lost: false };
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
