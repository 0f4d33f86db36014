// Part of the composition root: the process that keeps the books of one machine, and the workers that serve over them.

import { toBinary } from "@bufbuild/protobuf";
import { ProviderSlots } from "./chat/provider-slots.ts";
import type { ServingGateway } from "./cli/command.ts";
import type { Directory } from "./directory/directory.ts";
import { DirectoryRecordSchema } from "./gen/optamil/v1/directory_pb.ts";
import {
  type Accounts,
  announce,
  firstKeyFile,
  knownNames,
  openAccounts,
  refuseFolder,
} from "./main-accounts.ts";
import { type OwnParts, openOwnParts } from "./main-alone.ts";
import { type OpenContent, openContent } from "./main-content.ts";
import { Desk } from "./main-desk.ts";
import { type FreshStatus, startTicks } from "./main-metering.ts";
import { collectWorkers, measureOwner, openTelemetry } from "./main-telemetry.ts";
import type { OwnerFunctions, WorkerFunctions } from "./main-worker.ts";
import { stopTimeoutMs, workerEnvironment } from "./main-workers.ts";
import type { Channel } from "./platform/channel.ts";
import { openLog } from "./platform/log.ts";
import { openWhole } from "./platform/open-whole.ts";
import { forkProcess, openProcessPool, type ProcessPool } from "./platform/process-pool.ts";
import { type Environment, loadSettings, type Settings } from "./platform/settings.ts";
import { trimHeap } from "./platform/trim-heap.ts";
import { within } from "./platform/within.ts";

/** How the owner is opened. */
export type OwnerOptions = {
  readonly environment: Environment;
  readonly entry: string;
  readonly workers: number;
  /** Ends the process: nothing can be recorded any more. */
  readonly onBroken: (cause: unknown) => void;
};

/** The books and their workers. */
export type Owner = {
  readonly serving: ServingGateway;
  reload(): void;
  /** Ends the workers, which end what they serve, and then closes the books. */
  close(): Promise<void>;
};

/** What the owner has open. */
type Rooms = {
  readonly accounts: Accounts;
  readonly parts: OwnParts;
  readonly content: OpenContent;
  readonly desks: Map<number, Desk>;
  /** Those that have the directory open. */
  readonly following: Set<number>;
  readonly change: Directory["append"];
};

/** A worker that has not taken a change over by then takes it over before what comes after it. */
const changeTimeoutMs = 1_000;

type Pool = ProcessPool<WorkerFunctions, ServingGateway>;

/** Opens the books, starts the workers, and resolves when all of them serve. */
export function openOwner(options: OwnerOptions): Promise<Owner> {
  return openWhole((resources) => compose(options, resources));
}

async function compose(options: OwnerOptions, resources: AsyncDisposableStack): Promise<Owner> {
  const { environment, entry, workers } = options;
  const settings = loadSettings(environment);
  const { dataDirectory, gatewayId } = settings;
  const log = openLog(settings.logLevel);
  resources.defer(() => log.close());
  await refuseFolder(settings);
  const accounts = await openAccounts(settings, knownNames(settings));
  resources.defer(() => accounts.close());
  const first = await accounts.bootstrap();
  const { directory } = accounts;
  const content = openContent(settings, { directory, log, resources });
  const parts = await openOwnParts({
    ...{ dataDirectory, gatewayId, entry, log },
    onBroken: options.onBroken,
  });
  resources.defer(() => parts.close());
  const sweep = async () => void (await parts.counters.sweep());
  const ticks = startTicks({ tick: sweep }, parts.sweepIdempotency, log);
  resources.defer(() => ticks.stop());
  const following = new Set<number>();
  const slots = new ProviderSlots();
  const change = createChange(directory, () =>
    [...pool.channels()].flatMap(([number, one]) => (following.has(number) ? [one] : [])),
  );
  const rooms: Rooms = { accounts, parts, content, desks: new Map(), following, change };
  const own = measureOwner(statusOf(rooms), resources);
  openTelemetry(settings, { metrics: own, resources, log });
  const pool: Pool = openProcessPool<WorkerFunctions, ServingGateway>({
    count: workers,
    start: (number) =>
      forkProcess(entry, ["worker"], workerEnvironment(settings, environment, number)),
    own: (number) => {
      const desk = new Desk({ ...parts, slots });
      rooms.desks.set(number, desk);
      const metrics = () => collectWorkers(own, pool.channels());
      return { ...createFunctions(number, rooms), ...desk.functions, metrics };
    },
    async onEnded(number) {
      rooms.following.delete(number);
      await rooms.desks.get(number)?.close();
    },
    stop: (worker) => worker.tell("stop"),
    onTrouble: (trouble) => log.warn({ trouble }, "workers"),
  });
  resources.defer(() => pool.stop(stopTimeoutMs(settings)));
  const [serving] = await pool.ready;
  if (serving === undefined) throw new Error("there is no worker");
  trimHeap();
  return {
    serving: await announceOwner(settings, serving, first, resources),
    reload: () => {
      for (const worker of pool.channels().values()) worker.tell("reload");
    },
    close: () => resources.disposeAsync(),
  };
}

/** Says where the workers serve, for the command line and the banner. */
async function announceOwner(
  settings: Settings,
  serving: ServingGateway,
  first: Awaited<ReturnType<Accounts["bootstrap"]>>,
  resources: AsyncDisposableStack,
): Promise<ServingGateway> {
  const { dataDirectory } = settings;
  await announce(dataDirectory, { url: serving.ownUrl }, resources);
  return {
    ...serving,
    firstKey: first.created ? first.firstKey : undefined,
    firstKeyFile: firstKeyFile(dataDirectory),
  };
}

function statusOf({ parts, desks }: Rooms): () => FreshStatus {
  return () => {
    const status = parts.status();
    const held = [...desks.values()].map((desk) => desk.held);
    return {
      ...status,
      log: parts.logStatus(),
      held: {
        open: held.reduce((sum, { open }) => sum + open, 0),
        micro: held.reduce((sum, { micro }) => sum + micro, 0n),
      },
    };
  };
}

/** What a worker may call, beside its desk. */
function createFunctions(
  number: number,
  rooms: Rooms,
): Omit<OwnerFunctions, keyof Desk["functions"] | "ready" | "metrics"> {
  const { parts, content, following } = rooms;
  const { counters } = parts;
  return {
    renew: (holds) => counters.renew(holds),
    rate: (load) => counters.rate(load),
    usage: (accountId, totalMicro, budgetId) => counters.usage(accountId, totalMicro, budgetId),
    follow: () => void following.add(number),
    change: rooms.change,
    ask: (question) => parts.ask(question),
    status: statusOf(rooms),
    putContent: (accountId, kept) => content.store.put(accountId, kept),
    getContent: (accountId, requestId) => content.store.get(accountId, requestId),
    removeContent: (accountId, requestId) => content.store.remove(accountId, requestId),
    removeAllContent: (accountId) => content.store.removeAll(accountId),
    ping: () => undefined,
  };
}

/** Makes changes, and tells those who follow the directory before it says that they are made. */
function createChange(
  directory: Directory,
  followers: () => readonly Channel<WorkerFunctions>[],
): Directory["append"] {
  const telling = new Set<Promise<unknown>>();
  directory.onChange((record) => {
    const bytes = toBinary(DirectoryRecordSchema, record);
    for (const follower of followers()) {
      const told = within(changeTimeoutMs, follower.call("changed", bytes)).catch(() => undefined);
      telling.add(told);
      void told.then(() => telling.delete(told));
    }
  });
  return async (change, write) => {
    await directory.append(change, write);
    await Promise.all(telling);
  };
}
