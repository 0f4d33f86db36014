// The port of the counters: limits and credits as one state machine, each operation one atomic step.
import type { TierName } from "../catalogue/tiers.ts";

/** What an adapter gives: memory at once, a remote store later. */
export type Awaitable<Value> = Value | Promise<Value>;

/**
 * The counters of all accounts. The adapter has its own clock; callers never pass the time.
 *
 * Life of an event id: `admit` makes a hold; `settle` turns it into pending usage, `release` drops it, and
 * `sweep` turns one whose lease has ended into a tombstone; `confirm` takes it out, as its charge has
 * become part of the base. Repeating any operation changes nothing.
 */
export interface Counters {
  /** Takes a place in every window and the credit hold, or nothing at all. */
  admit(request: AdmitRequest): Awaitable<Admission>;
  /** A charged end: the hold becomes pending usage. Only after the event is durable. */
  settle(eventId: string, settlement: Settlement): Awaitable<SettleResult>;
  /** A free end: the hold goes, the places in the request windows stay taken. */
  release(eventId: string, release: Release): Awaitable<void>;
  /** Renews the leases of requests that are alive, every `renewEveryMs`, and before any `sweep`. */
  renew(holds: readonly HoldRef[]): Awaitable<void>;
  /**
   * Frees holds whose lease has ended, `sweptMax` a call; to be called every second. For each one returned
   * the caller records GATEWAY_ABORT, rev 0.
   */
  sweep(): Awaitable<readonly SweptHold[]>;
  /** Takes over what the warehouse has counted. */
  confirm(sums: ConfirmedSums): Awaitable<void>;
  /** Where an account stands against its limits, without taking anything. */
  rate(
    load: Pick<AdmitRequest, "accountId" | "keyId" | "limits" | "keyLimits">,
  ): Awaitable<RateSnapshot>;
  /**
   * The current period of an account, or of one of its budgets; includes every settlement made before the call.
   * `totalMicro`: what was granted, or the budget.
   */
  usage(accountId: string, totalMicro: bigint, budgetId?: string): Awaitable<AccountUsage>;
}

/** A hold frees itself this long after its last renewal. */
export const leaseMs = 30_000;
/** How often the holds of living requests are renewed. */
export const renewEveryMs = 10_000;
/** Holds that one `sweep` frees at most. */
export const sweptMax = 1_000;

/** Micro-credits by tier. */
export type MicroByTier = Readonly<Record<TierName, bigint>>;

/** How fast an account or key may go; each 1 or more. */
export interface Limits {
  /** In any 60 seconds. */
  readonly requestsPerMinute: number;
  /** In a UTC day. */
  readonly requestsPerDay: number;
  /** Prompt and completion, in any 60 seconds. */
  readonly tokensPerMinute: number;
}

/** What a request asks for. */
export type AdmitRequest = {
  /** A fresh UUIDv7; admitting the id of an open hold again gives that hold. */
  readonly eventId: string;
  readonly accountId: string;
  readonly keyId: string;
  /** The account's limits, shared by all its keys. */
  readonly limits: Limits;
  /** Narrower limits of the key; default none. */
  readonly keyLimits?: Partial<Limits> | undefined;
  /** Requests of the key that may run at once; default any number. */
  readonly keyRunningMax?: number | undefined;
  /** Windows within the key's, such as those of one model: requests alone, no tokens. Default none. */
  readonly parts?: readonly KeyPart[] | undefined;
  /** Estimate of prompt and completion, corrected when the request ends. */
  readonly tokens: number;
  /** Granted for the period. */
  readonly totalMicro: bigint;
  /** How far charges above their holds may carry the account past its total; 0 or more. */
  readonly overdraftMicro: bigint;
  /** The most that the request can cost by its estimate. */
  readonly holdMicro: bigint;
  /** The lowest price at which it can be served, 0 to `holdMicro`. */
  readonly lowestMicro: bigint;
  /**
   * A smaller hold that would do, `lowestMicro` to `holdMicro`, for a caller that can then bound the
   * completion or the choice of models by `heldMicro`. Default `holdMicro`: all or refused.
   */
  readonly leastHoldMicro?: bigint | undefined;
  /** What the charge counts against beside the account: the hold is taken of all or none. Default none. */
  readonly budgets?: readonly Budget[] | undefined;
};

/** A part of an account's credits that may be used in a period, and no more: it has no overdraft. */
export type Budget = {
  /** Names it within the account, without "," and "|": "key:<id>", "tag:<name>". */
  readonly id: string;
  readonly limitMicro: bigint;
};

/** A part of what a key asks for, with limits of its own. */
export type KeyPart = {
  /** Names it within the key: "model gpt-5", "tier ultra". */
  readonly id: string;
  readonly limits: Partial<Pick<Limits, "requestsPerMinute" | "requestsPerDay">>;
};

/** The answer to `admit`. */
export type Admission = Admitted | Refused;

/** The request may go on, and its hold is open. */
export type Admitted = {
  readonly admitted: true;
  /** The billing period to which the request belongs, however late it ends: "2026-04". */
  readonly periodId: string;
  /** Unix milliseconds of the admission. */
  readonly admittedAtMs: number;
  readonly heldMicro: bigint;
  /** The most that may be charged: the hold, and what of the overdraft is reserved for it. */
  readonly chargeMaxMicro: bigint;
  /** Used of each budget of the request so far, in their order; absent: it has none. */
  readonly budgetsUsedMicro?: readonly bigint[] | undefined;
  readonly rate: RateSnapshot;
};

