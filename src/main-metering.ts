// Part of the composition root: limits, credits and usage, and the consumer in its own process.
import { mkdir } from "node:fs/promises";
import { setPriority } from "node:os";
import { join } from "node:path";
import type { Counters, LoadedBase } from "./admission/counters.ts";
import type { Idempotency } from "./admission/idempotency.ts";
import { openLmdbIdempotency } from "./admission/lmdb-idempotency.ts";
import { MemoryCounters } from "./admission/memory.ts";
import { createPeriodFinder } from "./admission/period.ts";
import type { Model } from "./catalogue/models.ts";
import type { Plans } from "./catalogue/plans.ts";
import { Meter } from "./chat/meter.ts";
import type { Entitlement } from "./chat/meter-parts.ts";
import { readsPrefix } from "./chat/reads.ts";
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
import { createLogTail, readAccountTail } from "./usage/account-tail.ts";
import type { AnalyticsWarehouse } from "./usage/analytics.ts";
import { boundAnalytics } from "./usage/analytics-room.ts";
import type { Finding } from "./usage/audit.ts";
import { openUsageBases, type UsageBases } from "./usage/bases.ts";
import { defaultSchedule } from "./usage/charge.ts";
import { type ChildPort, runConsumerChild } from "./usage/child.ts";
import type { ConsumerRecords } from "./usage/consumer-store.ts";
import { createGiveFeedback, type GiveFeedback } from "./usage/feedback.ts";
import { type LmdbUsageLog, openLmdbUsageLog } from "./usage/lmdb.ts";
import { openLmdbUsageLogReader } from "./usage/lmdb-reader.ts";
import { openLmdbConsumerStore } from "./usage/lmdb-store.ts";
import { type RecentRequest, readRecentRequests } from "./usage/recent-requests.ts";
import { createRefundUsage } from "./usage/refund.ts";
import { type ConsumerSupervisor, forkConsumer, superviseConsumer } from "./usage/supervisor.ts";
import type { UsageLog, UsageLogStatus } from "./usage/usage-log.ts";
import { type AskedBase, nothingUsed, type StoredEvent } from "./usage/warehouse.ts";

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
  readonly refund: ReturnType<typeof createRefundUsage>;
  /** How the parts are, for metrics. */
  readonly status: () => MeteringStatus;
  readonly giveFeedback: GiveFeedback;
  close(): Promise<void>;
};

/** How the parts of metering are. */
export type MeteringStatus = {
  readonly log: UsageLogStatus;
  /** The consumer of this machine; undefined in a fleet, where it has its own process. */
  readonly consumer?: ConsumerStatus | undefined;
  /** Whether the counters that replicas share can be trusted; undefined: they are this process's own. */
  readonly countersUp?: boolean | undefined;
  /** Whether the warehouse that replicas share answers; undefined: it is this machine's own. */
  readonly warehouseUp?: boolean | undefined;
  /** Events so far that ended on the disk alone though Kafka should have had them. */
  readonly degradedEvents?: number | undefined;
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

/** What metering is put together from. */
export type MeteringParts = {
  readonly counters: Counters;
  readonly usageLog: UsageLog;
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
  };
  /** What is known of the parts beside the usage log. */
  readonly status: () => Omit<MeteringStatus, "log">;
  /** Closes what the parts are made of, after the last request. */
  readonly close: () => Promise<void>;
};

/** Nothing used, and nothing known. */
export const nothingLoaded: LoadedBase = {
  baseByTierMicro: nothingUsed,
  version: { epoch: 0, offset: 0 },
  pending: [],
};

/** The folders of a gateway that is alone. */
export const folders = (dataDirectory: string) => ({
  usage: join(dataDirectory, "usage"),
  consumer: join(dataDirectory, "consumer"),
  warehouse: join(dataDirectory, "warehouse"),
  idempotency: join(dataDirectory, "idempotency"),
});

