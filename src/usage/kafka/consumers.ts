// The consumers of a process: a member of the fleet's group, with a worker for each partition it is given.
import { randomUUID } from "node:crypto";
import type { Admin } from "kafkajs";
import { type KafkaConnection, openAdmin, type Reconnecting } from "../../platform/kafka/client.ts";
import { Feed } from "../../platform/kafka/feed.ts";
import { type GroupSession, Membership } from "../../platform/kafka/membership.ts";
import { TopicOffsets } from "../../platform/kafka/offsets.ts";
import { type KafkaSender, openKafkaSender } from "../../platform/kafka/sender.ts";
import type { ConsumerParts } from "../consumer-parts.ts";
import type { Base } from "../consumer-store.ts";
import type { BatchLimits } from "../usage-log.ts";
import { createDeadLetterWriter, type DeadLetterWriter } from "./dead-letter-writer.ts";
import { readEpochs } from "./epochs.ts";
import { partitionOf } from "./partition.ts";
import { createProgressStore, type KeptProgress, readProgress } from "./progress-store.ts";
import { type UsageTopics, usageGroupId, usageTopics } from "./topics.ts";
import { Worker, type WorkerStatus } from "./worker.ts";

/** What the consumers work with. */
export type KafkaConsumersOptions = Pick<
  ConsumerParts,
  "warehouse" | "clock" | "deliver" | "lastExit" | "limits"
> & {
  readonly connection: KafkaConnection;
  readonly topics?: UsageTopics | undefined;
  /** Default "optamil.usage": one group shares the work of a warehouse. */
  readonly groupId?: string | undefined;
  /** Name of this process that stays over its restarts, for `lastExit`. Default: a new one. */
  readonly member?: string | undefined;
  readonly sessionTimeoutMs?: number | undefined;
  /** Keeps the sums that were confirmed, where counters need more than `deliver`. Default: nobody does. */
  readonly saveBases?: ((bases: readonly Base[]) => Promise<void>) | undefined;
  readonly onTrouble: (message: string) => void;
};

/** The consumers that run. */
export interface KafkaConsumers {
  /** By partition: those that are this process's now. */
  status(): ReadonlyMap<number, WorkerStatus>;
  /** Ends the steps in progress and leaves the group. */
  close(): Promise<void>;
}

/** A partition may have two batches of this, and as much in its buffer. */
const limitsDefault: BatchLimits = { eventsMax: 5_000, bytesMax: 2 * 1024 * 1024 };
const retryMs = 1_000;

/** Joins the group; needs no broker to be there. */
export function openKafkaConsumers(options: KafkaConsumersOptions): KafkaConsumers {
  return new Consumers(options);
}

class Consumers implements KafkaConsumers {
  readonly #options: KafkaConsumersOptions;
  readonly #topics: UsageTopics;
  readonly #groupId: string;
  readonly #member: string;
  readonly #admin: Reconnecting<Admin>;
  readonly #sender: KafkaSender;
  readonly #deadLetters: DeadLetterWriter;
  readonly #offsets: TopicOffsets;
  readonly #membership: Membership;
  #epoch: number | undefined;
  #feed: Feed | undefined;
  #workers = new Map<number, Worker>();
  /** Ends when no worker of an earlier session is at work. */
  #ended: Promise<unknown> = Promise.resolve();
  #begun: Promise<void> = Promise.resolve();
  #lastExit: ConsumerParts["lastExit"];

