// The ports of the warehouse: where events are kept for good, summed up, audited and asked about.
import type { TierName } from "../catalogue/tiers.ts";
import type { UsageEvent } from "../gen/optamil/v1/event_pb.ts";
import type { BudgetLimit } from "./event.ts";

/** Keeps events and sums them up. One row counts for each event, however often it is inserted. */
export interface Warehouse {
  /** Resolves when the rows are durable. Throws `BatchRejected` when trying again is no use. */
  insert(batch: EventBatch): Promise<void>;
  /** What the accounts have used in the periods: all that was inserted before the call. At most 1,000 accounts. */
  sums(accountIds: readonly string[], periodIds: readonly string[]): Promise<readonly PeriodSums[]>;
  /** The sums of all accounts, `limit` accounts at a time, those after the given one; none: no more. */
  sumsAfter(accountId: string, limit: number): Promise<readonly PeriodSums[]>;
  close(): Promise<void>;
}

/** What a consumer asks, to notice that the warehouse has lost rows. */
export interface StoredLogs {
  /** Names the warehouse; one that was wiped, or made anew, has another. */
  id(): Promise<string>;
  /** Offset of the last record of a log that it has; undefined: it has none. */
  lastOffset(logName: string, logEpoch: number): Promise<number | undefined>;
}

/** Consecutive records of one log, without the poisonous ones. */
export type EventBatch = {
  readonly logName: string;
  readonly logEpoch: number;
  readonly events: readonly PlacedEvent[];
};

/** An event and its place in the log. */
export type PlacedEvent = {
  readonly offset: number;
  readonly event: UsageEvent;
  /** The event's id as text, which is dear to make. */
  readonly eventId: string;
};

/** Micro-credits by tier. */
export type MicroByTier = Readonly<Record<TierName, bigint>>;

/** What an account has used in a period. */
export type PeriodSums = {
  readonly accountId: string;
  readonly periodId: string;
  readonly microByTier: MicroByTier;
};

/** Nothing used. */
export const nothingUsed: MicroByTier = { free: 0n, budget: 0n, mid: 0n, premium: 0n, ultra: 0n };

/** All tiers together, micro-credits. */
export function totalOf(microByTier: MicroByTier): bigint {
  return Object.values(microByTier).reduce((total, micro) => total + micro, 0n);
}

/** Names what sums belong to: an account's period, or a budget in it. */
export type LedgerName = Pick<PeriodSums, "accountId" | "periodId"> & {
  /** As in `BudgetLimit`. Default: the whole account. */
  readonly budgetId?: string | undefined;
};

/** The key of a ledger in a map. */
export function toLedgerKey({ accountId, periodId, budgetId = "" }: LedgerName): string {
  return `${periodId} ${accountId}\n${budgetId}`;
}

/** Rows that the warehouse refuses for what is in them. */
export class BatchRejected extends Error {
  override readonly name = "BatchRejected";
}

/** What counters ask that have lost what they knew. */
export interface BaseSource {
  /**
   * For each account and period, or budget in it, what was used, and which of the given events (rev 1 or more) that includes; in
   * their order. At most 1,000 accounts and `askedIdsMax` events.
   */
  bases(asked: readonly AskedBase[]): Promise<readonly StoredBase[]>;
}

/** Events that one question may name: a server takes 128 KiB in one parameter. */
export const askedIdsMax = 2_000;

/** A ledger, and events that may be part of its sums. */
export type AskedBase = LedgerName & { readonly eventIds: readonly string[] };

/** Sums, and the events asked about that are in them. */
export type StoredBase = {
  readonly microByTier: MicroByTier;
  readonly includedIds: readonly string[];
};

/** What the audits ask. */
export interface AuditedWarehouse {
  /** Sequence numbers by gateway boot. */
  boots(): Promise<readonly BootRecords[]>;
  /** Offsets by log. */
  logs(): Promise<readonly LogRecords[]>;
  /** Up to 100 events that are not stored exactly once, of one part of all ids. */
  oddEvents(part: number, parts: number): Promise<readonly OddEvent[]>;
  rows(): Promise<{ readonly rows: bigint; readonly effective: bigint }>;
}

/** Numbers that should be contiguous: how many there are, from where to where, and their sum. */
export type NumberRun = {
  readonly first: bigint;
  readonly last: bigint;
  readonly records: bigint;
  readonly total: bigint;
};

/** Sequence numbers of one boot of a gateway. */
export type BootRecords = NumberRun & { readonly gatewayId: string; readonly bootEpoch: bigint };

/** Offsets of one log. */
export type LogRecords = NumberRun & { readonly logName: string; readonly logEpoch: bigint };

/** An event with so many records in the log and so many rows that count. */
export type OddEvent = {
  readonly eventId: string;
  readonly records: number;
  readonly rows: number;
};

/** What people ask. */
export interface QueriedWarehouse {
  /**
   * The answer to one reading statement, as text in a ClickHouse format (default JSONEachRow). Bounded in
   * time, rows and bytes. Throws `invalid_request` with what is wrong with the statement.
   */
  sql(text: string, format?: string): Promise<string>;
  /** One event as it counts; undefined if the account has none of this id. */
  event(accountId: string, eventId: string): Promise<StoredEvent | undefined>;
  /** The last request of an account with an id as its client saw it; undefined if there is none. */
  eventOfRequest(accountId: string, requestId: string): Promise<StoredEvent | undefined>;
}

/** An event as it counts, as far as a refund or a feedback needs it. */
export type StoredEvent = {
  readonly eventId: string;
  readonly accountId: string;
  readonly periodId: string;
  /** request, rejected, adjustment, threshold or feedback. */
  readonly kind: string;
  /** Undefined where none served. */
  readonly tier: TierName | undefined;
  readonly creditsMicro: bigint;
  readonly keyId: string;
  readonly rootKeyId: string;
  readonly tag: string;
  readonly budgets: readonly BudgetLimit[];
};
