#!/usr/bin/env node
// The composition root: settings in, rooms opened, port listened on, everything closed again.
import { readFile, rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { toModelOverrides } from "./catalogue/model-config.ts";
import { type Catalogue, createCatalogue } from "./catalogue/models.ts";
import { toPlanOverrides } from "./catalogue/plan-config.ts";
import { createPlans } from "./catalogue/plans.ts";
import { DeploymentHealth } from "./chat/deployment-health.ts";
import type { OnceParts } from "./chat/idempotent.ts";
import type { CommandContext, Migration, ServingGateway } from "./cli/command.ts";
import { runCommand } from "./cli/run.ts";
import type { MethodEntry } from "./gateway/exchange.ts";
import { listen } from "./gateway/listen.ts";
import { accountMethods } from "./gateway/rpc/accounts.ts";
import { adminMethods } from "./gateway/rpc/admin.ts";
import { chatMethods } from "./gateway/rpc/chat.ts";
import { keyMethods } from "./gateway/rpc/keys.ts";
import { modelMethods } from "./gateway/rpc/models.ts";
import { routerMethods } from "./gateway/rpc/router.ts";
import { usageMethods } from "./gateway/rpc/usage.ts";
import {
  type Accounts,
  announce,
  firstKeyFile,
  openAccountOperations,
  openAccounts,
  openKeys,
  openRunningMetering,
  refuseSecondGateway,
  rotateSigningKeysOf,
  servingFile,
} from "./main-accounts.ts";
import { createDoors, createRates, createServedOpenApi, version } from "./main-doors.ts";
import {
  bootstrapFleet,
  consumeFleet,
  migrateFleet,
  openFleetAccounts,
  openFleetDeadLetters,
  openFleetMeter,
} from "./main-fleet.ts";
import { consume, type Metering, type MeteringOptions, openMeter } from "./main-metering.ts";
import { systemClock } from "./platform/clock.ts";
import type { FleetSettings } from "./platform/fleet-settings.ts";
import { type Log, openLog } from "./platform/log.ts";
import {
  type Environment,
  loadSettings,
  type Settings,
  SettingsError,
} from "./platform/settings.ts";
import { createUuidSource, type UuidSource } from "./platform/uuid.ts";
import { type OpenProviders, openProviders } from "./providers/all.ts";
import { openNetwork } from "./router/network.ts";

/** A provider that is silent for this long gets its client a ping: proxies cut at 60 s, and 15 is what clients bear. */
const pingAfterMs = 15_000;

/** A gateway that serves until it is closed. */
export type Gateway = {
  readonly serving: ServingGateway;
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
  await refuseSecondGateway(settings.dataDirectory);
  const catalogue = createCatalogue(toModelOverrides(settings.models));
  const { connectTimeoutMs, providerSilenceTimeoutMs: silenceTimeoutMs } = settings.limits;
  const surroundings = {
    environment,
    catalogue,
    clock,
    version,
    connectTimeoutMs,
    silenceTimeoutMs,
  };
  const providers = openProviders(settings.providers, surroundings);
  resources.defer(() => providers.close());
  const plans = createPlans(toPlanOverrides(settings.plans));
  const { fleet } = settings;
  const onTrouble = (message: string) => log.warn({ trouble: message }, "signing keys");
  const accounts = await (fleet
    ? openFleetAccounts(settings, fleet, plans, log)
    : openAccounts({ ...settings, onTrouble }, plans));
  resources.defer(() => accounts.close());
  // The first account of a fleet is made by its migration.
  const first = fleet ? noFirstKey : await accounts.bootstrap();

  const uuids = createUuidSource(clock);
  const rooms = { ...providers, directory: accounts.directory, plans, catalogue, uuids, log };
  const metering = await openMetering(rooms, settings);
  resources.defer(() => metering.close());
  const entries = createEntries(settings, { catalogue, providers, accounts, metering, uuids, log });
  const state = { publicUrl: "", stopping: new AbortController() };
  const rates = createRates(metering, uuids);
  const door = createDoors({ entries, settings, accounts, rates, log, state });
  const listener = await listen(door, {
    host: settings.host,
    port: settings.port,
    ...(settings.tls && { tls: await readTls(settings.tls) }),
    headersTimeoutMs: settings.limits.headersTimeoutMs,
    requestTimeoutMs: settings.limits.requestTimeoutMs,
    idleTimeoutMs: settings.limits.idleTimeoutMs,
  });
  resources.defer(() => listener.close({ drainMs: settings.limits.drainTimeoutMs }));
  state.publicUrl = settings.publicUrl || listener.url;
  await announce(settings.dataDirectory, listener);
  resources.defer(() => rm(servingFile(settings.dataDirectory), { force: true }));
  return {
    serving: {
      publicUrl: state.publicUrl,
      firstKey: first.created ? first.firstKey : undefined,
      firstKeyFile: firstKeyFile(settings.dataDirectory),
      providers: [...providers.providers.keys()],
      notices: providers.notices,
    },
    async close() {
      state.stopping.abort();
      await resources.disposeAsync();
    },
  };
}

const noFirstKey = { firstKey: undefined, created: false };

/** Metering of this gateway alone, or as a replica of a fleet. */
function openMetering(
  rooms: Omit<MeteringOptions, "dataDirectory" | "gatewayId" | "entry" | "onBroken">,
  settings: Settings,
): Promise<Metering> {
  const { dataDirectory, gatewayId, fleet, durability } = settings;
  const entry = fileURLToPath(import.meta.url);
  const onBroken = (cause: unknown) => endBroken(cause, rooms.log);
  const options = { ...rooms, dataDirectory, gatewayId, entry, onBroken };
  if (fleet === undefined) return openMeter(options);
  return openFleetMeter({ ...options, fleet, durability });
}

type Rooms = {
  readonly catalogue: Catalogue;
  readonly providers: OpenProviders;
  readonly accounts: Accounts;
  readonly metering: Metering;
  readonly uuids: UuidSource;
  readonly log: Log;
};

/** Every method that is served, over its rooms. */
function createEntries(
  settings: Settings,
  { catalogue, providers, accounts, metering, uuids, log }: Rooms,
): MethodEntry[] {
  const clock = systemClock;
  const chat: OnceParts = {
    ...providers,
    ...metering,
    catalogue,
    clock,
    uuids,
    network: openNetwork(),
    health: new DeploymentHealth({ clock }),
    pingAfterMs,
    onUnremembered: (error, requestId) =>
      log.error({ request_id: requestId, error: String(error) }, "a keyed answer was not kept"),
  };
  return [
    ...chatMethods(chat),
    ...routerMethods(chat),
    ...modelMethods({ catalogue, deployments: providers.deployments }),
    ...keyMethods(accounts.manager),
    ...accountMethods({
      ...accounts,
      signUp: accounts.signUp(settings.signUp),
      secure: () => settings.tls !== undefined || settings.publicUrl.startsWith("https:"),
    }),
    ...adminMethods({
      accounts: accounts.accounts,
      invite: accounts.invite,
      refund: metering.refund,
      sql: metering.sql,
      audit: metering.audit,
    }),
    ...usageMethods((caller) =>
      metering.counters.usage(caller.accountId, metering.entitlement(caller).totalMicro),
    ),
  ];
}

async function readTls(tls: { certFile: string; keyFile: string }) {
  return { cert: await readFile(tls.certFile), key: await readFile(tls.keyFile) };
}

/** What cannot be recorded is not served: the supervisor of the process starts it anew. */
function endBroken(cause: unknown, log: Log): void {
  log.error({ cause: String(cause) }, "the usage log cannot be written: the process ends");
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

/** Resolves at SIGTERM or SIGINT; a second signal ends the process at once. */
function untilStopped(): Promise<void> {
  return new Promise<void>((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve());
  });
}

/** Serves until the process is told to stop. */
async function serve(
  environment: Environment,
  onReady: (gateway: ServingGateway) => void,
): Promise<void> {
  // Listened for first: whoever reads the ready line may send the signal at once.
  const stopped = untilStopped();
  const gateway = await openGateway(loadSettings(environment), environment);
  onReady(gateway.serving);
  await stopped;
  await gateway.close();
}

function fleetOf({ fleet }: Settings): FleetSettings {
  if (fleet !== undefined) return fleet;
  throw new SettingsError([
    "kafka, clickhouse, redis: missing in the configuration; without them everything is in 'optamil start'",
  ]);
}

/** Runs a consumer of a fleet until the process is told to stop. */
async function consumeAlone(environment: Environment, tell: (line: string) => void): Promise<void> {
  const settings = loadSettings(environment);
  const fleet = fleetOf(settings);
  const log = openLog(settings.logLevel);
  const stopped = untilStopped();
  tell(`Consumer ${settings.gatewayId} is running`);
  await consumeFleet(fleet, settings.gatewayId, { stopped, log });
  await log.close();
}

/** Makes what a fleet needs before its first replica. */
async function migrate(environment: Environment): Promise<Migration> {
  const settings = loadSettings(environment);
  const fleet = fleetOf(settings);
  const made = await migrateFleet(fleet);
  const accounts = await bootstrapFleet(settings, fleet);
  return {
    done: [...made.done, ...accounts.done],
    differences: [...made.differences, ...accounts.differences],
  };
}

if (import.meta.main) {
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
    consume: (tell) => consumeAlone(process.env, tell),
    openDeadLetters: async () => openFleetDeadLetters(fleetOf(loadSettings(process.env))),
    openApi: () => createServedOpenApi("/"),
  };
  process.exitCode = await runCommand(process.argv.slice(2), context);
}
