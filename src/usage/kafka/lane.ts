// The way of one partition into Kafka: what waits for it, sent in order, one request at a time, for ever.

import type { KafkaSender } from "../../platform/kafka/sender.ts";
import type { PlacedMessage } from "./message.ts";

/** A message that waits, with its place in the outbox. */
export type WaitingMessage = PlacedMessage & {
  readonly offset: number;
  readonly sizeBytes: number;
};

/** What a lane works with. */
export type LaneOptions = {
  readonly sender: KafkaSender;
  readonly topic: string;
  readonly partition: number;
  /** The messages are in Kafka. */
  onSent(messages: readonly WaitingMessage[]): void;
  onTrouble(error: unknown): void;
};

/** Of one request; a first message above the bytes goes alone. */
const eventsMax = 500;
const bytesMax = 512 * 1024;
const retryMinMs = 100;
const retryMaxMs = 5_000;

/** One partition's queue; its owner bounds what it puts in. */
export class Lane {
  readonly #options: LaneOptions;
  readonly #queue: WaitingMessage[] = [];
  #sending: Promise<void> | undefined;
  #stopped = false;
  #wake = () => {};

  constructor(options: LaneOptions) {
    this.#options = options;
  }

  /** Outbox offset of the first message that is not in Kafka; undefined: all are. */
  get firstOffset(): number | undefined {
    return this.#queue[0]?.offset;
  }

  put(message: WaitingMessage): void {
    this.#queue.push(message);
    // What comes in the same turn of the event loop shares a request.
    this.#sending ??= Promise.resolve().then(() => this.#sendAll());
  }

  /** Ends after the request in flight; what waits is left in the outbox. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wake();
    await this.#sending;
  }

  /** Never throws. */
  async #sendAll(): Promise<void> {
    const { sender, topic, partition, onSent, onTrouble } = this.#options;
    for (let retryMs = retryMinMs; this.#queue.length > 0 && !this.#stopped; ) {
      const messages = this.#head();
      try {
        const values = messages.map(({ message }) => message);
        await sender.send(topic, partition, values);
        this.#queue.splice(0, messages.length);
        retryMs = retryMinMs;
        onSent(messages);
      } catch (error) {
        onTrouble(error);
        await this.#rest(retryMs);
        retryMs = Math.min(2 * retryMs, retryMaxMs);
      }
    }
    this.#sending = undefined;
  }

  #head(): readonly WaitingMessage[] {
    let total = 0;
    const tooMuch = this.#queue.slice(0, eventsMax).findIndex(({ sizeBytes }, index) => {
      total += sizeBytes;
      return index > 0 && total > bytesMax;
    });
    return this.#queue.slice(0, tooMuch < 0 ? eventsMax : tooMuch);
  }

  #rest(restMs: number): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, restMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
