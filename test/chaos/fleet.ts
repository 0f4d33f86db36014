/** A fleet as an operator runs it: real Kafka, ClickHouse and Redis, replicas and consumers as processes. */
import { join } from "node:path";
import { expect } from "vitest";
import { providerPresets } from "../../src/catalogue/presets.ts";
import { bearer } from "../e2e/doors.ts";
import { temporaryFolder, writeConfig } from "../e2e/gateway.ts";
import { sendHttp1 } from "../e2e/rest-client.ts";
import type { ClickHouseServer, fetchClickHouse } from "../setup/clickhouse.ts";
import { type KafkaCluster, startKafka } from "../setup/kafka.ts";
import { type RunningProcess, run, startProcess } from "../setup/process.ts";
import { type RedisServer, startRedis } from "../setup/redis.ts";
import { runtimeCommand } from "../setup/runtime.ts";
import type { Address } from "./traffic.ts";

/** Settings of a fleet. */
export type FleetOptions = {
  readonly startClickHouse: Awaited<ReturnType<typeof fetchClickHouse>>;
  readonly brokers?: 1 | 3;
  readonly gateways: number;
  readonly consumers: number;
  /** Added to the configuration file. */
  readonly config?: object;
  /** The program that all processes run at first. Default: this one. */
  readonly program?: string;
  /** Added to its part on ClickHouse. */
  readonly clickhouse?: object;
  /** Variables added to the processes' environment. */
  readonly env?: Readonly<Record<string, string>>;
};

/** One replica: the process that serves now, or will. */
export type Replica = {
  readonly dataDirectory: string;
  /** The one that serves; waits for it while there is none. */
  serving: Promise<{ readonly url: string; readonly process: RunningProcess }>;
};

const main = "src/main.ts";
const partitions = 6;
const readyTimeoutMs = 30_000;
/** A drain, and what is left to be sent after it. */
const stopTimeoutMs = 60_000;
const startTimeoutMs = 120_000;

/** A fleet that serves; `stop` ends all of it. */
export class Fleet {
  readonly kafka: KafkaCluster;
  readonly clickhouse: ClickHouseServer;
  readonly redis: RedisServer;
  readonly replicas: Replica[] = [];
  readonly consumers: RunningProcess[] = [];
  /** Key of the first account. */
  readonly key: string;
  /** The program that what is started from now on runs. */
  program: string;
  readonly #env: Record<string, string | undefined>;

  constructor(
    parts: Services,
    key: string,
    env: Record<string, string | undefined>,
    program = main,
  ) {
    this.kafka = parts.kafka;
    this.clickhouse = parts.clickhouse;
    this.redis = parts.redis;
    this.key = key;
    this.#env = env;
    this.program = program;
  }

  /** The replica with this number, with the key of the first account. */
  async address(replica = 0): Promise<Address> {
    const { url } = await this.#replica(replica).serving;
    return { url, key: this.key };
  }

