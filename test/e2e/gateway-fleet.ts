/** A fleet behind nginx in the place of a gateway, for the suites that are run against both. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { expect } from "vitest";
import { type Fleet, openFleet, withoutProviderKeys } from "../../deploy/fleet/fleet.ts";
import { startProxy } from "../../deploy/fleet/proxy.ts";
import { createKafka } from "../../src/platform/kafka/client.ts";
import { fetchClickHouse } from "../setup/clickhouse.ts";
import { findPorts } from "../setup/find-ports.ts";
import { sharedBrokers } from "../setup/fleet-brokers.ts";
import { type KafkaCluster, startKafka } from "../setup/kafka.ts";
import type { ProcessExit, RunningProcess } from "../setup/process.ts";
import { startRedis } from "../setup/redis.ts";
import { openFront } from "./front.ts";

/** Whether this run is against fleets. */
export const inFleet = process.env["OPTAMIL_TEST_FLEET"] === "1";

const gateways = 3;
const consumers = 2;
const usageGroup = "optamil.usage";
const groupTimeoutMs = 30_000;

/** A fleet that serves through its proxy. */
export type ProxiedFleet = {
  readonly port: number;
  readonly fleet: Fleet;
  /** The output of all replicas. */
  readonly process: Pick<RunningProcess, "stdout" | "stderr">;
  /** File of the keys that sign its keys. */
  readonly signingKeys: string;
  /** Variables of commands beside the first replica. */
  readonly commandEnv: Record<string, string | undefined>;
  stop(): Promise<ProcessExit>;
};

/**
 * Registers tests of what a fleet does not have or does in another way; `reason` says which. They are not there in a
 * run against fleets.
 */
export function alone(_reason: string, register: () => void): void {
  if (!inFleet) register();
}

/**
 * What an answer must be once a change has reached every replica: in a fleet within two seconds, alone at once. Awaited
 * with a matcher behind it, as `expect` is.
 */
export function expectSoon<Value>(ask: () => Promise<Value>) {
  return inFleet ? expect.poll(ask, { timeout: 2_000, interval: 20 }) : expect(ask()).resolves;
}

/**
 * Resolves when every replica knows what was changed before: `ask` is a question about the account, which each of them
 * answers only once it has heard of that, and nginx asks them in turn. Alone there is nobody else.
 */
export async function everywhere(ask: () => Promise<unknown>): Promise<void> {
  for (let turn = 0; inFleet && turn < 4 * gateways; turn += 1) await ask();
}

/**
 * What the warehouse must have after an audit: alone all that was recorded before it; a fleet's has what its replicas have
 * sent to Kafka and its consumers have carried on. Awaited with a matcher behind it.
 */
export function expectStored<Value>(ask: () => Promise<Value>) {
  return inFleet ? expect.poll(ask, { timeout: 20_000, interval: 200 }) : expect(ask()).resolves;
}

let sharedAreTaken = false;

/** The run's three brokers with nothing on them; another fleet of the same file has one broker of its own. */
async function takeBrokers(): Promise<KafkaCluster> {
  const shared = sharedBrokers();
  if (shared === undefined || sharedAreTaken) return startKafka({ brokers: 1 });
  sharedAreTaken = true;
  const admin = createKafka({ brokers: shared.bootstrap, clientId: "test" }).admin();
  await admin.connect();
  const topics = (await admin.listTopics()).filter((name) => name.startsWith("optamil."));
  if (topics.length > 0) await admin.deleteTopics({ topics });
  await forgetGroup(admin);
  await admin.disconnect();
  return shared;
}

/** Where the consumers of the fleet before this one stood. Members that were killed are missed after a while. */
async function forgetGroup(admin: ReturnType<ReturnType<typeof createKafka>["admin"]>) {
  const endMs = performance.now() + groupTimeoutMs;
  for (;;) {
    const { groups } = await admin.listGroups();
    if (!groups.some(({ groupId }) => groupId === usageGroup)) return;
    try {
      return await admin.deleteGroups([usageGroup]);
    } catch (error) {
      if (performance.now() > endMs) throw error;
      await wait(200);
    }
  }
}

/** Starts one in an empty folder. */
export async function startProxiedFleet(
  folder: string,
  config: object | undefined,
  env: Record<string, string>,
): Promise<ProxiedFleet> {
  const startClickHouse = await fetchClickHouse();
  const [kafka, clickhouse, redis] = await Promise.all([
    takeBrokers(),
    startClickHouse(),
    startRedis(),
  ]);
  const fleet = await openFleet({
    ...{ services: { kafka, clickhouse, redis }, folder, config },
    env: { ...withoutProviderKeys, OPTAMIL_LOG: "info", ...env },
  });
  await Promise.all([fleet.addReplicas(gateways), fleet.addConsumers(consumers)]);
  const [http1 = 0, http2 = 0] = await findPorts(2);
  const proxyFolder = join(folder, "proxy");
  await mkdir(proxyFolder);
  const proxy = await startProxy({
    folder: proxyFolder,
    gatewayPorts: fleet.replicas.map(({ port }) => port),
    listen: [`127.0.0.1:${http1}`, `127.0.0.1:${http2} http2`],
  });
  const front = await openFront({ http1, http2 });
  const serving = await Promise.all(fleet.replicas.map(({ serving }) => serving));
  const processes = serving.map(({ process }) => process);
  return {
    port: front.port,
    fleet,
    process: {
      stdout: () => processes.map(({ stdout }) => stdout()).join(""),
      stderr: () => processes.map(({ stderr }) => stderr()).join(""),
    },
    signingKeys: join(folder, "signing-keys"),
    commandEnv: fleet.commandEnv(),
    async stop() {
      await front.close();
      await fleet.stop();
      const exits = await Promise.all([
        ...processes.map(({ exited }) => exited),
        ...fleet.consumers.map(({ process }) => process.exited),
      ]);
      await Promise.all([proxy.kill(), kafka.stop(), clickhouse.stop(), redis.stop()]);
      return exits.find(({ code }) => code !== 0) ?? { code: 0, signal: null };
    },
  };
}
