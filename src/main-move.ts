// Part of the composition root: brings the state of one machine's gateway into a fleet.
import { access, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { connectRedis, RedisCounters } from "./admission/redis.ts";
import type { Move } from "./cli/command.ts";
import { ensureDirectoryTopic } from "./directory/kafka.ts";
import { moveDirectory } from "./directory/kafka-move.ts";
import { LmdbTables } from "./directory/lmdb-tables.ts";
import { carrySigningKeys } from "./keys/carry-signing-keys.ts";
import {
  markMoved,
  refuseNewerState,
  refuseSecondGateway,
  signingKeysFile,
} from "./main-accounts.ts";
import { loadFleetSettings } from "./main-commands.ts";
import { folders } from "./main-consumer.ts";
import { consumeFleet, migrateFleet, toKafkaConnection, toRedis } from "./main-fleet.ts";
import { nothingLoaded } from "./main-metering.ts";
import { systemClock } from "./platform/clock.ts";
import { OptamilError } from "./platform/errors.ts";
import type { FleetSettings } from "./platform/fleet-settings.ts";
import { openLog } from "./platform/log.ts";
import { type Environment, type Settings, SettingsError } from "./platform/settings.ts";
import { within } from "./platform/within.ts";
import { ChildWarehouse } from "./usage/child-warehouse.ts";
import { ClickHouseWarehouse } from "./usage/clickhouse.ts";
import type { DeadLetter } from "./usage/consumer-store.ts";
import { sendDeadLetters, sendTail, watchConsumers } from "./usage/kafka/move.ts";
import { type LmdbUsageLog, openLmdbUsageLog } from "./usage/lmdb.ts";
import { openLmdbConsumerStore } from "./usage/lmdb-store.ts";
import { checkMove } from "./usage/move-check.ts";
import { moveRows, toBootNames } from "./usage/move-rows.ts";
import { findStored, readTail, type UsageTailBooks } from "./usage/move-tail.ts";
import { forkConsumer, superviseConsumer } from "./usage/supervisor.ts";

const readyTimeoutMs = 60_000;
const lettersPerPage = 1_000;
const lookEveryMs = 200;
/** Without a record less in the log for so long, nobody consumes. */
const standstillMs = 60_000;

/** What all steps work with. */
type Parts = {
  readonly settings: Settings;
  readonly fleet: FleetSettings;
  readonly connection: ReturnType<typeof toKafkaConnection>;
  readonly tell: Move["tell"];
};

/**
 * Copies rows, directory and the log's tail of the data folder of this environment, which nobody may serve, into the
 * fleet of its configuration; gives a line for each difference that is left. It may be run again, whatever became of
 * a run before: what is there is passed over, and what comes twice counts once. `entry` is the program to fork.
 */
export async function move(
  environment: Environment,
  entry: string,
  { tell }: Move,
): Promise<readonly string[]> {
  const { settings, fleet } = loadFleetSettings(environment, "move");
  const { dataDirectory, gatewayId } = settings;
  await refuseSecondGateway(dataDirectory);
  await requireState(dataDirectory);
  await refuseNewerState(dataDirectory);
  const parts: Parts = { settings, fleet, tell, connection: toKafkaConnection(fleet, gatewayId) };
  try {
    await makePlaces(parts);
    const differences = await moveAll(parts, entry);
    // Who starts while it is copied changes what is copied.
    await refuseSecondGateway(dataDirectory);
    if (differences.length === 0) await markMoved(dataDirectory, fleet.kafka.brokers);
    return differences;
  } catch (error) {
    if (error instanceof SettingsError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    const message = `the move has stopped, and goes on where it is when it is run again: ${why}`;
    throw new OptamilError("service_unavailable", message, { cause: error });
  }
}

async function requireState(dataDirectory: string): Promise<void> {
  const { usage } = folders(dataDirectory);
  for (const path of [usage, join(dataDirectory, "directory")]) {
    await access(path).catch(() => {
      throw new SettingsError([
        `OPTAMIL_DATA: ${dataDirectory} holds no state of a gateway that was alone: there is no ${path}`,
      ]);
    });
  }
}

/** Topics, tables and signing keys. */
async function makePlaces({ settings, fleet, connection, tell }: Parts): Promise<void> {
  const made = await migrateFleet(fleet);
  const { replicationFactor } = fleet.kafka;
  const { topic, differences } = await ensureDirectoryTopic(connection, { replicationFactor });
  for (const line of [...made.done, `topic ${topic}: is there`]) tell("fleet", line);
  for (const line of [...made.differences, ...differences]) tell("fleet", line);
  const from = join(settings.dataDirectory, "signing-keys");
  const to = signingKeysFile(settings);
  const { done, kids } = await carrySigningKeys(from, to);
  const what = {
    copied: `${from} is copied to ${to}`,
    added: `${to} verifies ${kids.join(", ")} of ${from} now`,
    there: `${to} verifies what ${from} has signed`,
  }[done];
  tell("signing keys", `${what}: every replica needs this file as signingKeys`);
}

/** Everything that the steps have open. */
type Opened = {
  readonly log: LmdbUsageLog;
  readonly source: ChildWarehouse;
  readonly target: ClickHouseWarehouse;
  readonly tail: UsageTailBooks;
  readonly tailOffset: number;
  readonly deadLetters: readonly DeadLetter[];
  readonly boots: readonly string[];
};

async function moveAll(parts: Parts, entry: string): Promise<string[]> {
  await using resources = new AsyncDisposableStack();
  const opened = await openAll(parts, entry, resources);
  const { source: from, target: to } = opened;
  const { tell } = parts;
  await moveRows({ from, to, tell });
  const directory = await moveAccounts(parts);
  await moveTail(parts, opened);
  await forgetCounters(parts);
  const { accounts, rows, creditsMicro, differences } = await checkMove({ ...opened, from, to });
  const all = [...differences, ...directory];
  const books = `${rows} rows with ${creditsMicro} micro-credits of ${accounts} accounts`;
  tell("check", `usage: ${books}, ${differences.length} sums differ`);
  tell("check", `directory: ${directory.length} accounts and keys differ`);
  return all;
}

async function openAll(
  { settings, fleet }: Parts,
  entry: string,
  resources: AsyncDisposableStack,
): Promise<Opened> {
  const { dataDirectory, gatewayId } = settings;
  const paths = folders(dataDirectory);
  const onBroken = () => undefined;
  // Ends what a killed gateway has left open.
  const log = await openLmdbUsageLog({
    path: paths.usage,
    ...{ gatewayId, clock: systemClock, onBroken },
  });
  resources.defer(() => log.close());
  const records = openLmdbConsumerStore(paths.consumer, "write");
  const progress = records.progress(log.name);
  const tailOffset = progress?.epoch === log.epoch ? progress.offset : 0;
  const stored: DeadLetter[] = [];
  for (let from = 0; ; ) {
    const page = records.deadLetters(log.name, from, lettersPerPage);
    stored.push(...page);
    const last = page.at(-1);
    if (last === undefined) break;
    from = last.offset + 1;
  }
  await records.close();
  const tail = await readTail(log, tailOffset);
  const atMs = systemClock.wallMs();
  const deadLetters = [...stored, ...tail.dead.map((letter) => ({ ...letter, atMs }))];
  const source = await openSource(dataDirectory, entry, resources);
  const target = new ClickHouseWarehouse(fleet.clickhouse);
  resources.defer(() => target.close());
  const boots = [...new Set([...toBootNames(await source.boots()), ...tail.boots])];
  return { log, source, target, tail, tailOffset, deadLetters, boots };
}

/** The embedded warehouse, in a process that answers and consumes nothing. */
async function openSource(
  dataDirectory: string,
  entry: string,
  resources: AsyncDisposableStack,
): Promise<ChildWarehouse> {
  const troubles: string[] = [];
  const child = superviseConsumer({
    start: () => forkConsumer(entry, ["consumer", dataDirectory]),
    deliveredOffset: () => 0,
    onlyAnswers: true,
    onConfirmed: () => {},
    onTrouble: (message) => troubles.push(message),
  });
  resources.defer(() => child.stop());
  const isReady = child.whenReady().then(() => true);
  if (!(await within(readyTimeoutMs, isReady))) {
    throw new Error(`the warehouse of ${dataDirectory} does not open: ${troubles.join("; ")}`);
  }
  return new ChildWarehouse(child);
}

/** Gives a line for each account or key that is another one in the fleet. */
async function moveAccounts({ settings, connection, tell }: Parts): Promise<readonly string[]> {
  const folder = join(settings.dataDirectory, "move-directory");
  await rm(folder, { recursive: true, force: true });
  const from = new LmdbTables(join(settings.dataDirectory, "directory"));
  try {
    const moved = await moveDirectory({
      ...{ connection, from, clock: systemClock, onTrouble: () => {} },
      scratch: new LmdbTables(folder),
    });
    const { sent, records, accounts, keys, changed, differences } = moved;
    tell("directory", `${sent} records copied, ${records - sent} are there`);
    const since = changed === 0 ? "" : `, ${changed} of them changed in the fleet since`;
    tell("directory", `${accounts} accounts, ${keys} keys${since}`);
    return differences;
  } finally {
    await from.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Sends what the warehouse has not, and has it consumed. */
async function moveTail(parts: Parts, opened: Opened): Promise<void> {
  const { connection, tell } = parts;
  const { log, tail, tailOffset, target, deadLetters } = opened;
  const letters = await sendDeadLetters(connection, log, deadLetters);
  tell("dead letters", `${letters} copied, ${deadLetters.length - letters} are there`);
  const events = [...tail.events.values()].flatMap((ofAccount) => [...ofAccount.values()]);
  const stored = await findStored(target, events);
  const isThere = (eventId: string, rev: number) => (stored.get(eventId)?.rev ?? -1) >= rev;
  const sent = await sendTail(connection, log, tailOffset, isThere);
  tell("tail", `${sent} events sent, ${tail.records - tail.dead.length - sent} are there`);
  if (sent > 0) await consumeTail(parts);
}

/** Consumes as one more member of the group until it is through with what is in the topic now. */
async function consumeTail({ fleet, settings, connection, tell }: Parts): Promise<void> {
  const stop = Promise.withResolvers<void>();
  const log = openLog(settings.logLevel);
  const { gatewayId } = settings;
  const consuming = consumeFleet(fleet, gatewayId, {
    ...{ stopped: stop.promise, log, onOpen: async () => {} },
  });
  const watch = await watchConsumers(connection);
  try {
    let left = await watch.left();
    for (let atMs = systemClock.monotonicMs(); left > 0; ) {
      await wait(lookEveryMs);
      const now = await watch.left();
      if (now < left) atMs = systemClock.monotonicMs();
      left = now;
      if (left === 0 || systemClock.monotonicMs() - atMs < standstillMs) continue;
      throw new Error(`${left} events in Kafka do not reach ClickHouse`);
    }
    tell("tail", "consumed");
  } finally {
    stop.resolve();
    await consuming;
    await Promise.all([watch.close(), log.close()]);
  }
}

/** What the fleet's counters know of these accounts is older than their usage. */
async function forgetCounters({ fleet, tell }: Parts): Promise<void> {
  const connection = connectRedis(toRedis(fleet));
  try {
    await connection.ready();
    await new RedisCounters({ connection, loadBase: () => nothingLoaded }).forget();
    tell("counters", "read anew by the gateways that run");
  } finally {
    connection.close();
  }
}
