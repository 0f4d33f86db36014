// What people do with dead letters: look at them, and send them again once the mistake is mended.
import { Buffer } from "node:buffer";
import type { Admin, IHeaders } from "kafkajs";
import { OptamilError } from "../../platform/errors.ts";
import type { FetchedRecord } from "../../platform/kafka/buffer.ts";
import { type KafkaConnection, openAdmin, type Reconnecting } from "../../platform/kafka/client.ts";
import { openTopicReader, type TopicReader } from "../../platform/kafka/reader.ts";
import { type KafkaSender, openKafkaSender } from "../../platform/kafka/sender.ts";
import { toMessage } from "./message.ts";
import { type UsageTopics, usageTopics } from "./topics.ts";

/** A record that no warehouse could take. */
export type KafkaDeadLetter = {
  /** Its number: offset in the topic of dead letters. */
  readonly id: number;
  /** Where it was. */
  readonly topic: string;
  readonly partition: number;
  readonly epoch: number;
  readonly offset: number;
  readonly bytes: Uint8Array;
  /** Why, in a few words. */
  readonly reason: string;
  /** Unix milliseconds. */
  readonly atMs: number;
};

/** The dead letters of a fleet. */
export interface KafkaDeadLetters {
  /** Letters from an id on, the oldest first, each record once. */
  list(fromId: number, limit: number): Promise<readonly KafkaDeadLetter[]>;
  /** Throws `not_found`. */
  show(id: number): Promise<KafkaDeadLetter>;
  /**
   * Puts the bytes of letters into the usage log again. Whoever does it twice does no harm: rows are keyed by
   * event id, and what is still poison becomes another letter. Throws `not_found`.
   */
  replay(ids: readonly number[]): Promise<void>;
  close(): Promise<void>;
}

/** Opens them for the command line: the first read joins a group, seconds as a rule. */
export function openKafkaDeadLetters(
  connection: KafkaConnection,
  topics: UsageTopics = usageTopics,
): KafkaDeadLetters {
  return new DeadLetters(connection, topics);
}

const pageLimits = { eventsMax: 1_000, bytesMax: 8 * 1024 * 1024 };

class DeadLetters implements KafkaDeadLetters {
  readonly #topics: UsageTopics;
  readonly #reader: TopicReader;
  readonly #sender: KafkaSender;
  readonly #admin: Reconnecting<Admin>;

  constructor(connection: KafkaConnection, topics: UsageTopics) {
    this.#topics = topics;
    this.#reader = openTopicReader(connection, topics.deadLetters);
    this.#sender = openKafkaSender(connection);
    this.#admin = openAdmin(connection);
  }

  async list(fromId: number, limit: number): Promise<readonly KafkaDeadLetter[]> {
    const letters: KafkaDeadLetter[] = [];
    // A consumer that died between letter and progress has written the letter twice.
    const places = new Set<string>();
    const log = this.#reader.partition(0, 0);
    for (let id = fromId; letters.length < limit; ) {
      const { records, endOffset } = await log.read(id, pageLimits);
      for (const letter of records.map(toLetter)) {
        const place = `${letter.topic}/${letter.partition}@${letter.epoch}/${letter.offset}`;
        if (!places.has(place) && letters.length < limit) letters.push(letter);
        places.add(place);
      }
      id = (records.at(-1)?.offset ?? endOffset) + 1;
      if (id >= endOffset) break;
    }
    return letters;
  }

  async show(id: number): Promise<KafkaDeadLetter> {
    const [letter] = await this.list(id, 1);
    if (letter?.id === id) return letter;
    throw new OptamilError("not_found", `There is no dead letter ${id}.`);
  }

  async replay(ids: readonly number[]): Promise<void> {
    const partitions = await this.#countPartitions();
    for (const id of ids) {
      const { bytes } = await this.show(id);
      const { partition, message } = toMessage(bytes, partitions);
      await this.#sender.send(this.#topics.usage, partition, [message]);
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#reader.close(), this.#sender.close(), this.#admin.close()]);
  }

  async #countPartitions(): Promise<number> {
    const { usage } = this.#topics;
    const { topics } = await this.#admin.use((admin) =>
      admin.fetchTopicMetadata({ topics: [usage] }),
    );
    return topics[0]?.partitions.length ?? 1;
  }
}

function toLetter({ offset: id, bytes, headers = {} }: FetchedRecord): KafkaDeadLetter {
  const number = (name: string) => Number(textOf(headers, name));
  return {
    id,
    topic: textOf(headers, "optamil_topic"),
    partition: number("optamil_partition"),
    epoch: number("optamil_epoch"),
    offset: number("optamil_offset"),
    bytes,
    reason: textOf(headers, "optamil_reason"),
    atMs: number("optamil_at_ms"),
  };
}

function textOf(headers: IHeaders, name: string): string {
  const value = headers[name];
  return Buffer.isBuffer(value) ? value.toString() : String(value ?? "");
}
