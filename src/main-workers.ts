// Part of the composition root: the process that starts workers, which share a port, and keeps them running.
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { ServingGateway } from "./cli/command.ts";
import { reservePort } from "./gateway/listen-port.ts";
import { refuseFolder, signingKeysFile } from "./main-accounts.ts";
import { collectWorkers } from "./main-telemetry.ts";
import type { WorkerFunctions } from "./main-worker.ts";
import type { Channel } from "./platform/channel.ts";
import { type Log, openLog } from "./platform/log.ts";
import { forkProcess, openProcessPool, type ProcessPool } from "./platform/process-pool.ts";
import {
  type Environment,
  loadSettings,
  type Settings,
  SettingsError,
  workerVariable,
} from "./platform/settings.ts";

/** How workers are started. */
export type WorkersOptions = {
  readonly environment: Environment;
  /** The program. */
  readonly entry: string;
  readonly count: number;
  readonly onReady: (gateway: ServingGateway) => void;
  readonly stopped: Promise<void>;
};

/** For what is recorded last, and the consumer's last batch. */
const closeTimeoutMs = 20_000;

/** How long a worker may take to stop, milliseconds: its answers have their time, and what was cut its last word. */
export function stopTimeoutMs({ limits }: Settings): number {
  return limits.drainDelayMs + limits.drainTimeoutMs + closeTimeoutMs;
}

/** Starts as many workers as are wanted, and resolves when they have been stopped. */
export async function serveWorkers(options: WorkersOptions): Promise<void> {
  const settings = loadSettings(options.environment);
  if (process.platform !== "linux") {
    throw new SettingsError([
      `--workers: ${process.platform} does not spread connections over processes that share a port: go without`,
    ]);
  }
  await refuseFolder(settings);
  // Shared, it would not be refused where another gateway has it.
  const port = await reservePort(settings.host, settings.port);
  const environment = { ...options.environment, PORT: String(port) };
  const log = openLog(settings.logLevel);
  const pool = openPool(settings, { ...options, environment }, (trouble) =>
    log.warn({ trouble }, "workers"),
  );
  if (settings.configFile !== undefined) {
    process.on("SIGHUP", () => {
      for (const child of pool.channels().values()) child.tell("reload");
    });
  }
  const end = async () => {
    await pool.stop(stopTimeoutMs(settings) + closeTimeoutMs);
    log.close();
  };
  try {
    const [first] = await Promise.race([pool.ready, options.stopped.then(() => [])]);
    if (first !== undefined) options.onReady(first);
  } catch (error) {
    await end();
    throw new SettingsError([`--workers: ${error instanceof Error ? error.message : error}`]);
  }
  const handOver = settings.fleet && (await handOverLeft(settings, options.count, log));
  await options.stopped;
  await handOver?.stop();
  await end();
}

type Pool = ProcessPool<WorkerFunctions, ServingGateway>;

/** Whole gateways in a fleet; on one machine the process that keeps the books, which has workers of its own. */
function openPool(
  settings: Settings,
  { environment, entry, count }: Omit<WorkersOptions, "onReady" | "stopped">,
  onTrouble: (message: string) => void,
): Pool {
  const stop = (child: Channel<WorkerFunctions>) => child.tell("stop");
  if (settings.fleet === undefined) {
    return openProcessPool<WorkerFunctions, ServingGateway>({
      count: 1,
      start: () => forkProcess(entry, ["owner", String(count)], environment),
      own: () => ({}),
      stop,
      onTrouble,
    });
  }
  const pool: Pool = openProcessPool<WorkerFunctions, ServingGateway>({
    count,
    start: (number) =>
      forkProcess(entry, ["worker"], workerEnvironment(settings, environment, number)),
    own: () => ({ metrics: () => collectWorkers(undefined, pool.channels()) }),
    stop,
    onTrouble,
  });
  return pool;
}

/**
 * The variables of a worker. In a fleet the first one is the gateway that would run without workers: what that has
 * recorded is never without somebody who carries it on. The others have names and folders of their own beside it.
 */
export function workerEnvironment(
  settings: Settings,
  environment: Environment,
  number: number,
): Environment {
  const { dataDirectory, gatewayId, fleet } = settings;
  const isFirst = number === 1;
  const own = {
    ...environment,
    [workerVariable]: String(number),
    OPTAMIL_SIGNING_KEYS: signingKeysFile(settings),
    OPTAMIL_GATEWAY_ID: isFirst && fleet !== undefined ? gatewayId : `${gatewayId}-${number}`,
  };
  if (fleet === undefined || isFirst) return { ...own, OPTAMIL_DATA: dataDirectory };
  return { ...own, OPTAMIL_DATA: workerFolder(dataDirectory, number) };
}

const folderPattern = /^worker-(\d+)$/;

function workerFolder(dataDirectory: string, number: number): string {
  return join(dataDirectory, `worker-${number}`);
}

/** Carries to Kafka what workers have recorded that are not started any more, as there are fewer of them now. */
export async function handOverLeft(
  settings: Settings,
  count: number,
  log: Log,
): Promise<{ stop(): Promise<void> } | undefined> {
  const { dataDirectory, fleet, gatewayId } = settings;
  const numbers = (await readdir(dataDirectory))
    .map((name) => Number(folderPattern.exec(name)?.[1] ?? 0))
    .filter((number) => number > count);
  if (fleet === undefined || numbers.length === 0) return undefined;
  // Only where something is left: the clients of a fleet's services are much to load.
  const { openHandOver } = await import("./main-handover.ts");
  const left = numbers.map((number) => ({
    dataDirectory: workerFolder(dataDirectory, number),
    gatewayId: `${gatewayId}-${number}`,
  }));
  return openHandOver(fleet, left, log);
}
