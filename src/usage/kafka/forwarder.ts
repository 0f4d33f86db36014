// Carries a gateway's outbox into Kafka, in the background and for as long as it takes.
import type { KafkaConnection } from "../../platform/kafka/client.ts";
import { openAdmin } from "../../platform/kafka/client.ts";
import { type KafkaSender, openKafkaSender } from "../../platform/kafka/sender.ts";
import { Lane, type WaitingMessage } from "./lane.ts";
import { toMessage } from "./message.ts";
import type { Outbox } from "./outbox.ts";
import { usageTopics } from "./topics.ts";

/** How to forward. */
export type ForwarderOptions = {
  readonly connection: KafkaConnection;
  readonly outbox: Outbox;
  /** Default "optamil.usage.v1"; it may be made later. */
  readonly topic?: string | undefined;
  /** Told of each failure; all are tried again. */
  readonly onTrouble?: ((message: string) => void) | undefined;
};

/** What of the outbox is in memory, on its way. */
const onTheWayEventsMax = 10_000;
const onTheWayBytesMax = 16 * 1024 * 1024;
const readLimits = { eventsMax: 1_000, bytesMax: 1024 * 1024 };
/** Looks at the outbox without having been woken: at the start, and for what nobody told. */
const lookEveryMs = 100;
const retryMs = 1_000;

/** Opens a forwarder, which begins at once; it needs no broker to be there. */
export function openKafkaForwarder(options: ForwarderOptions): KafkaForwarder {
  return new KafkaForwarder(options);
}

/** The forwarder. An event that it sent twice is one event, as rows are keyed by event id. */
export class KafkaForwarder {
  readonly #options: ForwarderOptions;
  readonly #topic: string;
  readonly #sender: KafkaSender;
  readonly #lanes = new Map<number, Lane>();
  /** By event id: who waits until it is in Kafka. */
  readonly #waiting = new Map<string, (() => void)[]>();
  readonly #running: Promise<void>;
  #partitions = 0;
  /** Next offset of the outbox to be read. */
  #cursor: number;
  #forwardedOffset: number;
  #onTheWay = { events: 0, bytes: 0 };
  #lastError: string | undefined;
  #stopped = false;
  #awake = false;
  #wake = () => {};

  constructor(options: ForwarderOptions) {
    this.#options = options;
    this.#topic = options.topic ?? usageTopics.usage;
    this.#sender = openKafkaSender(options.connection);
    this.#cursor = options.outbox.status().confirmedOffset;
    this.#forwardedOffset = this.#cursor;
    this.#running = this.#run();
  }

  /** Events of the outbox below are in Kafka. */
  get forwardedOffset(): number {
    return this.#forwardedOffset;
  }

  /** Events that are not known to be in Kafka. */
  get lag(): number {
    return this.#options.outbox.status().endOffset - this.#forwardedOffset;
  }

  /** The last failure; undefined since something was acknowledged. */
  get lastError(): string | undefined {
    return this.#lastError;
  }

  /** Says that the outbox has something new. */
  wake(): void {
    this.#awake = true;
    this.#wake();
  }

  /** Calls back when an event is in Kafka; gives what takes this back. To be called before it is recorded. */
  onAcknowledged(eventId: string, listener: () => void): () => void {
    const listeners = this.#waiting.get(eventId) ?? [];
    listeners.push(listener);
    this.#waiting.set(eventId, listeners);
    return () => {
      if (this.#waiting.get(eventId) === listeners) this.#waiting.delete(eventId);
    };
  }

  /** Ends after the requests in flight. */
  async close(): Promise<void> {
    this.#stopped = true;
    this.wake();
    await this.#running;
    await Promise.all([...this.#lanes.values()].map((lane) => lane.stop()));
    await this.#sender.close();
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      try {
        if (this.#partitions === 0) this.#partitions = await this.#findPartitions();
        const read = await this.#readSome();
        if (read === 0) await this.#rest(lookEveryMs);
      } catch (error) {
        this.#onTrouble(error);
        // News of the outbox does not help here.
        this.#awake = false;
        await this.#rest(retryMs);
      }
    }
  }

  /** The number of partitions is fixed for the topic's life, so that it is asked for once. */
  async #findPartitions(): Promise<number> {
    const admin = openAdmin(this.#options.connection);
    try {
      const { topics } = await admin.use((client) =>
        client.fetchTopicMetadata({ topics: [this.#topic] }),
      );
      const partitions = topics[0]?.partitions.length ?? 0;
      if (partitions === 0) throw new Error(`the topic ${this.#topic} is not there`);
      return partitions;
    } finally {
      await admin.close();
    }
  }

  /** Puts events on their way while there is room; gives how many. */
  async #readSome(): Promise<number> {
    this.#awake = false;
    const { events, bytes } = this.#onTheWay;
    if (events >= onTheWayEventsMax || bytes >= onTheWayBytesMax) return 0;
    const { records } = await this.#options.outbox.read(this.#cursor, readLimits);
    for (const { offset, bytes: value } of records) {
      const placed = toMessage(value, this.#partitions);
      this.#onTheWay.events++;
      this.#onTheWay.bytes += value.length;
      this.#lane(placed.partition).put({ ...placed, offset, sizeBytes: value.length });
      this.#cursor = offset + 1;
    }
    return records.length;
  }

  #lane(partition: number): Lane {
    const known = this.#lanes.get(partition);
    if (known !== undefined) return known;
    const lane = new Lane({
      sender: this.#sender,
      topic: this.#topic,
      partition,
      onSent: (messages) => this.#sent(messages),
      onTrouble: (error) => this.#onTrouble(error),
    });
    this.#lanes.set(partition, lane);
    return lane;
  }

  #sent(messages: readonly WaitingMessage[]): void {
    this.#lastError = undefined;
    for (const { eventId = "", sizeBytes } of messages) {
      this.#onTheWay.events--;
      this.#onTheWay.bytes -= sizeBytes;
      for (const listener of this.#waiting.get(eventId) ?? []) listener();
      this.#waiting.delete(eventId);
    }
    const waiting = [...this.#lanes.values()].map(({ firstOffset }) => firstOffset ?? this.#cursor);
    this.#forwardedOffset = Math.min(this.#cursor, ...waiting);
    void this.#options.outbox.confirmed(this.#forwardedOffset);
    this.wake();
  }

  #onTrouble(error: unknown): void {
    this.#lastError = error instanceof Error ? error.message : String(error);
    this.#options.onTrouble?.(this.#lastError);
  }

  #rest(restMs: number): Promise<void> {
    if (this.#awake || this.#stopped) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, restMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
