/** A fleet as an operator runs it: real Kafka, ClickHouse and Redis, replicas and consumers as processes. */
import assert from "node:assert/strict";
import { expect } from "vitest";
import {
  Fleet as FleetOnServices,
  type FleetSettings,
  openFleet,
  type Services,
  withoutProviderKeys,
} from "../../deploy/fleet/fleet.ts";
import { bearer } from "../e2e/doors.ts";
import { temporaryFolder } from "../e2e/gateway.ts";
import { sendHttp1 } from "../e2e/rest-client.ts";
import type { fetchClickHouse } from "../setup/clickhouse.ts";
import { findPorts } from "../setup/find-ports.ts";
import { startKafka } from "../setup/kafka.ts";
import { startRedis } from "../setup/redis.ts";
import { type DelayingProxy, startToxiproxy } from "../setup/toxiproxy.ts";
import type { Address } from "./traffic.ts";

/** Settings of a fleet. */
export type FleetOptions = {
  readonly startClickHouse: Awaited<ReturnType<typeof fetchClickHouse>>;
  readonly brokers?: 1 | 3;
  readonly gateways: number;
  /** Of each gateway. Default 1. */
  readonly workers?: number;
  readonly consumers: number;
  /** Whether all reach the services through proxies that can delay what comes back. Default: no. */
  readonly proxied?: boolean;
  /** Added to the configuration file. */
  readonly config?: object;
  /** Added to its part on ClickHouse. */
  readonly clickhouse?: object;
  /** Variables of all processes. Default: none. */
  readonly env?: Record<string, string>;
  /** The program that all processes run at first. Default: this one. */
  readonly program?: string;
};

/** A service that all processes of a fleet stand on. */
export type Dependency = "kafka" | "clickhouse" | "redis";

/** The proxies before the services, and Redis without one. */
type Proxies = Record<Dependency, DelayingProxy[]> & {
  readonly redisUrl: string;
  stop(): Promise<void>;
};

/** Services, and the proxies through which they are reached. */
type ProxiedServices = Services & { readonly proxies: Proxies };

/** A fleet that serves; `stop` ends all of it. */
export class Fleet extends FleetOnServices {
  /** Undefined where nothing stands between the processes and the services. */
  proxies: Proxies | undefined;

  /** The replica with this number, with the key of the first account. */
  async address(replica = 0): Promise<Address> {
    const { url } = await this.replica(replica).serving;
    return { url, key: this.key };
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

  /** Ends the services too. */
  override async stop(): Promise<void> {
    await super.stop();
    await Promise.all([this.clickhouse.stop(), this.redis.stop(), this.kafka.stop()]);
    await this.proxies?.stop();
  }
}

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

/** The same behind proxies: what the services' addresses lead to can be delayed. */
async function startProxiedServices({
  brokers = 1,
  startClickHouse,
}: Pick<FleetOptions, "brokers" | "startClickHouse">): Promise<ProxiedServices> {
  const toxiproxy = await startToxiproxy();
  const ofKafka: DelayingProxy[] = [];
  const proxy = async (upstream: string, port: number) => {
    ofKafka.push(await toxiproxy.before(upstream, port));
  };
  const [kafka, clickhouse, redis] = await Promise.all([
    startKafka({ brokers, proxy }),
    startClickHouse(),
    startRedis(),
  ]);
  const ports = await findPorts(2);
  const [toClickHouse, toRedis] = await Promise.all(
    [clickhouse, redis].map(({ url }, at) => toxiproxy.before(new URL(url).host, ports[at] ?? 0)),
  );
  assert(toClickHouse && toRedis);
  return {
    kafka,
    // Its process changes with a restart, so it is no copy.
    clickhouse: Object.create(clickhouse, { url: { value: `http://${toClickHouse.address}` } }),
    redis: { ...redis, url: `redis://${toRedis.address}` },
    proxies: {
      ...{ kafka: ofKafka, clickhouse: [toClickHouse], redis: [toRedis] },
      redisUrl: redis.url,
      stop: () => toxiproxy.stop(),
    },
  };
}

/** Settings of a fleet on these services, whatever keys of providers this machine has. */
export async function fleetSettings(
  services: Services,
  { env, ...plan }: Pick<FleetOptions, "config" | "clickhouse" | "env" | "program"> = {},
): Promise<FleetSettings> {
  const log = process.env["OPTAMIL_TEST_LOG"] ?? "silent";
  return {
    ...{ services, folder: await temporaryFolder(), ...plan },
    env: { ...withoutProviderKeys, OPTAMIL_LOG: log, ...env },
  };
}

/** Starts everything and makes topics, tables and the first account. */
export async function startFleet(options: FleetOptions): Promise<Fleet> {
  const { config, clickhouse, env, program } = options;
  const plan = {
    ...(config && { config }),
    ...(clickhouse && { clickhouse }),
    ...(env && { env }),
    ...(program && { program }),
  };
  const proxied = options.proxied ? await startProxiedServices(options) : undefined;
  const settings = await fleetSettings(proxied ?? (await startServices(options)), plan);
  const { configFile, key } = await openFleet(settings);
  const fleet = new Fleet(settings, configFile, key);
  fleet.proxies = proxied?.proxies;
  fleet.workers = options.workers ?? 1;
  await Promise.all([fleet.addConsumers(options.consumers), fleet.addReplicas(options.gateways)]);
  return fleet;
}
