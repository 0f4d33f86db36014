// What metering stands on: types only.
import type { Counters, Limits } from "../admission/counters.ts";
import type { Model } from "../catalogue/models.ts";
import type { Spending } from "../directory/budgets.ts";
import type { Caller } from "../keys/verify.ts";
import type { Clock } from "../platform/clock.ts";
import type { UuidSource } from "../platform/uuid.ts";
import type { Schedule } from "../usage/charge.ts";
import type { UsageLog } from "../usage/usage-log.ts";
import type { Rejections } from "./rejections.ts";
import type { Thresholds } from "./thresholds.ts";

/** What an account may use. */
export type Entitlement = {
  readonly limits: Limits;
  /** Granted for the current period. */
  readonly totalMicro: bigint;
  /** How far charges above their holds may carry it past that. */
  readonly overdraftMicro: bigint;
};

/** What metering stands on. */
export type MeterParts = {
  readonly counters: Counters;
  readonly usageLog: Pick<UsageLog, "hold" | "hurry" | "append">;
  readonly clock: Clock;
  readonly uuids: UuidSource;
  readonly schedule: Schedule;
  /** Against whose cost savings are counted, of a caller's requests that are admitted now. */
  readonly baselineOf: (caller: Caller) => Model | undefined;
  /** What the account of a caller may use now. */
  readonly entitlementOf: (caller: Caller) => Entitlement;
  /** Whose spending a request of a caller is, under a tag. */
  readonly spendingOf: (caller: Caller, tag: string | undefined) => Spending;
  readonly rejections: Rejections;
  readonly thresholds: Thresholds;
};
