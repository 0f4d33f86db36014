// Part of the composition root: looks at a machine and at what its processes depend on, and changes nothing.
import { constants } from "node:fs";
import { access, stat, statfs } from "node:fs/promises";
import type { Diagnosis } from "./cli/command.ts";
import { findRunning, firstKeyFile, signingKeysFile } from "./main-accounts.ts";
import { checkConfiguration } from "./main-config.ts";
import type { FleetSettings } from "./platform/fleet-settings.ts";
import {
  type Environment,
  loadSettings,
  type Settings,
  SettingsError,
} from "./platform/settings.ts";

const roomBytesMin = 256 * 1024 ** 2;
const roomBytesGood = 2 * 1024 ** 3;
const answerTimeoutMs = 5_000;

/** Everything that can be looked at from here, wrong or not. */
export async function diagnose(environment: Environment): Promise<readonly Diagnosis[]> {
  let settings: Settings;
  try {
    settings = loadSettings(environment);
    if (settings.configFile !== undefined) await checkConfiguration(environment);
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    const remedy = "mend the file; 'optamil config check FILE' says whether it is right";
    return error.problems.map((message) => ({
      ...{ part: "configuration", status: "error", message, remedy },
    }));
  }
  const { configFile, fleet } = settings;
  return [
    { part: "configuration", status: "ok", message: configFile?.path ?? "none: all defaults" },
    ...(await diagnoseFolder(settings)),
    ...(await diagnoseSecrets(settings)),
    ...(await diagnoseGateway(environment, settings)),
    ...(fleet ? await diagnoseServices(fleet) : []),
  ];
}

async function diagnoseServices(fleet: FleetSettings): Promise<Diagnosis[]> {
  const { diagnoseFleet } = await import("./main-dependencies.ts");
  return diagnoseFleet(fleet);
}

/** Whether the data folder can be written, and how much room its disk has. */
export async function diagnoseFolder({
  dataDirectory,
}: Pick<Settings, "dataDirectory">): Promise<Diagnosis[]> {
  const part = "data folder";
  try {
    await access(dataDirectory, constants.R_OK | constants.W_OK);
  } catch {
    const message = `${dataDirectory} is not there, or may not be written`;
    const remedy = "a first start makes it; else give it to the user that runs optamil";
    return [{ part, status: "notice", message, remedy }];
  }
  const { bavail, bsize } = await statfs(dataDirectory);
  const roomBytes = bavail * bsize;
  const message = `${dataDirectory} has room for ${Math.floor(roomBytes / 1024 ** 2)} MiB`;
  if (roomBytes >= roomBytesGood) return [{ part, status: "ok", message }];
  return [
    {
      ...{ part, status: roomBytes < roomBytesMin ? "error" : "notice", message },
      meaning: "requests get 503 when a usage event cannot be written any more",
      remedy: "make room on that disk",
    },
  ];
}

/** What others may read is no secret any more. */
async function diagnoseSecrets(settings: Settings): Promise<Diagnosis[]> {
  const files = [signingKeysFile(settings), firstKeyFile(settings.dataDirectory)];
  const found: Diagnosis[] = [];
  for (const file of files) {
    const mode = await stat(file).then(
      (stats) => stats.mode,
      () => undefined,
    );
    if (mode === undefined) continue;
    const isOpen = (mode & 0o077) !== 0;
    found.push({
      part: "secrets",
      status: isOpen ? "error" : "ok",
      message: `${file} ${isOpen ? "can be read by others" : "is its owner's alone"}`,
      ...(isOpen && { remedy: `chmod 600 ${file}` }),
    });
  }
  return found;
}

async function diagnoseGateway(environment: Environment, settings: Settings): Promise<Diagnosis[]> {
  const part = "gateway";
  const running = await findRunning(environment, settings).catch(() => undefined);
  if (running === undefined) {
    const message = `none serves ${settings.dataDirectory}`;
    return [{ part, status: "notice", message, remedy: "optamil start, or optamil gateway" }];
  }
  const { url, key } = running;
  const headers = { authorization: `Bearer ${key}` };
  try {
    const ready = await fetch(new URL("/readyz", url), withTimeout());
    await ready.arrayBuffer();
    const metrics = await fetch(new URL("/metrics", url), { headers, ...withTimeout() });
    const text = await metrics.text();
    const status = ready.status === 200 ? "ok" : "error";
    const message = `${url} answers ${ready.status} to /readyz`;
    return [{ part, status, message }, ...diagnoseMetrics(text)];
  } catch (error) {
    const message = `${url} does not answer: ${error instanceof Error ? error.message : error}`;
    const remedy = "its log, on standard error, says why";
    return [{ part, status: "error", message, remedy }];
  }
}

const withTimeout = () => ({ signal: AbortSignal.timeout(answerTimeoutMs) });

type Watched = {
  readonly part: string;
  readonly metric: string;
  readonly isWell: (value: number) => boolean;
  readonly toMessage: (value: number) => string;
  readonly meaning: string;
  readonly remedy: string;
};

const watched: readonly Watched[] = [
  {
    part: "usage log",
    metric: "optamil_usage_log_refusing",
    isWell: (value) => value === 0,
    toMessage: (value) => (value === 0 ? "takes events" : "is full"),
    meaning: "requests get 503: what cannot be recorded is not served",
    remedy: "make room on the disk, and see what holds up the consumer",
  },
  {
    part: "consumer",
    metric: "optamil_consumer_up",
    isWell: (value) => value === 1,
    toMessage: (value) => (value === 1 ? "has its warehouse open" : "has no warehouse"),
    meaning: "requests and /v1/usage go on; sql and audit get 503, events wait in the log",
    remedy: "'trouble' lines of the log say why; it is tried again by itself",
  },
  {
    part: "consumer",
    metric: "optamil_consumer_lag",
    isWell: (value) => value < 100_000,
    toMessage: (value) => `${value} events wait`,
    meaning: "the warehouse shows less than was used; /v1/usage is exact",
    remedy: "wait, unless it grows",
  },
  {
    part: "counters",
    metric: "optamil_counters_up",
    isWell: (value) => value === 1,
    toMessage: (value) => (value === 1 ? "can be trusted" : "cannot be trusted"),
    meaning: "accounts without an overdraft get 503",
    remedy: "see Redis, and 'shared counters' in the log",
  },
];

function diagnoseMetrics(exposition: string): Diagnosis[] {
  return watched.flatMap(({ part, metric, isWell, toMessage, meaning, remedy }): Diagnosis[] => {
    const values = valuesOf(metric, exposition);
    // Of several workers the one that is not well.
    const value = values.find((one) => !isWell(one)) ?? values[0];
    if (value === undefined) return [];
    const message = toMessage(value);
    if (isWell(value)) return [{ part, status: "ok", message }];
    return [{ part, status: "error", message, meaning, remedy }];
  });
}

/** A metric's values: of workers one each, with a label. */
function valuesOf(metric: string, exposition: string): number[] {
  const lines = new RegExp(`^${metric}(?:\\{worker="[^"]*"\\})? (\\S+)$`, "gm");
  return [...exposition.matchAll(lines)].map(([, text]) => Number(text));
}