/** The request has taken nothing. */
export type Refused = {
  readonly admitted: false;
  readonly reason: RefusalReason;
  /** Whose limit refused; credits are the account's, or a budget's. */
  readonly scope: "account" | "key";
  /** Id of the part of the key whose limit refused; undefined: none of them. */
  readonly part?: string | undefined;
  /** Id of the budget that lacks credits; undefined: the account does. */
  readonly budget?: string | undefined;
  /**
   * When the same request would be admitted if nothing else came: not a second earlier. Undefined where
   * waiting does not help ("credits", "too-large").
   */
  readonly retryAfterMs: number | undefined;
  readonly rate: RateSnapshot;
};

/** The three windows, by the names that `X-RateLimit-Window` shows. */
export type WindowName = "requests-minute" | "requests-day" | "tokens-minute";

/**
 * Why a request is refused. A window: it is full. "running": as many of the key run as may. "too-large": the estimate exceeds the whole
 * tokens-minute limit. "credits": not enough even if every open request ended at its lowest price.
 * "credits-held": enough if they did. Windows come before credits.
 */
export type RefusalReason = WindowName | "running" | "too-large" | "credits" | "credits-held";

/** The windows after the decision; where the key has a limit of its own, the one with less left. */
export type RateSnapshot = Readonly<Record<WindowName, WindowState>>;

/** One window. */
export type WindowState = {
  readonly limit: number;
  /** 0 or more. */
  readonly remaining: number;
  /** Until all of the limit is free again if nothing more is admitted; 0 when it is. */
  readonly resetAfterMs: number;
};

/** How a charged request ended. */
export type Settlement = {
  readonly accountId: string;
  /** Tier of the model that answered. */
  readonly tier: TierName;
  /** What the durable event charges: 0 to the admission's `chargeMaxMicro`. */
  readonly creditsMicro: bigint;
  /** Tokens used; they replace the estimate. */
  readonly tokens: number;
};

/** "settled-late": the hold had been swept. "ignored": settled, released or confirmed before, or unknown. */
export type SettleResult = "settled" | "settled-late" | "ignored";

/** How a free request ended. */
export type Release = {
  readonly accountId: string;
  /** Tokens used all the same; they replace the estimate. */
  readonly tokens: number;
};

/** Names an open hold. */
export type HoldRef = { readonly eventId: string; readonly accountId: string };

/** A hold whose request has died. */
export type SweptHold = {
  readonly eventId: string;
  readonly accountId: string;
  readonly keyId: string;
  readonly periodId: string;
  readonly admittedAtMs: number;
  readonly heldMicro: bigint;
};

/** Place in the usage log up to which something is known. A later epoch is later than any offset. */
export type LogVersion = { readonly epoch: number; readonly offset: number };

/** What the warehouse knows of one account and period, or of a budget in it. */
export type ConfirmedSums = {
  readonly accountId: string;
  readonly periodId: string;
  /** Default: the whole account. Sums of budgets come before those of their account. */
  readonly budgetId?: string | undefined;
  /** All effective events up to `version`; replaces the base unless that is as late or later. */
  readonly baseByTierMicro: MicroByTier;
  /**
   * Events with rev 1 or more that these sums include and no earlier confirm has named: they leave what is
   * open, even where the sums come too late. Swept events (rev 0) are not named: they may still settle.
   */
  readonly includedIds: readonly string[];
  readonly version: LogVersion;
};

/** What an account has used of a period. used = Σ tiers; used + remaining = total unless used is more. */
export type AccountUsage = {
  readonly periodId: string;
  /** Unix milliseconds, first of the period. */
  readonly periodStartMs: number;
  /** Unix milliseconds, first after the period. */
  readonly periodEndMs: number;
  readonly usedByTierMicro: MicroByTier;
  readonly usedMicro: bigint;
  /** 0 or more; open holds do not lower it. */
  readonly remainingMicro: bigint;
  readonly totalMicro: bigint;
  /** Held by open requests. */
  readonly heldMicro: bigint;
};

/**
 * Reads what is durable of an account and period, or of a budget in it, when it is used for the first time or after it was idle.
 * Must have a deadline of its own; if it throws, the waiting calls throw the same and the next one tries anew.
 */
export type LoadBase = (
  accountId: string,
  periodId: string,
  budgetId?: string,
) => Awaitable<LoadedBase>;

/** The base, and the log behind it. */
export type LoadedBase = {
  readonly baseByTierMicro: MicroByTier;
  readonly version: LogVersion;
  /** Settled events of this period beyond `version`. */
  readonly pending: readonly PendingUsage[];
  /** What the limits need to hold across a restart; default nothing. */
  readonly traffic?: RecentTraffic | undefined;
};

/** A settled event that no sum includes yet. */
export type PendingUsage = {
  readonly eventId: string;
  readonly tier: TierName;
  readonly creditsMicro: bigint;
};

/** The recent admissions of an account. */
export type RecentTraffic = {
  /** Those of the last 60 seconds, oldest first. */
  readonly requests: readonly {
    readonly keyId: string;
    readonly admittedAtMs: number;
    readonly tokens: number;
  }[];
  /** Requests of the current UTC day by key id. */
  readonly todayByKey: ReadonlyMap<string, number>;
};
