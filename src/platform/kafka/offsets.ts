// Asks where the partitions of a topic begin and end, once for all who ask at the same time.
import type { Admin } from "kafkajs";
import type { Reconnecting } from "./client.ts";

/** The offsets of a partition: of its oldest record, and of the next one to be written. */
export type PartitionBounds = { readonly firstOffset: number; readonly endOffset: number };

/** The offsets of one topic. */
export class TopicOffsets {
  readonly #admin: Reconnecting<Admin>;
  readonly #topic: string;
  #running: Promise<unknown> = Promise.resolve();
  #next: Promise<ReadonlyMap<number, PartitionBounds>> | undefined;

  constructor(admin: Reconnecting<Admin>, topic: string) {
    this.#admin = admin;
    this.#topic = topic;
  }

  /** The bounds of a partition, not older than the call. Throws when the cluster does not answer. */
  async of(partition: number): Promise<PartitionBounds> {
    // An answer that is on its way may be older than this question: all who wait share the one after it.
    this.#next ??= this.#running.then(() => this.#ask());
    const bounds = (await this.#next).get(partition);
    if (bounds === undefined) throw new Error(`${this.#topic} has no partition ${partition}`);
    return bounds;
  }

  #ask(): Promise<ReadonlyMap<number, PartitionBounds>> {
    this.#next = undefined;
    const asked = this.#admin.use((admin) => admin.fetchTopicOffsets(this.#topic));
    this.#running = asked.catch(() => undefined);
    return asked.then(
      (found) =>
        new Map(
          found.map(({ partition, low, high }) => [
            partition,
            { firstOffset: Number(low), endOffset: Number(high) },
          ]),
        ),
    );
  }
}
