// Asks where the partitions of a topic begin and end, once for all who ask at the same time.
import type { Admin } from "kafkajs";
import { Batched } from "../batched.ts";
import type { Reconnecting } from "./client.ts";

/** The offsets of a partition: of its oldest record, and of the next one to be written. */
export type PartitionBounds = { readonly firstOffset: number; readonly endOffset: number };

type BoundsByPartition = ReadonlyMap<number, PartitionBounds>;

/** The offsets of one topic. */
export class TopicOffsets {
  readonly #admin: Reconnecting<Admin>;
  readonly #topic: string;
  readonly #asked = new Batched<undefined, BoundsByPartition>(
    Number.POSITIVE_INFINITY,
    async (askers) => {
      const bounds = await this.#ask();
      return askers.map(() => bounds);
    },
  );

  constructor(admin: Reconnecting<Admin>, topic: string) {
    this.#admin = admin;
    this.#topic = topic;
  }

  /** The bounds of a partition, not older than the call. Throws when the cluster does not answer. */
  async of(partition: number): Promise<PartitionBounds> {
    const bounds = (await this.#asked.ask(undefined)).get(partition);
    if (bounds === undefined) throw new Error(`${this.#topic} has no partition ${partition}`);
    return bounds;
  }

  async #ask(): Promise<BoundsByPartition> {
    const found = await this.#admin.use((admin) => admin.fetchTopicOffsets(this.#topic));
    return new Map(
      found.map(({ partition, low, high }) => [
        partition,
        { firstOffset: Number(low), endOffset: Number(high) },
      ]),
    );
  }
}
