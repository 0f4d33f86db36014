/** Producer honesty: is what Kafka acknowledged in the log, when leaders are killed under load? */
import { vi } from "vitest";
import { openAdmin } from "../../src/platform/kafka/client.ts";
import { openTopicReader } from "../../src/platform/kafka/reader.ts";
import { openKafkaSender } from "../../src/platform/kafka/sender.ts";
import { encodeEvent } from "../../src/usage/encode-event.ts";
import { decodeEvent, toEventIdText } from "../../src/usage/event.ts";
import type { KafkaCluster } from "../setup/kafka.ts";
import { createKafkaHome, type KafkaHome } from "./kafka-home.ts";
import { sampleEvent } from "./sample-events.ts";

/** What came of a run. */
export type Honesty = {
  readonly concurrency: number;
  /** Events that were acknowledged before the leader was killed, and in all. */
  readonly beforeKill: number;
  readonly acknowledged: number;
  /** Acknowledged, but not in the log. */
  readonly falselyAcknowledged: number;
  /** Records of the log beyond the first of each event. */
  readonly repeated: number;
  /** Requests that failed and were sent again. */
  readonly failures: number;
  readonly seconds: number;
};

const perRequest = 20;
const all = { eventsMax: 100_000, bytesMax: 1e9 };

/**
 * Sends events to as many partitions at once as `concurrency` says, kills the leader of the first one after a
 * third of them, and reads everything back when the broker has returned.
 */
export async function measureHonesty(
  cluster: KafkaCluster,
  concurrency: number,
  events: number,
): Promise<Honesty> {
  const start = performance.now();
  const home = await createKafkaHome(cluster, { partitions: concurrency });
  const leader = await leaderOf(home);
  const broker = cluster.brokers.find(({ id }) => id === leader);
  const acknowledged = new Set<string>();
  let killed: Promise<void> | undefined;
  let beforeKill = 0;
  let failures = 0;
  const sender = openKafkaSender(home.connection);

  async function sendAll(partition: number): Promise<void> {
    for (let sent = 0; sent < events / concurrency; sent += perRequest) {
      const batch = Array.from({ length: perRequest }, () => sampleEvent());
      const messages = batch.map((event) => ({ value: Buffer.from(encodeEvent(event)) }));
      const send = () => sender.send(home.topics.usage, partition, messages);
      await vi.waitFor(() => send().catch(failed), { timeout: 60_000, interval: 100 });
      for (const { eventId } of batch) acknowledged.add(toEventIdText(eventId));
      if (killed === undefined && acknowledged.size > events / 3) {
        beforeKill = acknowledged.size;
        killed = broker?.kill();
      }
    }
  }
  function failed(error: unknown): never {
    failures++;
    throw error;
  }

  await Promise.all(Array.from({ length: concurrency }, (_, partition) => sendAll(partition)));
  await sender.close();
  await killed;
  await broker?.restart();
  const logged = await readAll(home, concurrency);
  const unique = new Set(logged);
  return {
    concurrency,
    beforeKill,
    acknowledged: acknowledged.size,
    falselyAcknowledged: [...acknowledged].filter((id) => !unique.has(id)).length,
    repeated: logged.length - unique.size,
    failures,
    seconds: Math.round((performance.now() - start) / 100) / 10,
  };
}

async function leaderOf({ connection, topics }: KafkaHome): Promise<number> {
  const admin = openAdmin(connection);
  const metadata = await admin.use((client) =>
    client.fetchTopicMetadata({ topics: [topics.usage] }),
  );
  await admin.close();
  const [found] = metadata.topics;
  return found?.partitions.find(({ partitionId }) => partitionId === 0)?.leader ?? -1;
}

async function readAll(home: KafkaHome, partitions: number): Promise<string[]> {
  const reader = openTopicReader(home.connection, home.topics.usage);
  const ids: string[] = [];
  for (let partition = 0; partition < partitions; partition++) {
    const log = reader.partition(partition, 1);
    for (let offset = 0; ; ) {
      const { records, endOffset } = await vi.waitFor(() => log.read(offset, all), 60_000);
      ids.push(...records.map(({ bytes }) => toEventIdText(decodeEvent(bytes).eventId)));
      offset += records.length;
      if (offset >= endOffset) break;
    }
  }
  await reader.close();
  return ids;
}
