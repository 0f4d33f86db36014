#!/usr/bin/env node
// The composition root: settings in, rooms opened, port listened on, everything closed again.
import { readFile, rm } from "node:fs/promises";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { CommandContext, ServingGateway } from "./cli/command.ts";
import { runCommand } from "./cli/run.ts";
import { readConsole } from "./gateway/console-files.ts";
import { type Listener, type ListenOptions, listen } from "./gateway/listen.ts";
import type { Caller } from "./keys/verify.ts";
import {
  type Accounts,
  announce,
  firstKeyFile,
  openAccountOperations,
  openAccounts,
  openKeys,
  openRunningMetering,
  refuseFolder,
  rotateSigningKeysOf,
  servingFile,
} from "./main-accounts.ts";
import { backUp, restore } from "./main-backup.ts";
import {
  consumeAlone,
  fleetOf,
  hideKafkaTimerWarning,
  migrate,
  untilStopped,
} from "./main-commands.ts";
import { type Configuration, checkConfiguration, openConfiguration } from "./main-config.ts";
import { openContent } from "./main-content.ts";
import { diagnose } from "./main-doctor.ts";
import { createDoors, createRates, createServedOpenApi, version } from "./main-doors.ts";
import { createEntries } from "./main-entries.ts";
import { consume, type Metering, type MeteringOptions, openMeter } from "./main-metering.ts";
import {
  measureGateway,
  measureListener,
  openOperatorPort,
  openTelemetry,
} from "./main-telemetry.ts";
import { systemClock } from "./platform/clock.ts";
import { type Log, openLog } from "./platform/log.ts";
import { type Environment, loadSettings, type Settings } from "./platform/settings.ts";
import { createUuidSource } from "./platform/uuid.ts";

/** Where `npm run build` puts the web console. */
const consoleUrl = new URL("../dist/console", import.meta.url);

/** A gateway that serves until it is closed. */
export type Gateway = {
  readonly serving: ServingGateway;
  /** Reads the configuration file anew. Mistakes are logged, and change nothing. */
  reload(): Promise<void>;
  close(): Promise<void>;
};

/** Opens every room and the port. What was opened is closed again when something fails. */
export async function openGateway(settings: Settings, environment: Environment): Promise<Gateway> {
  const resources = new AsyncDisposableStack();
  try {
    return await compose(settings, environment, resources);
  } catch (error) {
    await resources.disposeAsync();
    throw error;
  }
}

async function compose(
  settings: Settings,
  environment: Environment,
  resources: AsyncDisposableStack,
): Promise<Gateway> {
  const clock = systemClock;
  const log = openLog(settings.logLevel);
  resources.defer(() => log.close());
  await refuseFolder(settings);
  const { connectTimeoutMs, providerSilenceTimeoutMs: silenceTimeoutMs } = settings.limits;
  const fixed = { environment, clock, version, connectTimeoutMs, silenceTimeoutMs, log };
  const configuration = await openConfiguration(settings, fixed);
  const { servings, plans } = configuration;
  resources.defer(() => configuration.close());
  const accounts = await openAccountsOf(settings, configuration, log);
  resources.defer(() => accounts.close());
  // The first account of a fleet is made by its migration.
  const first = settings.fleet ? noFirstKey : await accounts.bootstrap();

  const uuids = createUuidSource(clock);
  const { directory } = accounts;
  const baselineOf = ({ accountId }: Caller) => {
    const { catalogue, baseline } = servings.current;
    return catalogue.byName(directory.account(accountId)?.baselineModel ?? "") ?? baseline;
  };
  const metering = await openMetering({ directory, plans, baselineOf, uuids, log }, settings);
  resources.defer(() => metering.close());
  const rates = createRates(metering, uuids);
  const { entries, health } = createEntries(settings, {
    ...{ servings, accounts, metering, rates, uuids, log },
    content: settings.fleet ? undefined : openContent(settings, { directory, log, resources }),
  });
  const metrics = measureGateway({ metering, health }, resources);
  const state = { publicUrl: "", stopping: new AbortController() };
  const shown = {
    config: () => servings.current.config,
    degraded: () => findDegraded(accounts, metering),
    metrics,
  };
  const console = await openConsole(log);
  const exporter = openTelemetry(settings, { metrics, resources, log });
  const door = createDoors({
    ...{ entries, settings, accounts, rates, ...shown, console, log, exporter, state },
  });
  const ready = () => !state.stopping.signal.aborted;
  // Opened before the doors and closed after them, so that the end can be watched.
  await openOperatorPort(settings.metrics, { ready, ...shown }, { resources, log });
  const listener = await listen(door, await toListenOptions(settings));
  resources.defer(() => drain(listener, metering, settings.limits));
  measureListener(metrics, listener);
  state.publicUrl = settings.publicUrl || listener.url;
  await announce(settings.dataDirectory, listener);
  resources.defer(() => rm(servingFile(settings.dataDirectory), { force: true }));
  resources.defer(configuration.watch());
  return {
    serving: {
      publicUrl: state.publicUrl,
      firstKey: first.created ? first.firstKey : undefined,
      firstKeyFile: firstKeyFile(settings.dataDirectory),
      providers: [...servings.current.providers.keys()],
      notices: servings.current.notices,
    },
    reload: () => configuration.reload(),
    async close() {
      state.stopping.abort();
      await wait(settings.limits.drainDelayMs);
      await resources.disposeAsync();
    },
  };
}

/** Accounts and keys of this machine alone, or of a fleet. */
async function openAccountsOf(
  settings: Settings,
  configuration: Configuration,
  log: Log,
): Promise<Accounts> {
  const { fleet } = settings;
  const onTrouble = (message: string) => log.warn({ trouble: message }, "signing keys");
  if (fleet === undefined) return openAccounts({ ...settings, onTrouble }, configuration);
  return (await openFleetRooms()).openFleetAccounts(settings, fleet, configuration, log);
}

