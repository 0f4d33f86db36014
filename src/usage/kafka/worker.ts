// Drives the consumer of one partition for as long as the partition is this process's.

import type { PartitionReader } from "../../platform/kafka/feed.ts";
import { Consumer } from "../consumer.ts";
import type { ConsumerParts } from "../consumer-parts.ts";

/** What a worker works with. */
export type WorkerOptions = {
  readonly parts: ConsumerParts & { readonly log: PartitionReader };
  /** Something failed and will be tried again. */
  onTrouble(message: string): void;
};

/** What a worker has done, for metrics. */
export type WorkerStatus = {
  /** Records that are not in the warehouse; undefined until the partition was first read. */
  readonly lag: number | undefined;
  /** Records taken, and those of them that became dead letters, since it was assigned. */
  readonly records: number;
  readonly dead: number;
  /** Whether sums of what was taken wait to be confirmed. */
  readonly confirmed: boolean;
};

/** Rest of a worker that has nothing to do; new records end it, sums that fall due do not. */
const idleMs = 100;
const retryMinMs = 200;
const retryMaxMs = 10_000;

/** The worker; it works from its making until `stop`. */
export class Worker {
  readonly #options: WorkerOptions;
  readonly #consumer: Consumer;
  readonly #done: Promise<void>;
  #status: WorkerStatus = { lag: undefined, records: 0, dead: 0, confirmed: true };
  #stopped = false;
  #wake = () => {};

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#consumer = new Consumer(options.parts);
    this.#done = this.#run();
  }

  get status(): WorkerStatus {
    return this.#status;
  }

  /** Begins no further step; resolves when the last one has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wake();
    await this.#done;
  }

  async #run(): Promise<void> {
    for (let retryMs = retryMinMs; !this.#stopped; ) {
      try {
        const idle = await this.#step();
        retryMs = retryMinMs;
        if (idle) await this.#rest(idleMs, this.#options.parts.log.arrival(idleMs));
      } catch (error) {
        // Of a partition that is lost nobody wants to hear.
        if (this.#stopped) return;
        this.#options.onTrouble(error instanceof Error ? error.message : String(error));
        await this.#rest(retryMs);
        retryMs = Math.min(2 * retryMs, retryMaxMs);
      }
    }
  }

  /** Whether there was nothing to do. */
  async #step(): Promise<boolean> {
    const { records, dead, confirmed, lag } = await this.#consumer.step();
    const before = this.#status;
    this.#status = {
      lag,
      records: before.records + records,
      dead: before.dead + dead,
      confirmed: this.#consumer.idle,
    };
    return records === 0 && !confirmed;
  }

  #rest(restMs: number, earlier?: Promise<void>): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, restMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
      earlier?.then(this.#wake, () => undefined);
    });
  }
}