  async addReplica(): Promise<void> {
    const dataDirectory = await temporaryFolder();
    const name = `gateway-${this.replicas.length + 1}`;
    const replica = { dataDirectory, serving: this.#startReplica(name, dataDirectory) };
    this.replicas.push(replica);
    await replica.serving;
  }

  /** SIGKILL, and a new process on the same data. Resolves when that serves. */
  async killReplica(number: number): Promise<void> {
    await this.#replaceReplica(number, (process) => process.kill());
  }

  /** SIGTERM, and a new process of `program` on the same data. Resolves when that serves. */
  async restartReplica(number: number): Promise<void> {
    await this.#replaceReplica(number, (process) => process.stop(stopTimeoutMs));
  }

  async #replaceReplica(
    number: number,
    end: (process: RunningProcess) => Promise<unknown>,
  ): Promise<void> {
    const replica = this.#replica(number);
    const { process } = await replica.serving;
    const next = Promise.withResolvers<Awaited<Replica["serving"]>>();
    replica.serving = next.promise;
    await end(process);
    next.resolve(this.#startReplica(`gateway-${number + 1}`, replica.dataDirectory));
    await replica.serving;
  }

  async addConsumer(): Promise<void> {
    this.consumers.push(await this.#startConsumer(this.consumers.length));
  }

  /** SIGKILL, and a new process of the same name. */
  async killConsumer(number: number): Promise<void> {
    await this.consumers[number]?.kill();
    this.consumers[number] = await this.#startConsumer(number);
  }

  /** SIGTERM, and a new process of `program` under the same name. */
  async restartConsumer(number: number): Promise<void> {
    await this.consumers[number]?.stop(stopTimeoutMs);
    this.consumers[number] = await this.#startConsumer(number);
  }

  /** Runs `optamil <words…>` beside a replica, on its data unless `env` says otherwise. */
  run(
    words: readonly string[],
    replica = 0,
    env: Record<string, string> = {},
  ): ReturnType<typeof run> {
    const { command, args } = runtimeCommand(this.program, words);
    const { dataDirectory } = this.#replica(replica);
    const own = { OPTAMIL_DATA: dataDirectory, OPTAMIL_GATEWAY_ID: "command" };
    // kafkajs has Node warn of a timer, once.
    const quiet = { NODE_NO_WARNINGS: "1", OPTAMIL_API_KEY: this.key };
    return run(command, args, { env: { ...this.#env, ...own, ...quiet, ...env } });
  }

  /** A new account on a plan; its key. */
  async openAccount(plan: string): Promise<string> {
    const { url, key } = await this.address();
    const body = { name: "test", plan };
    const path = "/v1/admin/accounts";
    const reply = await sendHttp1(url, { path, headers: bearer(key), body });
    expect(reply.status, reply.text).toBe(200);
    return String(JSON.parse(reply.text).key);
  }

  async stop(): Promise<void> {
    const replicas = await Promise.all(this.replicas.map(({ serving }) => serving));
    await Promise.all(replicas.map(({ process }) => process.stop()));
    await Promise.all(this.consumers.map((consumer) => consumer.stop()));
    await Promise.all([this.clickhouse.stop(), this.redis.stop(), this.kafka.stop()]);
  }

  #replica(number: number): Replica {
    const replica = this.replicas[number % this.replicas.length];
    if (replica === undefined) throw new Error("the fleet has no replica");
    return replica;
  }

  async #startReplica(name: string, dataDirectory: string): Promise<Awaited<Replica["serving"]>> {
    const { command, args } = runtimeCommand(this.program, ["gateway"]);
    const env = { ...this.#env, OPTAMIL_DATA: dataDirectory, OPTAMIL_GATEWAY_ID: name, PORT: "0" };
    const readyLine = /^Replica is ready at (http:\/\/127\.0\.0\.1:\d+)\/v1/;
    const process = await startProcess(command, args, { env, readyLine, readyTimeoutMs });
    return { url: process.ready?.[1] ?? "", process };
  }

  #startConsumer(number: number): Promise<RunningProcess> {
    const { command, args } = runtimeCommand(this.program, ["consumer"]);
    const env = { ...this.#env, OPTAMIL_GATEWAY_ID: `consumer-${number + 1}` };
    const readyLine = /^Consumer \S+ is running/;
    return startProcess(command, args, { env, readyLine, readyTimeoutMs });
  }
}

/** What the processes of a fleet share. */
export type Services = Pick<Fleet, "kafka" | "clickhouse" | "redis">;

/** Starts Kafka, ClickHouse and Redis, with nothing in them. */
export async function startServices({
  brokers = 1,
  startClickHouse,
}: Pick<FleetOptions, "brokers" | "startClickHouse">): Promise<Services> {
  const [kafka, clickhouse, redis] = await Promise.all([
    startKafka({ brokers }),
    startClickHouse(),
    startRedis(),
  ]);
  return { kafka, clickhouse, redis };
}

/** What its processes are told. */
type FleetPlan = Pick<FleetOptions, "brokers" | "config" | "clickhouse" | "env">;

/** The environment of a fleet's processes. */
export async function fleetEnvironment(
  { kafka, clickhouse, redis }: Services,
  { brokers = 1, config, clickhouse: more, env }: FleetPlan = {},
): Promise<Record<string, string | undefined>> {
  const home = await temporaryFolder();
  return {
    ...Object.fromEntries(providerPresets.map(({ apiKeyEnv }) => [apiKeyEnv, undefined])),
    OPTAMIL_API_KEY: undefined,
    OPTAMIL_CONFIG: await writeConfig({
      kafka: { brokers: kafka.bootstrap, partitions, replicationFactor: brokers },
      clickhouse: { url: clickhouse.url, ...more },
      redis: { url: redis.url },
      ...config,
    }),
    OPTAMIL_SIGNING_KEYS: join(home, "signing-keys"),
    OPTAMIL_LOG: process.env["OPTAMIL_TEST_LOG"] ?? "silent",
    HOST: undefined,
    ...env,
  };
}

/** Starts everything and makes topics, tables and the first account. */
export async function startFleet(options: FleetOptions): Promise<Fleet> {
  const services = await startServices(options);
  const env = await fleetEnvironment(services, options);
  const { command, args } = runtimeCommand(options.program ?? main, ["migrate"]);
  const migrated = await run(command, args, {
    env: { ...env, OPTAMIL_DATA: await temporaryFolder(), OPTAMIL_GATEWAY_ID: "migrate" },
    timeoutMs: startTimeoutMs,
  });
  expect(migrated, migrated.stderr).toMatchObject({ code: 0 });
  const key = /^first key: (\S+)/m.exec(migrated.stdout)?.[1] ?? "";
  const fleet = new Fleet(services, key, env, options.program);
  for (let number = 0; number < options.consumers; number++) await fleet.addConsumer();
  for (let number = 0; number < options.gateways; number++) await fleet.addReplica();
  return fleet;
}
