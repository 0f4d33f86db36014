// What counters load of an account or a budget: the sums of the warehouse, and what the log holds beyond them.
import type { TierName } from "../catalogue/tiers.ts";
import type { ConsumerRecords } from "./consumer-store.ts";
import { peekAccountId, toTierName } from "./event.ts";
import { parseRecord } from "./parse-record.ts";
import type { LogRecord, LogVersion, UsageLogReader } from "./usage-log.ts";
import { type MicroByTier, nothingUsed, toLedgerKey } from "./warehouse.ts";

/** An account's usage of a period as far as it is durable; what `admission` calls a LoadedBase. */
export type AccountTail = {
  readonly baseByTierMicro: MicroByTier;
  readonly version: LogVersion;
  /** Charged events beyond the version; no refunds. */
  readonly pending: readonly {
    readonly eventId: string;
    readonly tier: TierName;
    readonly creditsMicro: bigint;
  }[];
};

/** What it is read from. */
export type TailParts = {
  readonly log: UsageLogReader;
  readonly records: Pick<ConsumerRecords, "base" | "progress">;
};

/** Reads what a log holds of accounts and budgets beyond what is confirmed; the base is nothing: the warehouse has it. */
export interface UsageTail {
  /** The version is that up to which all is confirmed. */
  read(accountId: string, periodId: string, budgetId?: string): Promise<AccountTail>;
  close(): Promise<void>;
}

const limits = { eventsMax: 10_000, bytesMax: 8 * 1024 * 1024 };

/** Reads an account's base and its part of the log's tail: the tail is what the consumer is behind, seconds as a rule. */
export async function readAccountTail(
  accountId: string,
  periodId: string,
  { log, records }: TailParts,
): Promise<AccountTail> {
  const base = records.base(accountId, periodId);
  const progress = records.progress(log.name);
  const version = base?.version ?? { epoch: log.epoch, offset: 0 };
  const confirmed = progress?.epoch === log.epoch ? progress.confirmedOffset : 0;
  const from = version.epoch === log.epoch ? Math.max(version.offset, confirmed) : confirmed;
  const tails = await readTails(log, from, new Set([accountId]));
  const baseByTierMicro = base?.microByTier ?? nothingUsed;
  return { baseByTierMicro, version, pending: tails.pending(accountId, periodId) };
}

/** The tails of a log in this process, which stays open. */
export function createLogTail({ log, records }: TailParts): UsageTail {
  return {
    async read(accountId, periodId, budgetId) {
      const progress = records.progress(log.name);
      const offset = progress?.epoch === log.epoch ? progress.confirmedOffset : 0;
      const tails = await readTails(log, offset, new Set([accountId]));
      const pending = tails.pending(accountId, periodId, budgetId);
      return { baseByTierMicro: nothingUsed, version: { epoch: log.epoch, offset }, pending };
    },
    close: async () => undefined,
  };
}

/** What a log holds of some accounts from an offset on. */
export interface LogTails {
  /** Charged events, once each; with a budget those that were admitted under it. */
  pending(accountId: string, periodId: string, budgetId?: string): AccountTail["pending"];
}

/** Reads a log to its end. */
export async function readTails(
  log: UsageLogReader,
  fromOffset: number,
  accountIds: ReadonlySet<string>,
): Promise<LogTails> {
  const byLedger = new Map<string, Map<string, AccountTail["pending"][number]>>();
  for (let offset = fromOffset; ; ) {
    const { records: batch, endOffset } = await log.read(offset, limits);
    for (const record of batch) {
      // A look at the one field costs a fiftieth of decoding them all, and most are of other accounts.
      if (accountIds.has(peekAccountId(record.bytes) ?? "")) note(record, byLedger);
    }
    const last = batch.at(-1);
    if (last === undefined || last.offset + 1 >= endOffset) break;
    offset = last.offset + 1;
  }
  return {
    pending: (accountId, periodId, budgetId) => [
      ...(byLedger.get(toLedgerKey({ accountId, periodId, budgetId }))?.values() ?? []),
    ],
  };
}

function note(
  record: LogRecord,
  byLedger: Map<string, Map<string, AccountTail["pending"][number]>>,
): void {
  const parsed = parseRecord(record);
  // Poison will be a dead letter, which no sum includes.
  if (typeof parsed === "string") return;
  const { event, eventId } = parsed;
  const tier = toTierName(event.tier);
  // A refund shows when it is confirmed: before, sums could include it already, and it would count twice.
  if (event.rev === 0 || tier === undefined || event.creditsMicro <= 0n) return;
  const { accountId, periodId, creditsMicro } = event;
  for (const budgetId of [undefined, ...event.budgets.map(({ id }) => id)]) {
    const key = toLedgerKey({ accountId, periodId, budgetId });
    const pending = byLedger.get(key) ?? new Map();
    byLedger.set(key, pending.set(eventId, { eventId, tier, creditsMicro }));
  }
}
