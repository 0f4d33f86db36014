// Part of the composition root: the processes of a gateway with workers, as those who start them run them.
import type { ServingGateway } from "./cli/command.ts";
import { endBroken, openGateway } from "./main-gateway.ts";
import { openOwner } from "./main-owner.ts";
import {
  type Orders,
  openWorkerLink,
  type ParentFunctions,
  type WorkerFunctions,
} from "./main-worker.ts";
import { Channel, type MessagePort } from "./platform/channel.ts";
import { openLog } from "./platform/log.ts";
import { type Environment, loadSettings, SettingsError } from "./platform/settings.ts";

/** How a part is run. */
export type PartOptions = {
  readonly environment: Environment;
  readonly entry: string;
  /** Workers that an owner starts. */
  readonly workers: number;
};

/** What runs until it is told to stop. */
type Running = {
  readonly serving: ServingGateway;
  reload(): unknown;
  close(): Promise<void>;
};

type Opened = { readonly running: Running; readonly ready: ParentFunctions["ready"] };

/** The way to the process that started this one. */
const parent: MessagePort = {
  send: (message) => {
    // It may have gone a moment ago: "disconnect" tells.
    if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
  },
  onMessage: (listener) => process.on("message", listener),
  onClose: (listener) => process.once("disconnect", listener),
};

/** Runs a part to its end, and ends the process. */
export async function runPart(part: "worker" | "owner", options: PartOptions): Promise<never> {
  const { environment, entry, workers } = options;
  const settings = loadSettings(environment);
  const isOfOwner = part === "worker" && settings.fleet === undefined;
  const { stopped, stop } = untilStopped(isOfOwner);
  let running: Running | undefined;
  const reload = () => void running?.reload();
  if (settings.configFile !== undefined) process.on("SIGHUP", reload);
  const orders = { stop, reload };
  try {
    const opened = await (part === "worker" ? openWorker(orders) : openBooks(orders));
    running = opened.running;
    opened.ready(running.serving);
    await stopped;
    await running.close();
    process.exit(0);
  } catch (error) {
    const isPlain = error instanceof SettingsError || (error instanceof Error && "code" in error);
    if (!isPlain) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }

  async function openWorker(given: Orders): Promise<Opened> {
    const link = openWorkerLink(parent, given);
    const running = await openGateway({ settings, environment, entry, link });
    return { running, ready: link.ready };
  }

  async function openBooks(given: Orders): Promise<Opened> {
    const functions: WorkerFunctions = { metrics: () => [], changed: () => undefined, ...given };
    const channel = new Channel<ParentFunctions>(parent, functions);
    const onBroken = (cause: unknown) => endBroken(cause, openLog(settings.logLevel));
    const running = await openOwner({ environment, entry, workers, onBroken });
    return { running, ready: (serving) => channel.tell("ready", serving) };
  }
}

/**
 * `stopped` resolves at `stop`, at SIGTERM, and when whoever started the process is gone. A terminal sends SIGINT to all: who
 * started the process acts on it. What stops already, or can record nothing without who started it, ends at once.
 */
function untilStopped(isOfOwner: boolean): { stopped: Promise<void>; stop: () => void } {
  const { promise: stopped, resolve } = Promise.withResolvers<void>();
  let isStopping = false;
  const stop = () => {
    isStopping = true;
    resolve();
  };
  process.on("SIGINT", () => undefined);
  process.on("SIGTERM", stop);
  process.once("disconnect", () => {
    if (isOfOwner || isStopping) process.exit(1);
    stop();
  });
  return { stopped, stop };
}
