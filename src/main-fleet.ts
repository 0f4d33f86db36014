// Part of the composition root: what the replicas and consumers of a fleet share: Kafka, ClickHouse, Redis.
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { LoadBase } from "./admission/counters.ts";
import { FleetCounters } from "./admission/fleet-counters.ts";
import { MemoryCounters } from "./admission/memory.ts";
import { connectRedis, RedisCounters, RedisIdempotency } from "./admission/redis.ts";
import { readsPrefix } from "./chat/reads.ts";
import type { DeadLetterOperations } from "./cli/command.ts";
import type { DirectoryReader } from "./directory/directory.ts";
import { ensureDirectoryTopic, openKafkaDirectory } from "./directory/kafka.ts";
import { LmdbTables } from "./directory/lmdb-tables.ts";
import { createFreshRegistry } from "./keys/fresh-registry.ts";
import {
  type Accounts,
  firstKeyFile,
  type KnownNames,
  knownNames,
  openAccounts,
} from "./main-accounts.ts";
import { auditFleet } from "./main-audit.ts";
import {
  assembleMetering,
  type Metering,
  type MeteringOptions,
  nothingLoaded,
} from "./main-metering.ts";
import { guardSchema } from "./main-schema.ts";
import { systemClock } from "./platform/clock.ts";
import type { FleetSettings } from "./platform/fleet-settings.ts";
import type { KafkaConnection } from "./platform/kafka/client.ts";
import { type Log, openLog } from "./platform/log.ts";
import { tellMigration } from "./platform/schema.ts";
import type { Settings } from "./platform/settings.ts";
import { boundAccountSql } from "./usage/account-sql.ts";
import { boundAnalytics } from "./usage/analytics-room.ts";
import { openUsageBases, type UsageBases } from "./usage/bases.ts";
import { ClickHouseWarehouse } from "./usage/clickhouse.ts";
import { openClickHouseAccountSql } from "./usage/clickhouse-account-sql.ts";
import { openClickHouseContent } from "./usage/clickhouse-content.ts";
import { type KafkaConsumers, openKafkaConsumers } from "./usage/kafka/consumers.ts";
import { openKafkaDeadLetters } from "./usage/kafka/dead-letters.ts";
import { createForwardedLog } from "./usage/kafka/forwarded-log.ts";
import { openKafkaForwarder } from "./usage/kafka/forwarder.ts";
import { openKafkaTail } from "./usage/kafka/tail.ts";
import { ensureTopicsSchema, ensureUsageTopics, topicsVersion } from "./usage/kafka/topics.ts";
import { openLmdbUsageLog } from "./usage/lmdb.ts";
import { schemaVersion } from "./usage/statement.ts";

/** What a replica is opened with. */
export type FleetMeteringOptions = MeteringOptions & {
  readonly fleet: FleetSettings;
  readonly durability: "fsync" | "quorum";
};

/** Clocks of replicas differ; an account younger than this says nothing of a loss. */
const clockSkewMs = 60_000;
/** The same for all who make it: of two at once, one is refused. */
const firstAccountId = "01900000-0000-7000-8000-000000000001";
const tickMs = 1_000;
/**
 * A thousand requests at once wait for half a second on two cores; one that waits longer sets the counters aside. Where
 * Redis is slow rather than busy, requests go ahead of it much earlier: see `Pace`.
 */
const redisTimeoutMs = 2_000;
/** A start waits for the shared counters, and for the other replicas that they wait for. */
const countersWaitMs = 5_000;
const countersPollMs = 50;
/** As many as the connections for analysts, so that a question waits here, where that is bounded. */
const analyticsAtOnce = 4;

/** The connection to the brokers, for any part of this process. */
export function toKafkaConnection(
  { kafka: { brokers, tls, sasl } }: FleetSettings,
  clientId: string,
): KafkaConnection {
  return { brokers, clientId, tls, ...(sasl !== undefined && { sasl }) };
}

