// Keeps a member in a consumer group: joins, notices what is assigned and lost, and joins again after a crash.
import kafkajs, { type Consumer, type EachBatchPayload } from "kafkajs";
import { createKafka, disconnect, type KafkaConnection } from "./client.ts";

/** What a member of a group is told. None of it may throw or take long. */
export type MembershipOptions = {
  readonly connection: KafkaConnection;
  readonly groupId: string;
  readonly topic: string;
  /** Silence after which the group gives this member's partitions to others, milliseconds. Default 10,000. */
  readonly sessionTimeoutMs?: number | undefined;
  /** Partitions are this member's until `onRevoked`; nothing was fetched of them yet. */
  onAssigned(session: GroupSession, partitions: readonly number[]): void;
  onRevoked(): void;
  onBatch(batch: EachBatchPayload): void;
  /** Something failed and will be tried again. */
  onTrouble(message: string): void;
};

/** The time between two changes of the group. */
export type GroupSession = {
  readonly consumer: Consumer;
  /** False once the partitions may be somebody else's. */
  alive: boolean;
};

const sessionTimeoutMsDefault = 10_000;
/** Also how late a new position takes effect. */
const fetchWaitMs = 100;
const fetchBytesMax = 8 * 1024 * 1024;
const partitionBytesMax = 1024 * 1024;
/** Enough for an election: a member that begins anew must wait until the group has given its old self up. */
const requestRetriesMax = 5;
const retryMinMs = 200;
const retryMaxMs = 10_000;

/** A member; `start` returns at once. */
export class Membership {
  readonly #options: MembershipOptions;
  #session: GroupSession | undefined;
  #consumer: Consumer | undefined;
  #retryMs = retryMinMs;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #starting: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(options: MembershipOptions) {
    this.#options = options;
  }

  start(): void {
    this.#starting = this.#start();
  }

  /** Leaves the group. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#retry);
    this.#end();
    await this.#starting;
    if (this.#consumer !== undefined) await disconnect(this.#consumer);
  }

  async #start(): Promise<void> {
    const consumer = this.#create();
    this.#consumer = consumer;
    try {
      await consumer.connect();
      await consumer.subscribe({ topics: [this.#options.topic], fromBeginning: true });
      await consumer.run({
        autoCommit: false,
        eachBatchAutoResolve: false,
        eachBatch: async (batch) => this.#options.onBatch(batch),
      });
    } catch (error) {
      this.#crashed(consumer, error);
    }
  }

  #create(): Consumer {
    const { connection, groupId, topic } = this.#options;
    const sessionTimeout = this.#options.sessionTimeoutMs ?? sessionTimeoutMsDefault;
    const consumer = createKafka(connection).consumer({
      groupId,
      sessionTimeout,
      rebalanceTimeout: 2 * sessionTimeout,
      heartbeatInterval: Math.floor(sessionTimeout / 10),
      maxWaitTimeInMs: fetchWaitMs,
      maxBytes: fetchBytesMax,
      maxBytesPerPartition: partitionBytesMax,
      allowAutoTopicCreation: false,
      partitionAssigners: [kafkajs.PartitionAssigners.roundRobin],
      // A new client looks for its brokers from the beginning; the old one may not find them.
      retry: { retries: requestRetriesMax, restartOnFailure: async () => false },
    });
    const { GROUP_JOIN, REBALANCING, CRASH } = consumer.events;
    consumer.on(REBALANCING, () => this.#end());
    consumer.on(CRASH, ({ payload }) => this.#crashed(consumer, payload.error));
    consumer.on(GROUP_JOIN, ({ payload }) =>
      this.#joined(consumer, payload.memberAssignment[topic] ?? []),
    );
    return consumer;
  }

  #joined(consumer: Consumer, partitions: readonly number[]): void {
    this.#end();
    if (this.#stopped || consumer !== this.#consumer) return;
    this.#retryMs = retryMinMs;
    this.#session = { consumer, alive: true };
    this.#options.onAssigned(this.#session, partitions);
  }

  #end(): void {
    if (this.#session === undefined) return;
    this.#session.alive = false;
    this.#session = undefined;
    this.#options.onRevoked();
  }

  #crashed(consumer: Consumer, error: unknown): void {
    if (consumer !== this.#consumer) return;
    this.#consumer = undefined;
    this.#end();
    void disconnect(consumer);
    if (this.#stopped) return;
    this.#options.onTrouble(error instanceof Error ? error.message : String(error));
    this.#retry = setTimeout(() => this.start(), this.#retryMs);
    this.#retryMs = Math.min(2 * this.#retryMs, retryMaxMs);
  }
}
