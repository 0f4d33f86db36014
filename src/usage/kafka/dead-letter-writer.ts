// Puts records that no warehouse can take into a topic of their own, with where they were and why.
import { Buffer } from "node:buffer";
import type { Message } from "kafkajs";
import type { KafkaSender } from "../../platform/kafka/sender.ts";
import type { DeadLetter } from "../consumer-store.ts";

/** Where a dead letter was. */
export type DeadPlace = {
  readonly topic: string;
  readonly partition: number;
  readonly epoch: number;
};

/** The topic of dead letters, one partition. */
export interface DeadLetterWriter {
  /** Resolves when all are acknowledged. The same ones may be written again: they are told apart by place. */
  write(place: DeadPlace, letters: readonly DeadLetter[]): Promise<void>;
}

/** Of one request, as a letter may have megabytes. */
const bytesMax = 1024 * 1024;

/** The writer of a process; its partitions take turns. */
export function createDeadLetterWriter(sender: KafkaSender, deadTopic: string): DeadLetterWriter {
  let turn: Promise<unknown> = Promise.resolve();
  async function writeAll(place: DeadPlace, letters: readonly DeadLetter[]): Promise<void> {
    for (const messages of cut(letters.map((letter) => toMessage(place, letter)))) {
      await sender.send(deadTopic, 0, messages);
    }
  }
  return {
    write(place, letters) {
      const written = turn.then(() => writeAll(place, letters));
      turn = written.catch(() => undefined);
      return written;
    },
  };
}

function toMessage(place: DeadPlace, { offset, bytes, reason, atMs }: DeadLetter): Message {
  const { topic, partition, epoch } = place;
  return {
    key: `${topic}/${partition}@${epoch}/${offset}`,
    value: Buffer.from(bytes),
    headers: {
      optamil_topic: topic,
      optamil_partition: String(partition),
      optamil_epoch: String(epoch),
      optamil_offset: String(offset),
      optamil_reason: reason,
      optamil_at_ms: String(Math.round(atMs)),
    },
  };
}

function* cut(messages: readonly Message[]): Generator<Message[]> {
  let part: Message[] = [];
  let sizeBytes = 0;
  for (const message of messages) {
    const bytes = message.value?.length ?? 0;
    if (part.length > 0 && sizeBytes + bytes > bytesMax) {
      yield part;
      part = [];
      sizeBytes = 0;
    }
    part.push(message);
    sizeBytes += bytes;
  }
  if (part.length > 0) yield part;
}