/** Opens the outbox and its forwarder, the shared counters, and a way to ask the warehouse. */
export async function openFleetMeter(options: FleetMeteringOptions): Promise<Metering> {
  const { fleet, dataDirectory, gatewayId, onBroken, log, durability } = options;
  const clock = systemClock;
  const connection = toKafkaConnection(fleet, gatewayId);
  const onTrouble = (message: string) => log.warn({ trouble: message }, "usage log");
  const warehouse = new ClickHouseWarehouse(fleet.clickhouse);
  // Before anything is opened that writes.
  const guard = await guardSchema({ warehouse, connection, log, onMismatch: onBroken });
  const path = join(dataDirectory, "usage");
  const outbox = await openLmdbUsageLog({
    ...{ path, gatewayId, clock, onBroken },
    // Kafka's replicas have it for longer.
    confirmed: "gone",
  });
  const forwarder = openKafkaForwarder({ connection, outbox, onTrouble });
  const usageLog = createForwardedLog({ outbox, forwarder, durability });
  const bases = openUsageBases({ openTail: () => openKafkaTail({ connection }), warehouse });
  const redis = connectRedis(toRedis(fleet));
  const { counters, shared } = openFleetCounters(redis, bases, options.directory);
  const ticks = await startTicks(counters, redis, log);
  const { analyst } = fleet.clickhouse;
  const accountSql =
    analyst && openClickHouseAccountSql({ ...analyst, url: fleet.clickhouse.url, warehouse });
  const watched = watchWarehouse(warehouse);
  return assembleMetering(options, {
    counters,
    usageLog,
    idempotency: new RedisIdempotency({ connection: redis }),
    // Redis forgets by itself.
    sweepIdempotency: async () => false,
    warehouse: {
      sql: (text, format) => warehouse.sql(text, format),
      audit: () => auditFleet({ warehouse, connection, directory: options.directory, shared }),
      event: (accountId, eventId) => warehouse.event(accountId, eventId),
      eventOfRequest: (accountId, requestId) => warehouse.eventOfRequest(accountId, requestId),
      analytics: boundAnalytics(warehouse.analytics, { runningMax: analyticsAtOnce }),
      accountSql: accountSql && boundAccountSql(accountSql),
      content: openClickHouseContent({ warehouse, clock }),
    },
    status: () => ({
      countersUp: isTrusted(counters),
      countersSlow: counters.status().state === "slow",
      warehouseUp: watched.isUp(),
      degradedEvents: usageLog.degraded(),
      log: usageLog.status(),
    }),
    async close() {
      ticks.stop();
      guard.close();
      await counters.close();
      watched.stop();
      await usageLog.close();
      await Promise.all([bases.close(), warehouse.close(), accountSql?.close()]);
      redis.close();
    },
  });
}

/** The connection to Redis, with the password that the environment holds. */
export function toRedis({ redis: { url, password } }: FleetSettings) {
  const commandTimeoutMs = redisTimeoutMs;
  if (password === undefined) return { url, commandTimeoutMs };
  const withPassword = new URL(url);
  withPassword.password = encodeURIComponent(password);
  return { url: withPassword.href, commandTimeoutMs };
}

function openFleetCounters(
  connection: ReturnType<typeof connectRedis>,
  bases: UsageBases,
  directory: DirectoryReader,
): { counters: FleetCounters; shared: RedisCounters } {
  const clock = systemClock;
  const isNew = (accountId: string, periodId: string): boolean => {
    const sinceMs = counters.completeSinceMs + clockSkewMs;
    const createdAtUs = directory.account(accountId)?.createdAtUs ?? 0n;
    return (
      Date.parse(`${periodId}-01T00:00:00Z`) > sinceMs || Number(createdAtUs) / 1_000 > sinceMs
    );
  };
  const loadBase: LoadBase = (accountId, periodId, budgetId) => {
    // A budget is younger than what it counts.
    if (budgetId !== undefined) return bases.read(accountId, periodId, [], budgetId);
    const nothing = accountId.startsWith(readsPrefix) || isNew(accountId, periodId);
    return nothing ? nothingLoaded : bases.read(accountId, periodId, []);
  };
  const shared = new RedisCounters({ connection, loadBase, replicaId: randomUUID() });
  const counters: FleetCounters = new FleetCounters({
    shared,
    local: new MemoryCounters({ clock, loadBase: () => nothingLoaded }),
    readBase: bases.read,
    clock,
  });
  return { counters, shared };
}

