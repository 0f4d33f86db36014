#!/usr/bin/env node
// The composition root: settings in, rooms opened, port listened on, everything closed again.
import { readFile, rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { DescService } from "@bufbuild/protobuf";
import { toModelOverrides } from "./catalogue/model-config.ts";
import { type Catalogue, createCatalogue } from "./catalogue/models.ts";
import { toPlanOverrides } from "./catalogue/plan-config.ts";
import { createPlans } from "./catalogue/plans.ts";
import type { OnceParts } from "./chat/idempotent.ts";
import { admitRead, currentRate } from "./chat/reads.ts";
import type { CommandContext, Migration, ServingGateway } from "./cli/command.ts";
import { runCommand } from "./cli/run.ts";
import { createSignUp } from "./directory/sign-up.ts";
import { createDoor } from "./gateway/door.ts";
import type { MethodEntry } from "./gateway/exchange.ts";
import { createHealth } from "./gateway/health.ts";
import { type DoorHandler, listen } from "./gateway/listen.ts";
import { createOpenApi } from "./gateway/openapi.ts";
import { createPages } from "./gateway/pages.ts";
import type { Rates } from "./gateway/rate-headers.ts";
import { createReflection } from "./gateway/reflection.ts";
import { createRestDoor } from "./gateway/rest.ts";
import { accountMethods } from "./gateway/rpc/accounts.ts";
import { adminMethods } from "./gateway/rpc/admin.ts";
import { chatMethods } from "./gateway/rpc/chat.ts";
import { keyMethods } from "./gateway/rpc/keys.ts";
import { modelMethods } from "./gateway/rpc/models.ts";
import { usageMethods } from "./gateway/rpc/usage.ts";
import { createRpcDoor } from "./gateway/rpc-door.ts";
import { Health } from "./gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "./gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionAlpha } from "./gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { AccountService } from "./gen/optamil/v1/accounts_pb.ts";
import { AdminService } from "./gen/optamil/v1/admin_pb.ts";
import { ChatService } from "./gen/optamil/v1/chat_pb.ts";
import { KeyService } from "./gen/optamil/v1/keys_pb.ts";
import { ModelService } from "./gen/optamil/v1/models_pb.ts";
import { UsageService } from "./gen/optamil/v1/usage_pb.ts";
import {
  type Accounts,
  announce,
  firstKeyFile,
  openAccountOperations,
  openAccounts,
  openKeys,
  openRunningMetering,
  refuseSecondGateway,
  servingFile,
} from "./main-accounts.ts";
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
import type { OptamilError } from "./platform/errors.ts";
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

const version = "0.1.0";

/** Services of the protocol itself, open to everybody. */
const protocolServices: readonly DescService[] = [Health, ServerReflection, ServerReflectionAlpha];

/** The services that this gateway serves, over REST and RPC. */
const servedServices: readonly DescService[] = [
  ChatService,
  ModelService,
  KeyService,
  AccountService,
  AdminService,
  UsageService,
];

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
  const accounts = await (fleet
    ? openFleetAccounts(settings, fleet, plans, log)
    : openAccounts(settings, plans));
  resources.defer(() => accounts.close());
  // The first account of a fleet is made by its migration.
  const first = fleet ? noFirstKey : await accounts.bootstrap();

  const uuids = createUuidSource(clock);
  const rooms = { ...providers, directory: accounts.directory, plans, catalogue, uuids, log };
  const metering = await openMetering(rooms, settings);
  resources.defer(() => metering.close());
  const entries = createEntries(settings, { catalogue, providers, accounts, metering, uuids, log });
  const state = { publicUrl: "", stopping: new AbortController() };
  const door = createDoors(entries, settings, accounts, createRates(metering, uuids), log, state);
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

function createRates({ counters, entitlement }: Metering, uuids: UuidSource): Rates {
  const reads = { counters, uuids, entitlementOf: entitlement };
  return {
    admitRead: (caller, showRate) => admitRead(caller, showRate, reads),
    current: (caller) => currentRate(caller, reads),
  };
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
    random: Math.random,
    pingAfterMs,
    onUnremembered: (error, requestId) =>
      log.error({ request_id: requestId, error: String(error) }, "a keyed answer was not kept"),
  };
  return [
    ...chatMethods(chat),
    ...modelMethods({ catalogue, deployments: providers.deployments }),
    ...keyMethods(accounts.manager),
    ...accountMethods(
      createSignUp({ accounts: accounts.accounts, open: settings.signUp === "open", clock }),
    ),
    ...adminMethods({
      accounts: accounts.accounts,
      refund: metering.refund,
      sql: metering.sql,
      audit: metering.audit,
    }),
    ...usageMethods((caller) =>
      metering.counters.usage(caller.accountId, metering.entitlement(caller).totalMicro),
    ),
  ];
}

type State = { publicUrl: string; readonly stopping: AbortController };

/** The doors in front of the methods: REST and RPC behind one handler. */
function createDoors(
  entries: readonly MethodEntry[],
  settings: Settings,
  accounts: Accounts,
  rates: Rates,
  log: Log,
  state: State,
): DoorHandler {
  const services = servedServices;
  const stopping = state.stopping.signal;
  const ready = () => !stopping.aborted;
  const onChange = (listener: () => void) => {
    stopping.addEventListener("abort", listener);
    return () => stopping.removeEventListener("abort", listener);
  };
  const common = {
    entries,
    rates,
    verify: accounts.verify,
    clock: systemClock,
    bodyBytesMax: settings.limits.bodyBytesMax,
    answerTimeoutMs: settings.limits.answerTimeoutMs,
    onError: (error: OptamilError, requestId: string) =>
      log.error({ request_id: requestId, cause: describeCause(error) }, "internal error"),
  };
  const uuids = createUuidSource(systemClock);
  return createDoor({
    rest: createRestDoor({
      ...common,
      pages: createPages({
        ready,
        openApi: createOpenApi(services, { serverUrl: settings.publicUrl || "/", version }),
        jwks: accounts.jwks,
        publicUrl: () => state.publicUrl,
      }),
    }),
    rpc: createRpcDoor({
      ...common,
      register: [
        createHealth({ services, readiness: { ready, onChange }, stopping }),
        createReflection([...services, Health]),
      ],
    }),
    rpcServices: [...services, ...protocolServices].map(({ typeName }) => typeName),
    corsOrigins: settings.corsOrigins,
    clock: systemClock,
    log,
    createRequestId: () => uuids.text(),
  });
}

function describeCause({ cause }: OptamilError): string | undefined {
  return cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
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
    openMetering: () => openRunningMetering(process.env),
    migrate: () => migrate(process.env),
    consume: (tell) => consumeAlone(process.env, tell),
    openDeadLetters: async () => openFleetDeadLetters(fleetOf(loadSettings(process.env))),
    openApi: () => createOpenApi(servedServices, { serverUrl: "/", version }),
  };
  process.exitCode = await runCommand(process.argv.slice(2), context);
}