  constructor(options: KafkaConsumersOptions) {
    const { connection, topics = usageTopics, groupId = usageGroupId } = options;
    this.#options = options;
    this.#topics = topics;
    this.#groupId = groupId;
    this.#member = options.member ?? randomUUID();
    this.#lastExit = options.lastExit;
    this.#admin = openAdmin(connection);
    this.#sender = openKafkaSender(connection);
    this.#deadLetters = createDeadLetterWriter(this.#sender, topics.deadLetters);
    this.#offsets = new TopicOffsets(this.#admin, topics.usage);
    this.#membership = new Membership({
      connection,
      groupId,
      topic: topics.usage,
      sessionTimeoutMs: options.sessionTimeoutMs,
      onAssigned: (session, partitions) => {
        const feed = new Feed(session, topics.usage, partitions, this.#offsets);
        this.#feed = feed;
        this.#begun = this.#begin(session, feed, partitions);
      },
      onRevoked: () => this.#end(),
      onBatch: (batch) => this.#feed?.take(batch),
      onTrouble: options.onTrouble,
    });
    this.#membership.start();
  }

  status(): ReadonlyMap<number, WorkerStatus> {
    return new Map([...this.#workers].map(([partition, { status }]) => [partition, status]));
  }

  async close(): Promise<void> {
    const workers = [...this.#workers.values()];
    // Their last commits need the session.
    await Promise.all(workers.map((worker) => worker.stop()));
    await this.#membership.stop();
    await this.#begun;
    await this.#ended;
    await Promise.all([this.#admin.close(), this.#sender.close()]);
  }

  #end(): void {
    this.#feed = undefined;
    const workers = [...this.#workers.values()];
    this.#workers = new Map();
    this.#ended = Promise.all([this.#ended, ...workers.map((worker) => worker.stop())]);
  }

  /** Nothing of an earlier session is trusted: what the group has written down is where it goes on. */
  async #begin(session: GroupSession, feed: Feed, partitions: readonly number[]): Promise<void> {
    await this.#ended;
    while (session.alive) {
      try {
        const epoch = await this.#findEpoch();
        const kept = await this.#admin.use((admin) =>
          readProgress(admin, this.#groupId, this.#topics.usage),
        );
        if (session.alive) this.#startWorkers(session, feed, epoch, partitions, kept);
        return;
      } catch (error) {
        this.#options.onTrouble(error instanceof Error ? error.message : String(error));
        await new Promise((resolve) => setTimeout(resolve, retryMs));
      }
    }
  }

  async #findEpoch(): Promise<number> {
    const { usage, meta } = this.#topics;
    this.#epoch ??= (await readEpochs(this.#options.connection, meta)).get(usage);
    if (this.#epoch === undefined)
      throw new Error(`${meta} has no epoch of ${usage}: make the topics`);
    return this.#epoch;
  }

  #startWorkers(
    session: GroupSession,
    feed: Feed,
    epoch: number,
    partitions: readonly number[],
    kept: ReadonlyMap<number, KeptProgress | undefined>,
  ): void {
    const count = kept.size;
    const workers = partitions.map((partition): [number, Worker] => [
      partition,
      this.#startWorker(
        session,
        feed.reader(partition, epoch),
        partition,
        count,
        kept.get(partition),
      ),
    ]);
    this.#workers = new Map(workers);
    // How the last process ended says nothing of what is taken over later.
    this.#lastExit = undefined;
  }

  #startWorker(
    session: GroupSession,
    log: ReturnType<Feed["reader"]>,
    partition: number,
    partitions: number,
    kept: KeptProgress | undefined,
  ): Worker {
    const { warehouse, clock, deliver, limits = limitsDefault, saveBases } = this.#options;
    const { epoch } = log;
    const member = this.#member;
    const topic = this.#topics.usage;
    const store = createProgressStore({
      ...{ session, topic, partition, epoch, member, kept, deadLetters: this.#deadLetters },
      saveBases:
        saveBases &&
        ((bases) =>
          // A version is one of this partition only.
          saveBases(
            bases.filter(({ accountId }) => partitionOf(accountId, partitions) === partition),
          )),
    });
    const lastExit = kept?.member === member ? this.#lastExit : undefined;
    const keepsBases = saveBases !== undefined;
    const tell = (message: string) => this.#options.onTrouble(`${log.name}: ${message}`);
    const parts = { log, warehouse, store, clock, deliver, limits, lastExit, keepsBases, tell };
    return new Worker({ parts, onTrouble: tell });
  }
}