function isTrusted(counters: FleetCounters): boolean {
  const { state } = counters.status();
  return state === "up" || state === "slow";
}

/** Signs of life every second; resolves when the counters can be trusted, or have had their time. */
async function startTicks(
  counters: FleetCounters,
  redis: ReturnType<typeof connectRedis>,
  log: Log,
): Promise<{ stop(): void }> {
  const tick = async () => {
    try {
      await counters.tick();
    } catch (error) {
      log.warn({ error: String(error) }, "the shared counters could not be rebuilt");
    }
  };
  const timer = setInterval(() => void tick(), tickMs);
  try {
    await redis.ready();
    const endMs = systemClock.monotonicMs() + countersWaitMs;
    while (!isTrusted(counters) && systemClock.monotonicMs() < endMs) {
      await tick();
      await new Promise((resolve) => setTimeout(resolve, countersPollMs));
    }
  } catch (error) {
    log.warn({ error: String(error) }, "Redis is away: the gateway starts without it");
  }
  return { stop: () => clearInterval(timer) };
}

/** Asks every second whether ClickHouse is there, one question at a time. */
function watchWarehouse(warehouse: ClickHouseWarehouse) {
  let heardAtMs = systemClock.monotonicMs();
  let asking = false;
  const ask = async () => {
    if (asking) return;
    asking = true;
    if (await warehouse.answers()) heardAtMs = systemClock.monotonicMs();
    asking = false;
  };
  const timer = setInterval(() => void ask(), tickMs);
  return {
    isUp: () => systemClock.monotonicMs() - heardAtMs <= awayMs,
    stop: () => clearInterval(timer),
  };
}

/** How a consumer runs. */
export type ConsumeOptions = {
  readonly stopped: Promise<void>;
  readonly log: Log;
  /** Told, once, how to ask what it does. */
  readonly onOpen: (status: KafkaConsumers["status"]) => Promise<void>;
};

/** Consumes as a member of the group until `stopped` resolves. */
export async function consumeFleet(
  fleet: FleetSettings,
  member: string,
  { stopped, log, onOpen }: ConsumeOptions,
): Promise<void> {
  const connection = toKafkaConnection(fleet, member);
  const warehouse = new ClickHouseWarehouse(fleet.clickhouse);
  await using resources = new AsyncDisposableStack();
  resources.defer(() => warehouse.close());
  let consumers: KafkaConsumers | undefined;
  const mismatch = Promise.withResolvers<never>();
  const guard = await guardSchema({ warehouse, connection, log, onMismatch: mismatch.reject });
  resources.defer(() => guard.close());
  await onOpen(() => consumers?.status() ?? new Map());
  // Without its tables a consumer has nothing to do.
  const fits = guard.known.then(() => true);
  const isKnown = await Promise.race([fits, stopped.then(() => false), mismatch.promise]);
  if (!isKnown) return;
  const redis = connectRedis(toRedis(fleet));
  resources.defer(() => redis.close());
  const shared = new RedisCounters({ connection: redis, loadBase: () => nothingLoaded });
  consumers = openKafkaConsumers({
    connection,
    member,
    warehouse,
    clock: systemClock,
    deliver: async ({ sums }) => {
      await shared.open((await shared.beat(false)).generation);
      for (const sum of sums) await shared.confirm(sum);
    },
    onTrouble: (message) => log.warn({ trouble: message }, "consumer"),
  });
  await stopped;
  await consumers.close();
}

