/** Where the usage log on Kafka lives in tests: topics of its own on a cluster, and gateways' outboxes. */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { expect, vi } from "vitest";
import { systemClock } from "../../src/platform/clock.ts";
import type { KafkaConnection } from "../../src/platform/kafka/client.ts";
import {
  createForwardedLog,
  type Durability,
  type ForwardedLog,
} from "../../src/usage/kafka/forwarded-log.ts";
import { type KafkaForwarder, openKafkaForwarder } from "../../src/usage/kafka/forwarder.ts";
import { ensureUsageTopics, type UsageTopics } from "../../src/usage/kafka/topics.ts";
import { type LmdbUsageLog, openLmdbUsageLog } from "../../src/usage/lmdb.ts";
import type { KafkaCluster } from "../setup/kafka.ts";
import { createDataFolder } from "./data-folder.ts";

/** Topics on a cluster. */
export type KafkaHome = { readonly connection: KafkaConnection; readonly topics: UsageTopics };

/** A gateway's log with its parts. */
export type Gateway = {
  readonly log: ForwardedLog;
  readonly outbox: LmdbUsageLog;
  readonly forwarder: KafkaForwarder;
};

/** Makes fresh topics. */
export async function createKafkaHome(
  { bootstrap }: KafkaCluster,
  { partitions = 1 } = {},
): Promise<KafkaHome> {
  const connection = { brokers: bootstrap, clientId: "test" };
  const id = randomUUID().slice(0, 8);
  const topics = { usage: `usage.${id}`, deadLetters: `dead.${id}`, meta: `meta.${id}` };
  const replicationFactor = bootstrap.length;
  await ensureUsageTopics(connection, { topics, partitions, replicationFactor });
  return { connection, topics };
}

/** How to open a gateway. */
export type GatewayOptions = {
  readonly folder?: string;
  readonly spoolEventsMax?: number | undefined;
  readonly durability?: Durability;
  readonly quorumWaitMs?: number;
};

/** Opens a gateway's log in a folder of its own, and forwards it. */
export async function openGateway(
  { connection, topics }: KafkaHome,
  options: GatewayOptions = {},
): Promise<Gateway> {
  const { durability = "quorum", quorumWaitMs = 30_000, spoolEventsMax } = options;
  const outbox = await openLmdbUsageLog({
    path: join(options.folder ?? createDataFolder(), "outbox"),
    gatewayId: "gateway-1",
    clock: systemClock,
    reserveBytes: 4_096,
    spoolEventsMax,
    onBroken: (cause) => expect.unreachable(String(cause)),
  });
  const forwarder = openKafkaForwarder({ connection, outbox, topic: topics.usage });
  const log = createForwardedLog({ outbox, forwarder, durability, quorumWaitMs });
  return { log, outbox, forwarder };
}

/** Waits until everything that a gateway has recorded is in Kafka. */
export async function forwarded({ forwarder }: Gateway, timeoutMs = 20_000): Promise<void> {
  await vi.waitFor(() => expect(forwarder.lag).toBe(0), { timeout: timeoutMs, interval: 5 });
}
