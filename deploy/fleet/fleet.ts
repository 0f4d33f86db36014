/** A fleet of real processes on one machine: Kafka, ClickHouse, Redis, replicas and consumers. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { providerPresets } from "../../src/catalogue/presets.ts";
import type { ClickHouseServer } from "../../test/setup/clickhouse.ts";
import { findPorts } from "../../test/setup/find-ports.ts";
import type { KafkaCluster } from "../../test/setup/kafka.ts";
import { type RunningProcess, run, startProcess } from "../../test/setup/process.ts";
import type { RedisServer } from "../../test/setup/redis.ts";
import { runtimeCommand } from "../../test/setup/runtime.ts";

/** What all replicas and consumers stand on. */
export type Services = {
  readonly kafka: KafkaCluster;
  readonly clickhouse: ClickHouseServer;
  readonly redis: RedisServer;
};

/** Settings of `openFleet`. */
export type FleetSettings = {
  readonly services: Services;
  /** Everything but the services' own data lies below it. */
  readonly folder: string;
  /** Configuration beside the services' addresses. Default: none. */
  readonly config?: object | undefined;
  /** Added to its part on ClickHouse. Default: nothing. */
  readonly clickhouse?: object | undefined;
  /** The program that all processes run at first. Default: this one. */
  readonly program?: string | undefined;
  /** Variables of all processes; `undefined` takes one away. Default: none. */
  readonly env?: Record<string, string | undefined>;
  /** Folder of a log file for each process. Default: none is written. */
  readonly logs?: string | undefined;
};

type Serving = { readonly url: string; readonly process: RunningProcess };

/** One replica: the process that serves now, or will. */
export type Replica = {
  readonly name: string;
  readonly dataDirectory: string;
  /** Stays the same over restarts, so that a proxy finds it. */
  readonly port: number;
  /** The one that serves; waits for it while there is none. */
  serving: Promise<Serving>;
};

/** One consumer; `process` is the newest. */
export type Consumer = {
  readonly name: string;
  /** Port for operators, with `/readyz`. */
  readonly port: number;
  process: RunningProcess;
};

const main = "src/main.ts";
const partitions = 6;
const readyTimeoutMs = 60_000;
const migrateTimeoutMs = 120_000;
/** Longer than a replica drains. */
const stopTimeoutMs = 45_000;

/** Variables of the machine that would change what a fleet's processes do. */
const withoutOwnSettings: Record<string, undefined> = Object.fromEntries(
  [
    ...["OPTAMIL_API_KEY", "OPTAMIL_CONFIG", "OPTAMIL_DATA", "OPTAMIL_GATEWAY_ID"],
    ...["OPTAMIL_METRICS_PORT", "OPTAMIL_SIGNING_KEYS", "HOST", "PORT"],
  ].map((name) => [name, undefined]),
);

/** The same without providers, for fleets whose answers must not depend on the machine's keys. */
export const withoutProviderKeys: Record<string, undefined> = Object.fromEntries(
  providerPresets.map(({ apiKeyEnv }) => [apiKeyEnv, undefined]),
);

/** A fleet that serves; `stop` ends its processes, not the services. */
export class Fleet {
  readonly kafka: KafkaCluster;
  readonly clickhouse: ClickHouseServer;
  readonly redis: RedisServer;
  readonly replicas: Replica[] = [];
  readonly consumers: Consumer[] = [];
  /** The configuration file of all processes. */
  readonly configFile: string;
  /** Key of the first account. */
  readonly key: string;
  /** The program that what is started from now on runs. */
  program: string;
  /** Workers of replicas that are started from now on. */
  workers = 1;
  readonly #settings: FleetSettings;

  constructor(settings: FleetSettings, configFile: string, key: string) {
    this.program = settings.program ?? main;
    this.kafka = settings.services.kafka;
    this.clickhouse = settings.services.clickhouse;
    this.redis = settings.services.redis;
    this.configFile = configFile;
    this.key = key;
    this.#settings = settings;
  }

  /** Starts so many more at once. */
  async addReplicas(count: number): Promise<void> {
    const ports = await findPorts(count);
    await Promise.all(ports.map((port) => this.#addReplica(port)));
  }

  /** SIGKILL, and a new process on the same data and port. Resolves when that serves. */
  killReplica(number: number): Promise<void> {
    return this.#replace(this.replica(number), (process) => process.kill());
  }

  /** SIGTERM, as an upgrade does it: running requests end, then a new process of `program` starts. */
  async upgradeReplica(number: number): Promise<void> {
    const replica = this.replica(number);
    await this.#replace(replica, async (process) => {
      const exit = await process.stop(stopTimeoutMs);
      if (exit.code !== 0) throw new Error(`${replica.name} ended with ${JSON.stringify(exit)}`);
    });
  }