/** Makes the topics and tables of a fleet; a line for each, and for each difference. */
export async function migrateFleet(fleet: FleetSettings) {
  const { partitions, replicationFactor } = fleet.kafka;
  const connection = toKafkaConnection(fleet, "migrate");
  const findings = await ensureUsageTopics(connection, { partitions, replicationFactor });
  const topics = await ensureTopicsSchema(connection);
  const warehouse = new ClickHouseWarehouse(fleet.clickhouse);
  await using resources = new AsyncDisposableStack();
  resources.defer(() => warehouse.close());
  const tables = await warehouse.migrate();
  const hasRole = await warehouse.makeAnalystRole();
  return {
    done: [
      ...findings.map(({ topic, made }) => `topic ${topic}: ${made ? "made" : "is there"}`),
      tellMigration("topics", topics, topicsVersion),
      tellMigration(`tables in ${fleet.clickhouse.url}`, tables, schemaVersion),
      `role optamil_analyst: ${hasRole ? "is there" : "not made, as ClickHouse's user may not manage access"}`,
    ],
    differences: findings.flatMap(({ topic, differences }) =>
      differences.map((difference) => `topic ${topic}: ${difference}`),
    ),
  };
}

/** The dead letters of a fleet. */
export function openFleetDeadLetters(fleet: FleetSettings): DeadLetterOperations {
  return openKafkaDeadLetters(toKafkaConnection(fleet, "dlq"));
}

/** A service is asked every second, the directory's topic twice: longer than this without an answer it is away. */
const awayMs = 3_000;

/** Twice what 99 of 100 changes take. */
const directoryLagMs = 1_000;

/** Accounts and keys of a fleet: in Kafka, and in a copy of this replica's own. */
export async function openFleetAccounts(
  settings: Settings,
  fleet: FleetSettings,
  names: KnownNames,
  log: Log,
  createSigningKeys = false,
): Promise<Accounts> {
  const openDirectory = async (path: string) => {
    const directory = openKafkaDirectory({
      connection: toKafkaConnection(fleet, settings.gatewayId),
      tables: new LmdbTables(path),
      clock: systemClock,
      onTrouble: (message) => log.warn({ trouble: message }, "directory"),
    });
    await directory.ready();
    const staleMs = () => directory.status().staleMs;
    const registry = createFreshRegistry(directory, { staleMs, clock: systemClock });
    return {
      ...{ directory, registry, lagMs: directoryLagMs },
      catchUp: () => directory.catchUp(directoryLagMs),
      isAway: () => staleMs() > awayMs,
    };
  };
  const onTrouble = (message: string) => log.warn({ trouble: message }, "signing keys");
  const home = { ...settings, createSigningKeys, openDirectory, onTrouble, firstAccountId };
  return openAccounts(home, names);
}

/** Makes the directory's topic, the signing keys, and the first account with its key. */
export async function bootstrapFleet(settings: Settings, fleet: FleetSettings) {
  const connection = toKafkaConnection(fleet, "migrate");
  const { replicationFactor } = fleet.kafka;
  const { topic, made, differences } = await ensureDirectoryTopic(connection, {
    replicationFactor,
  });
  const log = openLog("silent");
  const accounts = await openFleetAccounts(settings, fleet, knownNames(settings), log, true);
  try {
    const { firstKey, created } = await accounts.bootstrap();
    const file = firstKeyFile(settings.dataDirectory);
    return {
      done: [
        `topic ${topic}: ${made ? "made" : "is there"}`,
        created ? `first key: ${firstKey} (kept in ${file})` : "first account: is there",
      ],
      differences: differences.map((difference) => `topic ${topic}: ${difference}`),
    };
  } finally {
    await accounts.close();
  }
}