/** Opens the usage log, the counters over it, the meter, and the consumer that feeds the warehouse. */
export async function openMeter(options: MeteringOptions): Promise<Metering> {
  const { dataDirectory, gatewayId, onBroken } = options;
  const clock = systemClock;
  const paths = folders(dataDirectory);
  const usageLog = await openLmdbUsageLog({ path: paths.usage, gatewayId, clock, onBroken });
  // Made by a writer once, so that this process can read what the consumer writes.
  await openLmdbConsumerStore(paths.consumer, "write").close();
  const records = openLmdbConsumerStore(paths.consumer, "read");
  const idempotency = openLmdbIdempotency({ path: paths.idempotency, clock });
  const recent = await readRecentRequests(usageLog, clock);
  const askBases = async (asked: readonly AskedBase[]) => {
    await consumer.whenReady();
    return (await consumer.ask({ kind: "bases", asked })).bases;
  };
  const bases = openUsageBases({
    openTail: async () => createLogTail({ log: usageLog, records }),
    warehouse: { bases: askBases },
  });
  const counters = openCounters({ log: usageLog, records, recent, bases });
  const { consumer, status } = startConsumer(options, counters, usageLog);
  return assembleMetering(options, {
    counters,
    usageLog,
    idempotency,
    sweepIdempotency: () => idempotency.sweep(),
    warehouse: {
      sql: async (text, format) => (await consumer.ask({ kind: "sql", text, format })).text,
      audit: async () => (await consumer.ask({ kind: "audit" })).findings,
      event: async (accountId, eventId) =>
        (await consumer.ask({ kind: "event", accountId, eventId })).event,
      eventOfRequest: async (accountId, requestId) =>
        (await consumer.ask({ kind: "event-of-request", accountId, requestId })).event,
      analytics: boundAnalytics({
        figures: async (asked) => (await consumer.ask({ kind: "figures", asked })).found,
        requests: async (asked) => (await consumer.ask({ kind: "requests", asked })).found,
        request: async (accountId, requestId) =>
          (await consumer.ask({ kind: "request", asked: { accountId, requestId } })).found,
        savings: async (asked) => (await consumer.ask({ kind: "savings", asked })).found,
      }),
    },
    status: () => ({ consumer: status }),
    async close() {
      await consumer.stop();
      await idempotency.close();
      await records.close();
      await usageLog.close();
    },
  });
}

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
    refund: createRefundUsage({ findEvent: warehouse.event, usageLog, clock: systemClock }),
    status: () => ({ ...parts.status(), log: usageLog.status() }),
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

/** What the counters begin with. */
type CountersParts = {
  readonly log: LmdbUsageLog;
  readonly records: ConsumerRecords;
  readonly recent: ReadonlyMap<string, readonly RecentRequest[]>;
  readonly bases: UsageBases;
};

function openCounters({ log, records, recent, bases }: CountersParts): MemoryCounters {
  const loadAccount = async (accountId: string, periodId: string) => {
    const tail = await readAccountTail(accountId, periodId, { log, records });
    const requests = recent.get(accountId) ?? [];
    return { ...tail, traffic: { requests, todayByKey: log.admittedToday(accountId) } };
  };
  return new MemoryCounters({
    clock: systemClock,
    loadBase: (accountId, periodId, budgetId) => {
      if (budgetId !== undefined) return bases.read(accountId, periodId, [], budgetId);
      return accountId.startsWith(readsPrefix) ? nothingLoaded : loadAccount(accountId, periodId);
    },
  });
}

function createEntitlement({ directory, plans }: MeteringOptions): (caller: Caller) => Entitlement {
  const periodAt = createPeriodFinder();
  return ({ accountId, plan }) =>
    entitlementOf(directory.account(accountId), plans, periodAt(systemClock.wallMs()).id, plan);
}

function createMeter(
  { baselineOf, uuids, log, directory }: MeteringOptions,
  counters: Counters,
  usageLog: UsageLog,
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

function startConsumer(
  { entry, dataDirectory, log }: MeteringOptions,
  counters: MemoryCounters,
  usageLog: LmdbUsageLog,
): { readonly consumer: ConsumerSupervisor; readonly status: ConsumerStatus } {
  let starts = 0;
  const consumer = superviseConsumer({
    start: () => {
      starts += 1;
      return forkConsumer(entry, ["consumer", dataDirectory]);
    },
    deliveredOffset: () => usageLog.status().confirmedOffset,
    onConfirmed: ({ confirmedOffset, sums }) => {
      for (const sum of sums) counters.confirm(sum);
      status.confirmedAtMs = systemClock.wallMs();
      void usageLog.confirmed(confirmedOffset);
    },
    onProgress: (progress) => {
      status.lag = progress.lag;
      status.dead += progress.dead;
    },
    onTrouble: (message) => log.warn({ trouble: message }, "consumer"),
  });
  const status: ConsumerStatus = {
    lag: 0,
    dead: 0,
    get ready() {
      return consumer.ready;
    },
    get restarts() {
      return starts - 1;
    },
  };
  return { consumer, status };
}

const tickMs = 1_000;
/** A hold's lease is 30 s. */
const renewEveryTicks = 10;

/** The work of each second: leases, dead holds, sampled refusals, old idempotency keys. One round at a time. */
function startTicks(
  meter: Meter,
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

/** A third of a busy core, as the kernel weighs it: enough to keep up, and little enough not to be felt. */
const consumerNiceness = 5;

/** The consumer's process: reads the usage log of a data folder into its warehouse until the gateway is gone. */
export async function consume(dataDirectory: string, port: ChildPort): Promise<void> {
  // Threads of the engine inherit it: a dashboard that asks without a pause takes what the gateway leaves.
  setPriority(consumerNiceness);
  const paths = folders(dataDirectory);
  await mkdir(paths.warehouse, { recursive: true, mode: 0o700 });
  // Imported here alone: its engine takes 140 MB of every process that loads it, and half a second of its start.
  const { openChdbWarehouse } = await import("./usage/chdb.ts");
  await runConsumerChild(
    port,
    async () => ({
      log: openLmdbUsageLogReader(paths.usage),
      store: openLmdbConsumerStore(paths.consumer, "write"),
      warehouse: await openChdbWarehouse(paths.warehouse),
    }),
    { clock: systemClock },
  );
}
