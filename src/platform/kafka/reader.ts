// Reads partitions from anywhere, for a process that consumes nothing: a gateway's tail, dead letters, epochs.
import { randomUUID } from "node:crypto";
import type { Admin } from "kafkajs";
import { within } from "../within.ts";
import type { FetchLimits } from "./buffer.ts";
import { type KafkaConnection, openAdmin, type Reconnecting } from "./client.ts";
import { Feed, type FetchedBatch, type PartitionReader } from "./feed.ts";
import { Membership } from "./membership.ts";
import { TopicOffsets } from "./offsets.ts";

/** All partitions of a topic. */
export interface TopicReader {
  /** A partition as a log; reads throw while the brokers cannot be reached. */
  partition(partition: number, epoch: number): PartitionReader;
  close(): Promise<void>;
}

/** How long a read waits for the first connection, and after a lost one. */
const joinTimeoutMs = 30_000;

/** Opens a reader; it connects on the first read. The client reads in groups only, so this has one of its own. */
export function openTopicReader(connection: KafkaConnection, topic: string): TopicReader {
  return new LoneReader(connection, topic);
}

class LoneReader implements TopicReader {
  readonly #topic: string;
  readonly #groupId = `optamil.reader.${randomUUID()}`;
  readonly #admin: Reconnecting<Admin>;
  readonly #membership: Membership;
  #feed: Feed | undefined;
  #assigned = Promise.withResolvers<void>();
  #started = false;
  #closed = false;
  #trouble = "no answer";

  constructor(connection: KafkaConnection, topic: string) {
    this.#topic = topic;
    this.#admin = openAdmin(connection);
    const offsets = new TopicOffsets(this.#admin, topic);
    this.#membership = new Membership({
      connection,
      groupId: this.#groupId,
      topic,
      onAssigned: (session, partitions) => {
        this.#feed = new Feed(session, topic, partitions, offsets);
        this.#assigned.resolve();
      },
      onRevoked: () => {
        this.#feed = undefined;
        this.#assigned = Promise.withResolvers();
      },
      onBatch: (batch) => this.#feed?.take(batch),
      onTrouble: (message) => {
        this.#trouble = message;
      },
    });
  }

  partition(partition: number, epoch: number): PartitionReader {
    return {
      name: `${this.#topic}/${partition}`,
      epoch,
      read: (fromOffset, limits) => this.#read(partition, epoch, fromOffset, limits),
      arrival: async (timeoutMs) =>
        (await this.#join()).reader(partition, epoch).arrival(timeoutMs),
      close: async () => {},
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#membership.stop();
    // Who waits for partitions hears that none will come.
    this.#assigned.resolve();
    // The group would be forgotten in a week anyway.
    if (this.#started) {
      await this.#admin.use((admin) => admin.deleteGroups([this.#groupId])).catch(() => undefined);
    }
    await this.#admin.close();
  }

  async #read(
    partition: number,
    epoch: number,
    fromOffset: number,
    limits: FetchLimits,
  ): Promise<FetchedBatch> {
    const feed = await this.#join();
    return feed.reader(partition, epoch).read(fromOffset, limits);
  }

  async #join(): Promise<Feed> {
    if (this.#closed) throw new Error(`the reader of ${this.#topic} is closed`);
    if (!this.#started) this.#membership.start();
    this.#started = true;
    await within(joinTimeoutMs, this.#assigned.promise);
    if (this.#feed === undefined) throw new Error(`cannot read ${this.#topic}: ${this.#trouble}`);
    return this.#feed;
  }
}
