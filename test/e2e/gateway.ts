/** A gateway on the runtime under test, as a user starts it: a process with a data folder of its own. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect } from "vitest";
import { providerPresets } from "../../src/catalogue/presets.ts";
import { type ProcessExit, type RunningProcess, run, startProcess } from "../setup/process.ts";
import { runtimeCommand } from "../setup/runtime.ts";
import { hitsIn, hitsOnDisk, logLines, partsOfKey } from "./leaks.ts";

/** Settings of `startGateway`. */
export interface GatewayOptions {
  /** The configuration file. Default: none, so that the demo provider answers every model. */
  config?: object;
  /** Variables added to the gateway's environment. Default: none. */
  env?: Record<string, string>;
  /** Data folder of an earlier gateway. Default: a fresh one. */
  dataDirectory?: string;
}

/** A gateway that serves. */
export interface Gateway {
  /** What an OpenAI client is given: `http://127.0.0.1:PORT/v1`. */
  baseUrl: string;
  /** The same without the version. */
  url: string;
  port: number;
  /** The first account's first key: it may do everything. */
  key: string;
  dataDirectory: string;
  process: RunningProcess;
  /** Sends SIGTERM and gives the exit. Called at the end of the test file at the latest. */
  stop(): Promise<ProcessExit>;
  /** Kills it and its consumer with SIGKILL, and gives the exit. */
  kill(): Promise<ProcessExit>;
}

const main = "src/main.ts";
// Seconds on a quiet machine; a busy one may take its time.
const readyTimeoutMs = 30_000;

const endedWell: ProcessExit = { code: 0, signal: null };
const running = new Set<Gateway>();
/** All that were started. In each of them its first key is the canary: it was used well and badly by every test. */
const started: Gateway[] = [];
const folders = new Set<string>();

afterAll(async () => {
  const exits = await Promise.all([...running].map((gateway) => gateway.stop()));
  expect(exits, "every gateway ends in good order").toEqual(exits.map(() => endedWell));
  expect(await findLeaks(), "no gateway logs or keeps its first key").toEqual([]);
  await Promise.all([...folders].map((folder) => rm(folder, { recursive: true, force: true })));
});

/** Where the first keys stand but in their own files. */
async function findLeaks(): Promise<string[]> {
  const hits: string[] = [];
  for (const { key, process, dataDirectory } of started) {
    const canaries = new Map(partsOfKey("the first key", key));
    const log = logLines(process.stdout() + process.stderr()).join("\n");
    hits.push(...hitsIn(log, canaries).map((name) => `log: ${name}`));
    const onDisk = await hitsOnDisk(dataDirectory, canaries);
    hits.push(...onDisk.filter((hit) => !hit.startsWith("first-key:")));
  }
  return hits;
}

/** A folder that is removed at the end of the test file. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "optamil-e2e-"));
  folders.add(folder);
  return folder;
}

/** Starts a gateway and waits until it serves. It ends with the test file, and its data with it. */
export async function startGateway(options: GatewayOptions = {}): Promise<Gateway> {
  const dataDirectory = options.dataDirectory ?? (await temporaryFolder());
  const env: Record<string, string | undefined> = {
    ...gatewayEnv(dataDirectory),
    OPTAMIL_LOG: "info",
    ...options.env,
  };
  if (options.config !== undefined) {
    env["OPTAMIL_CONFIG"] = await writeConfig(options.config);
  }
  const { command, args } = runtimeCommand(main, ["start"]);
  const process = await startProcess(command, args, {
    env,
    readyLine: /^ {2}Base URL +(http:\/\/127\.0\.0\.1:(\d+))\/v1$/,
    readyTimeoutMs,
  });
  const [, url = "", port] = process.ready ?? [];
  const gateway: Gateway = {
    baseUrl: `${url}/v1`,
    url,
    port: Number(port),
    key: (await readFile(join(dataDirectory, "first-key"), "utf8")).trim(),
    dataDirectory,
    process,
    async stop() {
      running.delete(gateway);
      return process.stop();
    },
    async kill() {
      running.delete(gateway);
      return process.kill();
    },
  };
  running.add(gateway);
  started.push(gateway);
  return gateway;
}

/** Runs `optamil <words…>` on the runtime under test, on a data folder. */
export function runOptamil(
  words: readonly string[],
  dataDirectory: string,
  env: Record<string, string> = {},
): ReturnType<typeof run> {
  const { command, args } = runtimeCommand(main, words);
  return run(command, args, { env: { ...gatewayEnv(dataDirectory), ...env } });
}

/** Writes a configuration file and gives its path. */
export async function writeConfig(config: object): Promise<string> {
  const file = join(await temporaryFolder(), "optamil.json");
  await writeFile(file, JSON.stringify(config));
  return file;
}

/** Variables of a gateway that sees nothing of this machine's own settings and provider keys. */
function gatewayEnv(dataDirectory: string): Record<string, string | undefined> {
  return {
    ...Object.fromEntries(providerPresets.map(({ apiKeyEnv }) => [apiKeyEnv, undefined])),
    OPTAMIL_API_KEY: undefined,
    OPTAMIL_CONFIG: undefined,
    OPTAMIL_DATA: dataDirectory,
    OPTAMIL_LOG: "silent",
    HOST: undefined,
    PORT: "0",
  };
}
