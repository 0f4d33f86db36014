// Part of the composition root: metering of one machine, whose log, counters and warehouse are all here.
import { openLmdbIdempotency } from "./admission/lmdb-idempotency.ts";
import { MemoryCounters } from "./admission/memory.ts";
import { readsPrefix } from "./chat/reads.ts";
import { folders } from "./main-consumer.ts";
import {
  assembleMetering,
  type ConsumerStatus,
  type Metering,
  type MeteringOptions,
  type MeteringParts,
  nothingLoaded,
} from "./main-metering.ts";
import { systemClock } from "./platform/clock.ts";
import { createLogTail, readAccountTail } from "./usage/account-tail.ts";
import type { AnalyticsWarehouse } from "./usage/analytics.ts";
import { boundAnalytics } from "./usage/analytics-room.ts";
import { openUsageBases, type UsageBases } from "./usage/bases.ts";
import type { ConsumerRecords } from "./usage/consumer-store.ts";
import { type LmdbUsageLog, openLmdbUsageLog } from "./usage/lmdb.ts";
import { openLmdbConsumerStore } from "./usage/lmdb-store.ts";
import { type RecentRequest, readRecentRequests } from "./usage/recent-requests.ts";
import { type ConsumerSupervisor, forkConsumer, superviseConsumer } from "./usage/supervisor.ts";
import type { UsageLogStatus } from "./usage/usage-log.ts";
import type { AskedBase } from "./usage/warehouse.ts";

/** Opens the usage log, the counters over it, the meter, and the consumer that feeds the warehouse. */
export async function openMeter(options: MeteringOptions): Promise<Metering> {
  return assembleMetering(options, await openOwnParts(options));
}

/** Asks the consumer, as only it has the warehouse open. */
export type AskConsumer = ConsumerSupervisor["ask"];

/** Parts that are all of this process and its consumer. */
export type OwnParts = MeteringParts & {
  readonly ask: AskConsumer;
  readonly logStatus: () => UsageLogStatus;
};

/** What the parts of one machine are opened with. */
export type OwnPartsOptions = Pick<
  MeteringOptions,
  "dataDirectory" | "gatewayId" | "entry" | "log" | "onBroken"
>;

/** Opens the usage log, the counters over it, and the consumer that feeds the warehouse. */
export async function openOwnParts(options: OwnPartsOptions): Promise<OwnParts> {
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
  const ask: AskConsumer = (question) => consumer.ask(question);
  return {
    counters,
    usageLog,
    idempotency,
    sweepIdempotency: () => idempotency.sweep(),
    ask,
    logStatus: () => usageLog.status(),
    warehouse: askedWarehouse(ask),
    status: () => ({ consumer: status, log: usageLog.status() }),
    async close() {
      await consumer.stop();
      await idempotency.close();
      await records.close();
      await usageLog.close();
    },
  };
}

/** The warehouse as its consumer answers for it, within bounds. */
export function askedWarehouse(ask: AskConsumer): MeteringParts["warehouse"] {
  return {
    sql: async (text, format) => (await ask({ kind: "sql", text, format })).text,
    audit: async () => (await ask({ kind: "audit" })).findings,
    event: async (accountId, eventId) => (await ask({ kind: "event", accountId, eventId })).event,
    eventOfRequest: async (accountId, requestId) =>
      (await ask({ kind: "event-of-request", accountId, requestId })).event,
    analytics: boundAnalytics(askedAnalytics(ask), { share: analyticsShare }),
  };
}

/** What dashboards that ask without a pause leave of a core that the gateway shares with the warehouse. */
const analyticsShare = 0.25;

function askedAnalytics(ask: AskConsumer): AnalyticsWarehouse {
  return {
    figures: async (asked) => (await ask({ kind: "figures", asked })).found,
    requests: async (asked) => (await ask({ kind: "requests", asked })).found,
    request: async (accountId, requestId) =>
      (await ask({ kind: "request", asked: { accountId, requestId } })).found,
    savings: async (asked) => (await ask({ kind: "savings", asked })).found,
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

function startConsumer(
  { entry, dataDirectory, log }: OwnPartsOptions,
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
