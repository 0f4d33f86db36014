/** A gateway on the runtime under test, as a user starts it: a process with a data folder of its own. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect } from "vitest";
import { providerPresets } from "../../src/catalogue/presets.ts";
import { type ProcessExit, type RunningProcess, run, startProcess } from "../setup/process.ts";
import { runtimeCommand } from "../setup/runtime.ts";
import { inFleet, startProxiedFleet } from "./gateway-fleet.ts";
import { hitsIn, hitsOnDisk, logLines, partsOfKey } from "./leaks.ts";

/** Settings of `startGateway`. */
export interface GatewayOptions {
  /** The configuration file. Default: none, so that the demo provider answers every model. */
  config?: object;
  /** Variables added to the gateway's environment. Default: none. */
  env?: Record<string, string>;
  /** Data folder of an earlier gateway. Default: a fresh one. */
  dataDirectory?: string;
  /** Processes that serve. Default 1; OPTAMIL_TEST_WORKERS runs any file against another number. */
  workers?: number;
}

/** A gateway that serves. */
export interface Gateway {
  /** What an OpenAI client is given: `http://127.0.0.1:PORT/v1`. */
  baseUrl: string;
  /** The same without the version. */
  url: string;
  port: number;
  /** Past the proxy, if there is one: of the first replica. */
  ownUrl: string;
  /** The first account's first key: it may do everything. */
  key: string;
  dataDirectory: string;
  /** File of the keys that sign its keys. */
  signingKeys: string;
  process: Pick<RunningProcess, "pid" | "stdout" | "stderr" | "stop" | "waitForLine">;
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
const everStarted: Gateway[] = [];
const folders = new Set<string>();
/** Variables of commands beside a fleet's first replica, by its data folder. */
const commandEnvs = new Map<string, Record<string, string | undefined>>();

afterAll(async () => {
  const exits = await Promise.all([...running].map((gateway) => gateway.stop()));
  expect(exits, "every gateway ends in good order").toEqual(exits.map(() => endedWell));
  expect(await findLeaks(), "no gateway logs or keeps its first key").toEqual([]);
  await Promise.all([...folders].map((folder) => rm(folder, { recursive: true, force: true })));
});

/** Where the first keys stand but in their own files. */
async function findLeaks(): Promise<string[]> {
  const hits: string[] = [];
  for (const { key, process, dataDirectory } of everStarted) {
    const canaries = new Map(partsOfKey("the first key", key));
    const log = logLines(process.stdout() + process.stderr()).join("\n");
    hits.push(...hitsIn(log, canaries).map((name) => `log: ${name}`));
    const onDisk = await hitsOnDisk(dataDirectory, canaries);
    hits.push(...onDisk.filter((hit) => !/(^|\/)first-key:/.test(hit)));
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
  const gateway = inFleet ? await startFleet(options) : await startAlone(options);
  running.add(gateway);
  everStarted.push(gateway);
  return gateway;
}

/** A fleet behind its proxy, as a client sees it. Tests that kill, start again or look into a gateway are not for it. */
async function startFleet({ config, env = {}, dataDirectory }: GatewayOptions): Promise<Gateway> {
  if (dataDirectory !== undefined) throw new Error("a fleet has no earlier data folder");
  const fleet = await startProxiedFleet(await temporaryFolder(), config, env);
  const [first] = fleet.fleet.replicas;
  const url = `http://127.0.0.1:${fleet.port}`;
  const notAlone = () => {
    throw new Error("this test is about one gateway: see `alone`");
  };
  const gateway: Gateway = {
    baseUrl: `${url}/v1`,
    url,
    port: fleet.port,
    ownUrl: `http://127.0.0.1:${first?.port}`,
    key: fleet.fleet.key,
    dataDirectory: first?.dataDirectory ?? "",
    signingKeys: fleet.signingKeys,
    process: { ...fleet.process, pid: -1, stop: notAlone, waitForLine: notAlone },
    async stop() {
      running.delete(gateway);
      return fleet.stop();
    },
    kill: notAlone,
  };
  commandEnvs.set(gateway.dataDirectory, fleet.commandEnv);
  return gateway;
}

async function startAlone(options: GatewayOptions): Promise<Gateway> {
  const dataDirectory = options.dataDirectory ?? (await temporaryFolder());
  const env: Record<string, string | undefined> = {
    ...gatewayEnv(dataDirectory),
    OPTAMIL_LOG: "info",
    ...options.env,
  };
  if (options.config !== undefined) {
    env["OPTAMIL_CONFIG"] = await writeConfig(options.config);
  }
  const workers = options.workers ?? Number(process.env["OPTAMIL_TEST_WORKERS"] ?? 1);
  const words = workers > 1 ? ["start", "--workers", `${workers}`] : ["start"];
  const { command, args } = runtimeCommand(main, words);
  const started = await startProcess(command, args, {
    env,
    readyLine: /^ {2}Base URL +(http:\/\/127\.0\.0\.1:(\d+))\/v1$/,
    // One after the other: the first process, who keeps the books, and those that serve.
    readyTimeoutMs: workers > 1 ? 3 * readyTimeoutMs : readyTimeoutMs,
  });
  const [, url = "", port] = started.ready ?? [];
  const gateway: Gateway = {
    baseUrl: `${url}/v1`,
    url,
    port: Number(port),
    ownUrl: url,
    key: (await readFile(join(dataDirectory, "first-key"), "utf8")).trim(),
    dataDirectory,
    signingKeys: join(dataDirectory, "signing-keys"),
    process: started,
    async stop() {
      running.delete(gateway);
      return started.stop();
    },
    async kill() {
      running.delete(gateway);
      return started.kill();
    },
  };
  return gateway;
}

/** Runs `optamil <words…>` on the runtime under test, on a data folder. */
export function runOptamil(
  words: readonly string[],
  dataDirectory: string,
  env: Record<string, string> = {},
): ReturnType<typeof run> {
  const { command, args } = runtimeCommand(main, words);
  const beside = commandEnvs.get(dataDirectory);
  return run(command, args, { env: { ...gatewayEnv(dataDirectory), ...beside, ...env } });
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
