// Appends messages to partitions such that what is acknowledged is in the log.
import assert from "node:assert/strict";
import type { Message, Producer } from "kafkajs";

export type { Message };

import { createKafka, type KafkaConnection, Reconnecting, requestTimeoutMs } from "./client.ts";

/** Appends to a topic. */
export interface KafkaSender {
  /**
   * Appends messages to one partition, in order; gives the offset of the first once all in-sync replicas
   * have them. Throws when that is not known: they may be in the log then, and should be sent again. One call
   * at a time for each partition.
   */
  send(topic: string, partition: number, messages: readonly Message[]): Promise<number>;
  close(): Promise<void>;
}

/**
 * Opens a sender. Two rules keep it honest: one partition a request, as a retry within the client would skip a
 * broker that has answered for another partition; and one request in flight a partition, for the order.
 *
 * The producer is not idempotent: after a request that failed for good, its sequence number is given to other
 * messages, which a broker that did take the first ones may acknowledge and drop. Without numbers a retry
 * can only double a message, and rows are keyed by event id.
 */
export function openKafkaSender(connection: KafkaConnection): KafkaSender {
  const producers = new Reconnecting(() => createProducer(connection));
  const busy = new Set<string>();
  return {
    async send(topic, partition, messages) {
      const place = `${topic}/${partition}`;
      assert(!busy.has(place), `two sends at once to ${place}`);
      busy.add(place);
      try {
        return await producers.use((producer) => sendOnce(producer, topic, partition, messages));
      } finally {
        busy.delete(place);
      }
    },
    close: () => producers.close(),
  };
}

function createProducer(connection: KafkaConnection): Producer {
  return createKafka(connection).producer({ idempotent: false, allowAutoTopicCreation: false });
}

async function sendOnce(
  producer: Producer,
  topic: string,
  partition: number,
  messages: readonly Message[],
): Promise<number> {
  const placed = messages.map((message) => ({ ...message, partition }));
  const timeout = requestTimeoutMs;
  const answers = await producer.send({ topic, acks: -1, timeout, messages: placed });
  const [answer] = answers;
  const answered = answers.length === 1 && answer?.partition === partition;
  assert(answered && answer.errorCode === 0, `no acknowledgement of ${topic}/${partition}`);
  return Number(answer.baseOffset);
}
