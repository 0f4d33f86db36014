// Part of the composition root: a process that serves, over rooms of its own, of a fleet, or of the process that started it.

import { readFile } from "node:fs/promises";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { ProviderSlots } from "./chat/provider-slots.ts";
import type { ServingGateway } from "./cli/command.ts";
import { readConsole } from "./gateway/console-files.ts";
import { type DoorHandler, type Listener, type ListenOptions, listen } from "./gateway/listen.ts";
import type { Caller } from "./keys/verify.ts";
import {
  type Accounts,
  announce,
  firstKeyFile,
  openAccounts,
  refuseFolder,
} from "./main-accounts.ts";
import { openMeter } from "./main-alone.ts";
import { type Configuration, openConfiguration, type Serving } from "./main-config.ts";
import { openContent } from "./main-content.ts";
import { createDoors, createRates, version } from "./main-doors.ts";
import { createEntries } from "./main-entries.ts";
import type { Metering, MeteringOptions } from "./main-metering.ts";
import {
  measureGateway,
  measureListener,
  openOperatorPort,
  openTelemetry,
} from "./main-telemetry.ts";
import type { WorkerLink } from "./main-worker.ts";
import { handOverLeft } from "./main-workers.ts";
import { systemClock } from "./platform/clock.ts";
import { type Log, openLog } from "./platform/log.ts";
import { openWhole } from "./platform/open-whole.ts";
import type { Environment, Settings } from "./platform/settings.ts";
import { trimHeap } from "./platform/trim-heap.ts";
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

/** How a gateway is opened. */
export type GatewayOptions = {
  readonly settings: Settings;
  readonly environment: Environment;
  /** The program, of which parts run in processes of their own. */
  readonly entry: string;
  /** The way to the process that started this worker; undefined: nobody did. */
  readonly link: WorkerLink | undefined;
};

/** Opens every room and the port. What was opened is closed again when something fails. */
export function openGateway(options: GatewayOptions): Promise<Gateway> {
  return openWhole((resources) => compose(options, resources));
}

async function compose(options: GatewayOptions, resources: AsyncDisposableStack): Promise<Gateway> {
  const { settings, link } = options;
  const log = openLog(settings.logLevel, settings.worker);
  resources.defer(() => log.close());
  // Whoever keeps the books of one machine has seen to it.
  const isOfOwner = link !== undefined && settings.fleet === undefined;
  if (!isOfOwner) await refuseFolder(settings);
  const configuration = await openConfigurationOf(options, log);
  const { servings, plans } = configuration;
  resources.defer(() => configuration.close());
  const accounts = await openAccountsOf(options, configuration, log);
  resources.defer(() => accounts.close());
  // The first account of a fleet is made by its migration, that of workers by who keeps their books.
  const first = settings.fleet || isOfOwner ? noFirstKey : await accounts.bootstrap();

  const uuids = createUuidSource(systemClock);
  const { directory } = accounts;
  const baselineOf = ({ accountId }: Caller) => {
    const { catalogue, baseline } = servings.current;
    return catalogue.byName(directory.account(accountId)?.baselineModel ?? "") ?? baseline;
  };
  const metering = await openMetering({ directory, plans, baselineOf, uuids, log }, options);
  resources.defer(() => metering.close());
  const rates = createRates(metering, uuids);
  const { entries, health } = createEntries(settings, {
    ...{ servings, accounts, metering, rates, uuids, log },
    slots: isOfOwner ? link.slots : new ProviderSlots(),
    content: openContent(
      settings,
      { ...accounts, log, resources },
      metering.content ?? link?.content,
    ),
  });
  const own = measureGateway({ metering, health }, resources);
  const metrics = link?.metricsOf(own) ?? own;
  const state = { publicUrl: "", stopping: new AbortController() };
  const shown = {
    config: () => servings.current.config,
    degraded: () => findDegraded(accounts, metering),
    metrics,
  };
  const console = await openConsole(log);
  const exporter = openTelemetry(settings, { metrics: own, resources, log });
  const door = createDoors({
    ...{ entries, settings, accounts, rates, ...shown, console, log, exporter, state },
    ownMetrics: own,
  });
  const ready = () => !state.stopping.signal.aborted;
  // Opened before the doors and closed after them, so that the end can be watched.
  await openOperatorPort(settings.metrics, { ready, ...shown }, { resources, log });
  const listener = await openPort(door, settings);
  resources.defer(() => drain(listener, metering, settings.limits));
  measureListener(own, listener);
  state.publicUrl = settings.publicUrl || listener.url;
  if (!isOfOwner) await serveFolder(settings, listener, { log, resources });
  resources.defer(configuration.watch());
  return {
    serving: describe(servings.current, first, {
      publicUrl: state.publicUrl,
      ownUrl: listener.url,
      firstKeyFile: firstKeyFile(settings.dataDirectory),
    }),
    reload: () => configuration.reload(),
    async close() {
      state.stopping.abort();
      await wait(settings.limits.drainDelayMs);
      await resources.disposeAsync();
    },
  };
}

