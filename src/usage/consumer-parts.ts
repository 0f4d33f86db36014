// What a consumer works with, and what it tells the counters: types only.
import type { Clock } from "../platform/clock.ts";
import type { ConsumerStore } from "./consumer-store.ts";
import type { LastExit } from "./trial.ts";
import type { BatchLimits, LogVersion, UsageLogReader } from "./usage-log.ts";
import type { BaseSource, LedgerName, MicroByTier, StoredLogs, Warehouse } from "./warehouse.ts";

/** What a consumer works with. */
export type ConsumerParts = {
  readonly log: UsageLogReader;
  readonly warehouse: Warehouse & StoredLogs & BaseSource;
  readonly store: ConsumerStore;
  readonly clock: Clock;
  /**
   * Hands sums to the counters. They are given again after a crash, so that taking them twice must change
   * nothing.
   */
  readonly deliver: (confirmation: Confirmation) => Promise<void>;
  /** Told, in one line, what of the log no warehouse will ever have. Default: nobody. */
  readonly tell?: ((message: string) => void) | undefined;
  /** How the last process ended, if it died at work. Default "killed". */
  readonly lastExit?: LastExit | undefined;
  /** What the counters are known to have taken; ids from there on are named again. Default: all. */
  readonly deliveredOffset?: number | undefined;
  /** Whether the store keeps bases, so that a lost one is filled from the warehouse. Default true. */
  readonly keepsBases?: boolean | undefined;
  /** Default 10,000 events and 8 MiB: some 200 ms of work. */
  readonly limits?: BatchLimits | undefined;
};

/** What the warehouse has counted: absolute sums, and the events that they include. */
export type Confirmation = {
  /** Every event below is in a base by now, whether of this confirmation or an earlier one. */
  readonly confirmedOffset: number;
  /** Those of budgets first: a request leaves them before it leaves its account. */
  readonly sums: readonly ConfirmedPeriod[];
};

/** Sums of one account and period, or of a budget in it, in the shape that the counters take. */
export type ConfirmedPeriod = LedgerName & {
  /** All effective events below `version`. */
  readonly baseByTierMicro: MicroByTier;
  /** Events with rev 1 or more among them that no earlier confirmation has named. */
  readonly includedIds: readonly string[];
  readonly version: LogVersion;
};
