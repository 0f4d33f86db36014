// The ports of what the consumer knows: written by it alone, read by gateway and audits too.
import type { Trial } from "./trial.ts";
import type { LogVersion } from "./usage-log.ts";
import type { MicroByTier } from "./warehouse.ts";

/** Where a consumer keeps how far it is. */
export interface ConsumerStore {
  /** How far the log of this name is consumed; undefined: it never was. */
  progress(logName: string): ConsumerProgress | undefined;
  /** Writes all of it or nothing; resolves when it survives the process. */
  save(change: StoreChange): Promise<void>;
  close(): Promise<void>;
}

/** What others read of it. */
export interface ConsumerRecords {
  /** What the warehouse had counted for an account and period when it was last asked; undefined: nothing. */
  base(accountId: string, periodId: string): Base | undefined;
  /** Bases in the order of account and period, those after the given account; none: no more. */
  basesAfter(accountId: string, limit: number): readonly Base[];
  /** Poisonous records from an offset on. */
  deadLetters(logName: string, fromOffset: number, limit: number): readonly DeadLetter[];
  progress(logName: string): ConsumerProgress | undefined;
  close(): Promise<void>;
}

/** How far a log is consumed. */
export type ConsumerProgress = {
  readonly epoch: number;
  /** Records below are in the warehouse or dead letters. */
  readonly offset: number;
  /** Events below are part of their account's base. */
  readonly confirmedOffset: number;
  /** The batch on its way to the warehouse. */
  readonly trial: Trial | undefined;
  /** The warehouse that has the records below `offset`; undefined: not known yet. */
  readonly warehouseId?: string | undefined;
};

/** What changes at once. */
export type StoreChange = {
  readonly logName: string;
  readonly progress?: ConsumerProgress | undefined;
  readonly deadLetters?: readonly DeadLetter[] | undefined;
  readonly bases?: readonly Base[] | undefined;
};

/** Sums of an account and period: all effective events below `version`. */
export type Base = {
  readonly accountId: string;
  readonly periodId: string;
  readonly microByTier: MicroByTier;
  readonly version: LogVersion;
};

/** A record that could not be taken. */
export type DeadLetter = {
  readonly offset: number;
  readonly bytes: Uint8Array;
  /** Why, in a few words. */
  readonly reason: string;
  /** Unix milliseconds. */
  readonly atMs: number;
};