  /** Starts so many more at once. */
  async addConsumers(count: number): Promise<void> {
    const ports = await findPorts(count);
    const first = this.consumers.length + 1;
    const started = ports.map(async (port, index) => {
      const name = `consumer-${first + index}`;
      return { name, port, process: await this.#startConsumer(name, port) };
    });
    this.consumers.push(...(await Promise.all(started)));
  }

  /** Ends a consumer by SIGKILL, or by SIGTERM as an upgrade does, and starts a new process of that name. */
  async restartConsumer(number: number, signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    const consumer = this.consumers[number % this.consumers.length];
    if (consumer === undefined) throw new Error("the fleet has no consumer");
    const { process, name, port } = consumer;
    await (signal === "SIGKILL" ? process.kill() : process.stop(stopTimeoutMs));
    consumer.process = await this.#startConsumer(name, port);
  }

  /** Variables with which a command works beside a replica. */
  commandEnv(replica = 0): Record<string, string | undefined> {
    const { dataDirectory } = this.replica(replica);
    return { ...this.#env("command", dataDirectory), OPTAMIL_API_KEY: this.key };
  }

  /** Runs `optamil <words…>` beside a replica, on its data unless `env` says otherwise. */
  run(
    words: readonly string[],
    replica = 0,
    env: Record<string, string> = {},
  ): ReturnType<typeof run> {
    const { command, args } = runtimeCommand(this.program, words);
    return run(command, args, { env: { ...this.commandEnv(replica), ...env } });
  }

  /** Ends replicas, then consumers, in good order; what does not end is killed. */
  async stop(): Promise<void> {
    const serving = await Promise.allSettled(this.replicas.map(({ serving }) => serving));
    const running = serving.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    await Promise.all(running.map(({ process }) => process.stop(stopTimeoutMs)));
    await Promise.all(this.consumers.map(({ process }) => process.stop(stopTimeoutMs)));
  }

  replica(number: number): Replica {
    const replica = this.replicas[number % this.replicas.length];
    if (replica === undefined) throw new Error("the fleet has no replica");
    return replica;
  }

  #addReplica(port: number): Promise<Serving> {
    const name = `gateway-${this.replicas.length + 1}`;
    const dataDirectory = join(this.#settings.folder, name);
    const start = async () => {
      await mkdir(dataDirectory, { mode: 0o700 });
      // Commands beside a replica call it with this key.
      await writeFile(join(dataDirectory, "first-key"), `${this.key}\n`, { mode: 0o600 });
      return this.#startReplica(name, dataDirectory, port);
    };
    const serving = start();
    this.replicas.push({ name, dataDirectory, port, serving });
    return serving;
  }

  async #replace(
    replica: Replica,
    end: (process: RunningProcess) => Promise<unknown>,
  ): Promise<void> {
    const { process } = await replica.serving;
    const next = Promise.withResolvers<Serving>();
    replica.serving = next.promise;
    try {
      await end(process);
      next.resolve(await this.#startReplica(replica.name, replica.dataDirectory, replica.port));
    } catch (error) {
      next.reject(error);
    }
    await replica.serving;
  }

  async #startReplica(name: string, dataDirectory: string, port: number): Promise<Serving> {
    const env = { ...this.#env(name, dataDirectory), PORT: `${port}` };
    const readyLine = /^Replica is ready at (http:\/\/127\.0\.0\.1:\d+)\/v1/;
    const words = this.workers > 1 ? ["gateway", "--workers", `${this.workers}`] : ["gateway"];
    const process = await this.#start(words, name, env, readyLine);
    return { url: process.ready?.[1] ?? "", process };
  }

  #startConsumer(name: string, port: number): Promise<RunningProcess> {
    const own = { OPTAMIL_METRICS_PORT: `${port}` };
    const env = { ...this.#env(name, join(this.#settings.folder, name)), ...own };
    return this.#start(["consumer"], name, env, /^Consumer \S+ is running/);
  }

  #start(
    words: readonly string[],
    name: string,
    env: Record<string, string | undefined>,
    readyLine: RegExp,
  ): Promise<RunningProcess> {
    const { command, args } = runtimeCommand(this.program, words);
    const { logs } = this.#settings;
    const logFile = logs && join(logs, `${name}.log`);
    return startProcess(command, args, { env, readyLine, readyTimeoutMs, logFile });
  }

  #env(name: string, dataDirectory: string): Record<string, string | undefined> {
    return environmentOf(this.#settings, this.configFile, name, dataDirectory);
  }
}

/** Writes the configuration file of a fleet; gives its path. */
export async function writeFleetConfig(settings: FleetSettings): Promise<string> {
  const { kafka, clickhouse, redis } = settings.services;
  const configFile = join(settings.folder, "optamil.json");
  const replicationFactor = kafka.bootstrap.length;
  const config = {
    ...settings.config,
    kafka: { brokers: kafka.bootstrap, partitions, replicationFactor },
    clickhouse: { url: clickhouse.url, ...settings.clickhouse },
    redis: { url: redis.url },
  };
  await writeFile(configFile, JSON.stringify(config, undefined, 2));
  return configFile;
}

/** Makes topics, tables and the first account of a fleet that has no process yet. */
export async function openFleet(settings: FleetSettings): Promise<Fleet> {
  const { folder } = settings;
  const configFile = await writeFleetConfig(settings);
  const { command, args } = runtimeCommand(settings.program ?? main, ["migrate"]);
  const env = environmentOf(settings, configFile, "migrate", join(folder, "migrate"));
  const migrated = await run(command, args, { env, timeoutMs: migrateTimeoutMs });
  const key = /^first key: (\S+)/m.exec(migrated.stdout)?.[1];
  if (migrated.code !== 0 || key === undefined) {
    throw new Error(`optamil migrate: ${migrated.stdout}${migrated.stderr}`);
  }
  return new Fleet(settings, configFile, key);
}

function environmentOf(
  { env, folder }: FleetSettings,
  configFile: string,
  name: string,
  dataDirectory: string,
): Record<string, string | undefined> {
  return {
    ...withoutOwnSettings,
    OPTAMIL_SIGNING_KEYS: join(folder, "signing-keys"),
    ...env,
    OPTAMIL_CONFIG: configFile,
    OPTAMIL_DATA: dataDirectory,
    OPTAMIL_GATEWAY_ID: name,
  };
}
