// What counters load of an account or a budget: the sums of the warehouse, and what the log holds beyond them.
import type { TierName } from "../catalogue/tiers.ts";
import type { ConsumerRecords } from "./consumer-store.ts";
import { peekAccountId } from "./event.ts";
import { toTierName } from "./event-decision.ts";
import { parseRecord } from "./parse-record.ts";
import type { LogRecord, LogVersion, UsageLogReader } from "./usage-log.ts";
import { type MicroByTier, nothingUsed, toLedgerKey } from "./warehouse.ts";

/** An account's usage of a period as far as it is durable; what `admission` calls a LoadedBase. */
export type AccountTail = {
  readonly baseByTierMicro: MicroByTier;
  readonly version: LogVersion;
  /** Charged events beyond the version; no refunds. */
  readonly pending: readonly ChargedRecord[];
  /** Of a budget: those of its key or tag that were admitted while it was not set; nobody will name them. */
  readonly strays?: readonly ChargedRecord[] | undefined;
};

/** What the log says of a charge. */
export type ChargedRecord = {
  readonly eventId: string;
  readonly tier: TierName;
  readonly creditsMicro: bigint;
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
  return { baseByTierMicro, version, ...tails.of(accountId, periodId) };
}

/** The tails of a log in this process, which stays open. */
export function createLogTail({ log, records }: TailParts): UsageTail {
  return {
    async read(accountId, periodId, budgetId) {
      const progress = records.progress(log.name);
      const offset = progress?.epoch === log.epoch ? progress.confirmedOffset : 0;
      const tails = await readTails(log, offset, new Set([accountId]));
      const version = { epoch: log.epoch, offset };
      return {
        ...{ baseByTierMicro: nothingUsed, version },
        ...tails.of(accountId, periodId, budgetId),
      };
    },
    close: async () => undefined,
  };
}

/** What a log holds of some accounts from an offset on. */
export interface LogTails {
  /** Charged events, once each; with a budget those that were admitted under it, and its strays. */
  of(
    accountId: string,
    periodId: string,
    budgetId?: string,
  ): Pick<AccountTail, "pending" | "strays">;
}

/** A charge, the budgets that it was admitted under, and those of its key and tag. */
type TailRecord = {
  readonly charge: ChargedRecord;
  readonly named: readonly string[];
  readonly possible: readonly string[];
};

/** By `toLedgerKey` of the account's period, then by event id. */
type TailRecords = Map<string, Map<string, TailRecord>>;

/** Reads a log to its end. */
export async function readTails(
  log: UsageLogReader,
  fromOffset: number,
  accountIds: ReadonlySet<string>,
): Promise<LogTails> {
  const records: TailRecords = new Map();
  for (let offset = fromOffset; ; ) {
    const { records: batch, endOffset } = await log.read(offset, limits);
    for (const record of batch) {
      // A look at the one field costs a fiftieth of decoding them all, and most are of other accounts.
      if (accountIds.has(peekAccountId(record.bytes) ?? "")) note(record, records);
    }
    const last = batch.at(-1);
    if (last === undefined || last.offset + 1 >= endOffset) break;
    offset = last.offset + 1;
  }
  return {
    of(accountId, periodId, budgetId) {
      const all = [...(records.get(toLedgerKey({ accountId, periodId }))?.values() ?? [])];
      if (budgetId === undefined) return { pending: all.map(({ charge }) => charge) };
      const chargesOf = (isMeant: (record: TailRecord) => boolean) =>
        all.filter(isMeant).map(({ charge }) => charge);
      return {
        pending: chargesOf(({ named }) => named.includes(budgetId)),
        strays: chargesOf(
          ({ named, possible }) => !named.includes(budgetId) && possible.includes(budgetId),
        ),
      };
    },
  };
}

function note(record: LogRecord, records: TailRecords): void {
  const parsed = parseRecord(record);
  // Poison will be a dead letter, which no sum includes.
  if (typeof parsed === "string") return;
  const { event, eventId } = parsed;
  const tier = toTierName(event.tier);
  // A refund shows when it is confirmed: before, sums could include it already, and it would count twice.
  if (event.rev === 0 || tier === undefined || event.creditsMicro <= 0n) return;
  const { accountId, periodId, creditsMicro, rootKeyJti, keyJti, tag } = event;
  const key = toLedgerKey({ accountId, periodId });
  const known = records.get(key) ?? new Map<string, TailRecord>();
  records.set(key, known);
  known.set(eventId, {
    charge: { eventId, tier, creditsMicro },
    named: event.budgets.map(({ id }) => id),
    possible: [`key:${rootKeyJti || keyJti}`, ...(tag === "" ? [] : [`tag:${tag}`])],
  });
}
