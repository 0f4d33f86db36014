// Part of the composition root: limits, credits and usage, over parts that are this process's own or others'.
import assert from "node:assert/strict";
import type { Awaitable, Counters, LoadedBase } from "./admission/counters.ts";
import type { Idempotency } from "./admission/idempotency.ts";
import { createPeriodFinder } from "./admission/period.ts";
import type { Model } from "./catalogue/models.ts";
import type { Plans } from "./catalogue/plans.ts";
import { Meter } from "./chat/meter.ts";
import type { Entitlement } from "./chat/meter-parts.ts";
import { RecordingRoom } from "./chat/recorder.ts";
import { Rejections } from "./chat/rejections.ts";
import { Thresholds } from "./chat/thresholds.ts";
import { findSpending } from "./directory/budgets.ts";
import type { Directory, DirectoryReader } from "./directory/directory.ts";
import { entitlementOf } from "./directory/entitlement.ts";
import type { Caller } from "./keys/verify.ts";
import { systemClock } from "./platform/clock.ts";
import type { Log } from "./platform/log.ts";
import type { UuidSource } from "./platform/uuid.ts";
import type { AccountSql } from "./usage/account-sql.ts";
import type { AnalyticsWarehouse } from "./usage/analytics.ts";
import type { Finding } from "./usage/audit.ts";
import { defaultSchedule } from "./usage/charge.ts";
import type { ContentStore } from "./usage/content-store.ts";
import { createGiveFeedback, type GiveFeedback } from "./usage/feedback.ts";
import { createRefundUsage } from "./usage/refund.ts";
import type { UsageLog, UsageLogStatus } from "./usage/usage-log.ts";
import { nothingUsed, type StoredEvent } from "./usage/warehouse.ts";

/** What metering is opened with. */
export type MeteringOptions = {
  readonly dataDirectory: string;
  /** Name of this gateway in its events. */
  readonly gatewayId: string;
  /** The program to fork for the consumer. */
  readonly entry: string;
  readonly directory: DirectoryReader & Pick<Directory, "onChange">;
  readonly plans: Plans;
  /** Against whose cost a caller's savings are counted now. */
  readonly baselineOf: (caller: Caller) => Model | undefined;
  readonly uuids: UuidSource;
  readonly log: Log;
  /** Ends the process: nothing can be recorded any more. */
  readonly onBroken: (cause: unknown) => void;
};

/** Metering that is open. */
export type Metering = {
  readonly meter: Meter;
  readonly counters: Counters;
  readonly entitlement: (caller: Caller) => Entitlement;
  readonly idempotency: Idempotency;
  readonly recordings: RecordingRoom;
  readonly sql: (text: string, format: string | undefined) => Promise<string>;
  readonly audit: () => Promise<readonly Finding[]>;
  /** Within bounds of its own. */
  readonly analytics: AnalyticsWarehouse;
  /** SQL of accounts, within bounds of its own; undefined where no server keeps roles. */
  readonly accountSql: AccountSql | undefined;
  /** Where replicas keep content together; undefined: it is this machine's own. */
  readonly content: ContentStore | undefined;
  readonly refund: ReturnType<typeof createRefundUsage>;
  /** How the parts are, as far as this process knows, for metrics. */
  readonly status: () => MeteringStatus;
  /** How they are now, wherever they are. */
  readonly freshStatus: () => Awaitable<FreshStatus>;
  readonly giveFeedback: GiveFeedback;
  close(): Promise<void>;
};

/** How the parts of metering are. */
export type MeteringStatus = {
  /** Undefined: another process of this gateway has the log. */
  readonly log?: UsageLogStatus | undefined;
  /** The consumer of this machine; undefined in a fleet, where it has its own process. */
  readonly consumer?: ConsumerStatus | undefined;
  /** Whether the counters that replicas share can be trusted; undefined: they are this process's own. */
  readonly countersUp?: boolean | undefined;
  /** Whether they are so slow that requests go ahead of them. */
  readonly countersSlow?: boolean | undefined;
  /** Whether the warehouse that replicas share answers; undefined: it is this machine's own. */
  readonly warehouseUp?: boolean | undefined;
  /** Events so far that ended on the disk alone though Kafka should have had them. */
  readonly degradedEvents?: number | undefined;
};

/** How the parts of metering are, the log for certain, and what is admitted and has not ended. */
export type FreshStatus = MeteringStatus & {
  readonly log: UsageLogStatus;
  readonly held: { readonly open: number; readonly micro: bigint };
};

/** The consumer of this machine, as far as this process knows. */
export type ConsumerStatus = {
  readonly ready: boolean;
  /** Records in the log that it has not taken. */
  lag: number;
  /** Starts after the first one. */
  readonly restarts: number;
  /** Records that no warehouse can take. */
  dead: number;
  /** When its sums were last taken over, Unix milliseconds; undefined: not yet. */
  confirmedAtMs?: number | undefined;
};

/** Where requests are recorded. */
export type RecordingLog = Pick<UsageLog, "hold" | "hurry" | "append">;

