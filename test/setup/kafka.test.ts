import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Kafka, logLevel } from "kafkajs";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { describeWith } from "./describe-with.ts";
import { type KafkaCluster, kafkaTool, startKafka } from "./kafka.ts";
import { MissingToolError } from "./missing-tool.ts";

const topic = "test";

async function start(brokers: 1 | 3): Promise<KafkaCluster> {
  const cluster = await startKafka({ brokers });
  onTestFinished(() => cluster.stop());
  return cluster;
}

let clients = 0;

function connect({ bootstrap }: KafkaCluster) {
  // A client asks the first broker that takes its connection, and a frozen one does: each begins elsewhere.
  const first = clients++ % bootstrap.length;
  const brokers = [...bootstrap.slice(first), ...bootstrap.slice(0, first)];
  const options = { brokers, logLevel: logLevel.NOTHING, retry: { retries: 1 } };
  return new Kafka({ ...options, requestTimeout: 1_500, connectionTimeout: 1_000 });
}

/** Appends a message to the topic's only partition, as often as it takes; gives its offset. */
async function produce(cluster: KafkaCluster): Promise<number> {
  return vi.waitFor(async () => {
    // A client that lost its broker does not always find another one: each try has its own.
    const producer = connect(cluster).producer();
    try {
      await producer.connect();
      const messages = [{ value: "hello", partition: 0 }];
      const [sent] = await producer.send({ topic, acks: -1, messages });
      return Number(sent?.baseOffset);
    } finally {
      await producer.disconnect();
    }
  }, 45_000);
}

async function createTopic(cluster: KafkaCluster): Promise<void> {
  const admin = connect(cluster).admin();
  await admin.connect();
  // The client's own wait for leaders fails on a broker that has not heard of the topic yet; `produce` waits.
  await admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: false });
  await admin.disconnect();
}

/** Ids of the brokers that have the whole partition. */
async function inSyncReplicas(cluster: KafkaCluster): Promise<number[]> {
  const admin = connect(cluster).admin();
  await admin.connect();
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
  await admin.disconnect();
  return topics.flatMap(({ partitions }) => partitions[0]?.isr ?? []).toSorted();
}

await describeWith("Kafka for the tests", kafkaTool, () => {
  it("keeps messages over kill -9 and a stop, at the same address, until it is wiped", async () => {
    const cluster = await start(1);
    const [broker] = cluster.brokers;
    await createTopic(cluster);
    expect(await produce(cluster)).toBe(0);
    await broker?.kill();
    await broker?.restart();
    expect(await produce(cluster)).toBe(1);
    await broker?.stop();
    await broker?.restart();
    expect(await produce(cluster)).toBe(2);
    await broker?.kill();
    await broker?.wipe();
    await broker?.restart();
    await createTopic(cluster);
    expect(await produce(cluster)).toBe(0);
  }, 90_000);

  it("lives on without one of three brokers, frozen or killed and wiped, and takes it back", async () => {
    const cluster = await start(3);
    await createTopic(cluster);
    expect(await produce(cluster)).toBe(0);
    const [first, second] = cluster.brokers;
    first?.pause();
    expect(await produce(cluster)).toBeGreaterThanOrEqual(1);
    first?.resume();
    await vi.waitFor(async () => expect(await inSyncReplicas(cluster)).toEqual([1, 2, 3]), 30_000);
    await second?.kill();
    await second?.wipe();
    expect(await produce(cluster)).toBeGreaterThanOrEqual(2);
    await second?.restart();
    await vi.waitFor(async () => expect(await inSyncReplicas(cluster)).toEqual([1, 2, 3]), 30_000);
  }, 120_000);

  it("leaves no process behind when it is stopped", async () => {
    const cluster = await start(1);
    const pid = cluster.brokers[0]?.pid ?? 0;
    expect(existsSync(`/proc/${pid}`)).toBe(true);
    await cluster.stop();
    expect(existsSync(`/proc/${pid}`)).toBe(false);
  });
});

describe("Kafka that cannot be had", () => {
  it("gives one line that names Java and the remedy", async () => {
    const folder = mkdtempSync(join(tmpdir(), "optamil-cache-"));
    onTestFinished(() => {
      vi.unstubAllEnvs();
      rmSync(folder, { recursive: true });
    });
    vi.stubEnv("OPTAMIL_TEST_CACHE", folder);
    vi.stubEnv("PATH", "");
    const failure = await kafkaTool().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(MissingToolError);
    expect(String(failure)).toMatch(/java.* cannot be had: .*; remedy: .+$/);
    expect(String(failure)).not.toContain("\n");
  });
});