/** What a replica does without: requests go on as docs/operations.md says of each. */
function findDegraded({ isAway }: Accounts, metering: Metering): readonly string[] {
  const { countersUp, warehouseUp } = metering.status();
  return [
    ...(isAway?.() ? ["kafka"] : []),
    ...(countersUp === false ? ["redis"] : []),
    ...(warehouseUp === false ? ["clickhouse"] : []),
  ];
}

/** The web console, where it was built. */
function openConsole(log: Log): ReturnType<typeof readConsole> {
  const tell = (trouble: string) => log.warn({ trouble }, "the web console is not served");
  return readConsole(fileURLToPath(consoleUrl), tell);
}

/** Running requests may end by themselves, then they are told to, and what is left after that is cut off. */
async function drain(
  listener: Listener,
  { meter }: Metering,
  { drainTimeoutMs }: Settings["limits"],
): Promise<void> {
  const timer = setTimeout(() => meter.cutAll(), drainTimeoutMs);
  await listener.close({ drainMs: drainTimeoutMs + lastWordMs });
  clearTimeout(timer);
}

/** Time for the error frames of what did not end in time, whose events are made durable first. */
const lastWordMs = 2_000;

const noFirstKey = { firstKey: undefined, created: false };

/** What only a fleet needs, its clients of Kafka, ClickHouse and Redis above all: one machine does not load them. */
function openFleetRooms(): Promise<typeof import("./main-fleet.ts")> {
  return import("./main-fleet.ts");
}

/** Metering of this gateway alone, or as a replica of a fleet. */
async function openMetering(
  rooms: Omit<MeteringOptions, "dataDirectory" | "gatewayId" | "entry" | "onBroken">,
  settings: Settings,
): Promise<Metering> {
  const { dataDirectory, gatewayId, fleet, durability } = settings;
  const entry = fileURLToPath(import.meta.url);
  const onBroken = (cause: unknown) => endBroken(cause, rooms.log);
  const options = { ...rooms, dataDirectory, gatewayId, entry, onBroken };
  if (fleet === undefined) return openMeter(options);
  const { openFleetMeter } = await openFleetRooms();
  return openFleetMeter({ ...options, fleet, durability });
}

async function toListenOptions({ host, port, tls, limits }: Settings): Promise<ListenOptions> {
  const { headersTimeoutMs, requestTimeoutMs, idleTimeoutMs } = limits;
  const keyPair = tls && { tls: await readTls(tls) };
  return { host, port, ...keyPair, headersTimeoutMs, requestTimeoutMs, idleTimeoutMs };
}

async function readTls(tls: { certFile: string; keyFile: string }) {
  return { cert: await readFile(tls.certFile), key: await readFile(tls.keyFile) };
}

/** What cannot be recorded is not served: the supervisor of the process starts it anew. */
function endBroken(cause: unknown, log: Log): void {
  log.error({ cause: String(cause) }, "usage cannot be recorded: the process ends");
  log.flush();
  process.exit(1);
}

/** Runs the consumer in a process that a gateway forked. */
async function runConsumer(dataDirectory: string): Promise<void> {
  await consume(dataDirectory, {
    send: (message) => process.send?.(message),
    onMessage: (listener) => process.on("message", listener),
    onClose: (listener) => process.once("disconnect", listener),
  });
  // A statement may still be running in the engine's own threads.
  process.exit(0);
}

/** Serves until the process is told to stop. */
async function serve(
  environment: Environment,
  onReady: (gateway: ServingGateway) => void,
): Promise<void> {
  // Listened for first: whoever reads the ready line may send the signal at once.
  const stopped = untilStopped();
  const settings = loadSettings(environment);
  let reload = async () => {};
  // Without a file there is nothing to read anew, and a closed terminal ends the gateway as it always did.
  if (settings.configFile !== undefined) process.on("SIGHUP", () => void reload());
  const gateway = await openGateway(settings, environment);
  reload = () => gateway.reload();
  onReady(gateway.serving);
  await stopped;
  await gateway.close();
}

if (import.meta.main) {
  hideKafkaTimerWarning();
  const [command, dataDirectory] = process.argv.slice(2);
  if (command === "consumer" && dataDirectory !== undefined) await runConsumer(dataDirectory);
  const context: CommandContext = {
    environment: process.env,
    print: (line) => process.stdout.write(`${line}\n`),
    warn: (line) => process.stderr.write(`${line}\n`),
    serve: (onReady) => serve(process.env, onReady),
    openKeys: () => openKeys(process.env),
    openAccounts: () => openAccountOperations(process.env),
    rotateSigningKeys: (step) => rotateSigningKeysOf(process.env, step),
    openMetering: () => openRunningMetering(process.env),
    migrate: () => migrate(process.env),
    move: async (to) => {
      const { move } = await import("./main-move.ts");
      return move(process.env, fileURLToPath(import.meta.url), to);
    },
    consume: (tell) => consumeAlone(process.env, tell),
    openDeadLetters: async () => {
      const fleet = fleetOf(loadSettings(process.env));
      return (await openFleetRooms()).openFleetDeadLetters(fleet);
    },
    checkConfig: (file) => checkConfiguration({ ...process.env, OPTAMIL_CONFIG: file }),
    diagnose: () => diagnose(process.env),
    backUp: (folder) => backUp(process.env, folder),
    restore: (folder) => restore(process.env, folder, fileURLToPath(import.meta.url)),
    openApi: () => createServedOpenApi("/"),
  };
  process.exitCode = await runCommand(process.argv.slice(2), context);
}