/** What metering is put together from. */
export type MeteringParts = {
  readonly counters: Counters;
  readonly usageLog: RecordingLog;
  readonly idempotency: Idempotency;
  /** Forgets some old keys; whether there may be more. */
  readonly sweepIdempotency: () => Promise<boolean>;
  readonly warehouse: {
    sql(text: string, format: string | undefined): Promise<string>;
    audit(): Promise<readonly Finding[]>;
    event(accountId: string, eventId: string): Promise<StoredEvent | undefined>;
    eventOfRequest(accountId: string, requestId: string): Promise<StoredEvent | undefined>;
    readonly analytics: AnalyticsWarehouse;
    readonly accountSql?: AccountSql | undefined;
    readonly content?: ContentStore | undefined;
  };
  /** What this process knows of the parts. */
  readonly status: () => MeteringStatus;
  /** How they are now. Default: what this process knows, which has the log. */
  readonly freshStatus?: (() => Promise<FreshStatus>) | undefined;
  /** Closes what the parts are made of, after the last request. */
  readonly close: () => Promise<void>;
};

/** Nothing used, and nothing known. */
export const nothingLoaded: LoadedBase = {
  baseByTierMicro: nothingUsed,
  version: { epoch: 0, offset: 0 },
  pending: [],
};

/** Metering over its parts, whatever they are made of, and the work of each second. */
export function assembleMetering(options: MeteringOptions, parts: MeteringParts): Metering {
  const { counters, usageLog, idempotency, warehouse } = parts;
  const entitlement = createEntitlement(options);
  const meter = createMeter(options, counters, usageLog, entitlement);
  const ticks = startTicks(meter, parts.sweepIdempotency, options.log);
  const leave = options.directory.onChange(({ change }) => {
    // Whoever has a leaked key shall not even finish what he began.
    const isLeak = change.case === "keyRevoked" && change.value.reason === "leaked";
    if (isLeak) meter.cut(change.value.keyId);
  });
  return {
    meter,
    counters,
    entitlement,
    idempotency,
    recordings: new RecordingRoom(),
    sql: warehouse.sql,
    audit: warehouse.audit,
    analytics: warehouse.analytics,
    accountSql: warehouse.accountSql,
    content: warehouse.content,
    refund: createRefundUsage({ findEvent: warehouse.event, usageLog, clock: systemClock }),
    status: parts.status,
    freshStatus: parts.freshStatus ?? (() => toFresh(parts.status(), meter)),
    giveFeedback: createGiveFeedback({
      findEvent: warehouse.event,
      findRequest: warehouse.eventOfRequest,
      usageLog,
      clock: systemClock,
      uuids: options.uuids,
    }),
    async close() {
      leave();
      await ticks.stop();
      await parts.close();
    },
  };
}

function toFresh(status: MeteringStatus, { held }: Meter): FreshStatus {
  const { log } = status;
  assert(log !== undefined, "nobody has the usage log");
  return { ...status, log, held };
}

function createEntitlement({ directory, plans }: MeteringOptions): (caller: Caller) => Entitlement {
  const periodAt = createPeriodFinder();
  return ({ accountId, plan }) =>
    entitlementOf(directory.account(accountId), plans, periodAt(systemClock.wallMs()).id, plan);
}

function createMeter(
  { baselineOf, uuids, log, directory }: MeteringOptions,
  counters: Counters,
  usageLog: RecordingLog,
  entitlement: (caller: Caller) => Entitlement,
): Meter {
  return new Meter({
    counters,
    usageLog,
    clock: systemClock,
    uuids,
    schedule: defaultSchedule,
    baselineOf,
    entitlementOf: entitlement,
    spendingOf: (caller, tag) => findSpending(directory, caller, tag),
    thresholds: new Thresholds({
      usageLog,
      onReached: ({ accountId, periodId, budget, usedMicro }, percent) =>
        log.warn(
          {
            account_id: accountId,
            period: periodId,
            budget: budget.id,
            percent,
            used: Number(usedMicro) / 1e6,
          },
          "a budget threshold is reached",
        ),
      onError: (error) => log.warn({ error: String(error) }, "a threshold was not recorded"),
      wallMs: () => systemClock.wallMs(),
    }),
    rejections: new Rejections(usageLog, (error) =>
      log.warn({ error: String(error) }, "a refusal was not recorded"),
    ),
  });
}

const tickMs = 1_000;
/** A hold's lease is 30 s. */
const renewEveryTicks = 10;

/** The work of each second: leases, dead holds, sampled refusals, old idempotency keys. One round at a time. */
export function startTicks(
  meter: Pick<Meter, "tick">,
  sweepIdempotency: () => Promise<boolean>,
  log: Log,
): { stop(): Promise<void> } {
  let round: Promise<void> | undefined;
  let ticks = 0;
  const run = async () => {
    try {
      await meter.tick(ticks++ % renewEveryTicks === 0);
      while (await sweepIdempotency());
    } catch (error) {
      log.error({ error: String(error) }, "the work of a second failed");
    } finally {
      round = undefined;
    }
  };
  const timer = setInterval(() => {
    round ??= run();
  }, tickMs);
  return {
    async stop() {
      clearInterval(timer);
      await round;
      await run();
    },
  };
}