function openConfigurationOf(
  { settings, environment }: GatewayOptions,
  log: Log,
): Promise<Configuration> {
  const { connectTimeoutMs, providerSilenceTimeoutMs: silenceTimeoutMs } = settings.limits;
  const timeouts = { connectTimeoutMs, silenceTimeoutMs };
  return openConfiguration(settings, {
    environment,
    clock: systemClock,
    version,
    ...timeouts,
    log,
  });
}

/** Says where the folder is served, and sees to what workers have left in it that are not started any more. */
async function serveFolder(
  settings: Settings,
  listener: Listener,
  { log, resources }: { readonly log: Log; readonly resources: AsyncDisposableStack },
): Promise<void> {
  await announce(settings.dataDirectory, listener, resources);
  // With workers, who starts them does it.
  const left = settings.worker === undefined && (await handOverLeft(settings, 1, log));
  if (left) resources.defer(() => left.stop());
}

function describe(
  { providers, notices }: Serving,
  { created, firstKey }: FirstKey,
  where: Pick<ServingGateway, "publicUrl" | "ownUrl" | "firstKeyFile">,
): ServingGateway {
  const names = [...providers.keys()];
  return { ...where, firstKey: created ? firstKey : undefined, providers: names, notices };
}

/** The last thing of a start: from here on requests come. */
async function openPort(door: DoorHandler, settings: Settings): Promise<Listener> {
  const options = await toListenOptions(settings);
  trimHeap();
  return listen(door, options);
}

/** Accounts and keys of this machine alone, of a fleet, or of the process that keeps the books. */
async function openAccountsOf(
  { settings, link }: GatewayOptions,
  configuration: Configuration,
  log: Log,
): Promise<Accounts> {
  const { fleet } = settings;
  const onTrouble = (message: string) => log.warn({ trouble: message }, "signing keys");
  if (fleet !== undefined) {
    return (await openFleetRooms()).openFleetAccounts(settings, fleet, configuration, log);
  }
  const openDirectory = link && (async (path: string) => link.openDirectory(path));
  return openAccounts({ ...settings, onTrouble, openDirectory }, configuration);
}

/** What a replica does without: requests go on as docs/operations.md says of each. */
function findDegraded({ isAway }: Accounts, metering: Metering): readonly string[] {
  const { countersUp, countersSlow, warehouseUp } = metering.status();
  return [
    ...(isAway?.() ? ["kafka"] : []),
    ...(countersUp === false || countersSlow ? ["redis"] : []),
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

type FirstKey = { readonly firstKey: string | undefined; readonly created: boolean };

const noFirstKey: FirstKey = { firstKey: undefined, created: false };

/** What only a fleet needs, its clients of Kafka, ClickHouse and Redis above all: one machine does not load them. */
function openFleetRooms(): Promise<typeof import("./main-fleet.ts")> {
  return import("./main-fleet.ts");
}

/** Metering of this gateway alone, as a replica of a fleet, or over the books of another process. */
async function openMetering(
  rooms: Omit<MeteringOptions, "dataDirectory" | "gatewayId" | "entry" | "onBroken">,
  { settings, entry, link }: GatewayOptions,
): Promise<Metering> {
  const { dataDirectory, gatewayId, fleet, durability } = settings;
  const onBroken = (cause: unknown) => endBroken(cause, rooms.log);
  const options = { ...rooms, dataDirectory, gatewayId, entry, onBroken };
  if (fleet === undefined) return link ? link.openMetering(options) : openMeter(options);
  const { openFleetMeter } = await openFleetRooms();
  return openFleetMeter({ ...options, fleet, durability });
}

/**
 * deploy/nginx leaves a replica alone for two seconds when it takes no connection. Only what is kept for longer than that is
 * surely not used any more.
 */
const waneOfFleetMs = 2_500;

async function toListenOptions(settings: Settings): Promise<ListenOptions> {
  const { host, port, tls, limits, fleet } = settings;
  const shared = settings.worker !== undefined;
  const { headersTimeoutMs, requestTimeoutMs, idleTimeoutMs } = limits;
  const timeouts = { headersTimeoutMs, requestTimeoutMs, idleTimeoutMs };
  const wane = fleet && { waneMs: waneOfFleetMs };
  const keyPair = tls && { tls: await readTls(tls) };
  return { host, port, shared, ...keyPair, ...timeouts, ...wane };
}

async function readTls(tls: { certFile: string; keyFile: string }) {
  return { cert: await readFile(tls.certFile), key: await readFile(tls.keyFile) };
}

/** What cannot be recorded is not served: the supervisor of the process starts it anew. */
export function endBroken(cause: unknown, log: Log): void {
  log.error({ cause: String(cause) }, "usage cannot be recorded: the process ends");
  log.flush();
  process.exit(1);
}
