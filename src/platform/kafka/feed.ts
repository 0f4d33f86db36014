// Turns a group member's stream of batches into logs that are read from any offset, a partition each.
import type { EachBatchPayload } from "kafkajs";
import { type FetchedRecord, type FetchLimits, PartitionBuffer } from "./buffer.ts";
import type { GroupSession } from "./membership.ts";
import type { PartitionBounds, TopicOffsets } from "./offsets.ts";

/** Consecutive records, and where the partition begins and ends. */
export type FetchedBatch = PartitionBounds & { readonly records: readonly FetchedRecord[] };

/** One partition as a log. */
export interface PartitionReader {
  /** "topic/partition". */
  readonly name: string;
  /** Unix microseconds of the topic's making, as its reader was told. */
  readonly epoch: number;
  /** Records from an offset on, in order and without gaps, at least one if there is one. */
  read(fromOffset: number, limits: FetchLimits): Promise<FetchedBatch>;
  /** Resolves when records have come, or after a time: for a reader that has read everything. */
  arrival(timeoutMs: number): Promise<void>;
  close(): Promise<void>;
}

/** Records that are in the log must have come by then. */
const fetchTimeoutMs = 15_000;
const lookEveryMs = 1_000;

/** The partitions of one session of a group. */
export class Feed {
  readonly #session: GroupSession;
  readonly #topic: string;
  readonly #offsets: TopicOffsets;
  readonly #buffers: ReadonlyMap<number, PartitionBuffer>;
  readonly #paused = new Set<number>();

  /** Nothing is fetched of a partition until it is read. */
  constructor(
    session: GroupSession,
    topic: string,
    partitions: readonly number[],
    offsets: TopicOffsets,
  ) {
    this.#session = session;
    this.#topic = topic;
    this.#offsets = offsets;
    this.#buffers = new Map(partitions.map((partition) => [partition, new PartitionBuffer()]));
    for (const partition of partitions) this.#pause(partition);
  }

  /** Takes what was fetched. */
  take({ batch, resolveOffset, isStale }: EachBatchPayload): void {
    const buffer = this.#buffers.get(batch.partition);
    if (buffer === undefined || isStale()) return;
    buffer.add(batch.messages);
    resolveOffset(batch.lastOffset());
    if (buffer.full) this.#pause(batch.partition);
  }

  /** A partition as the log `topic/partition`. Reading throws once the session is over. */
  reader(partition: number, epoch: number): PartitionReader {
    return {
      name: `${this.#topic}/${partition}`,
      epoch,
      read: (fromOffset, limits) => this.#read(partition, fromOffset, limits),
      arrival: (timeoutMs) => this.#buffer(partition).arrival(timeoutMs),
      close: async () => {},
    };
  }

  async #read(partition: number, fromOffset: number, limits: FetchLimits): Promise<FetchedBatch> {
    const buffer = this.#buffer(partition);
    const bounds = await this.#offsets.of(partition);
    if (fromOffset > bounds.endOffset) return { records: [], ...bounds };
    if (!buffer.covers(fromOffset)) this.#seek(partition, fromOffset);
    if (fromOffset === bounds.endOffset)
      return this.#readNewest(partition, fromOffset, limits, bounds);
    let soughtAgain = false;
    for (let waitedMs = 0; waitedMs < fetchTimeoutMs; waitedMs += lookEveryMs) {
      const records = this.#buffer(partition).read(fromOffset, limits);
      if (!buffer.full) this.#resume(partition);
      const [first] = records;
      if (first?.offset === fromOffset || (first && soughtAgain)) return toBatch(records, bounds);
      if (first === undefined) await buffer.arrival(lookEveryMs);
      else {
        // Either the log has a gap, or a fetch for a position that was left came late.
        soughtAgain = true;
        this.#seek(partition, fromOffset);
      }
    }
    throw new Error(`${this.#topic}/${partition} gives nothing from ${fromOffset} on`);
  }

  /** What has come while the bounds were asked for; from now on what comes is fetched without being asked for. */
  #readNewest(
    partition: number,
    fromOffset: number,
    limits: FetchLimits,
    bounds: PartitionBounds,
  ): FetchedBatch {
    const buffer = this.#buffer(partition);
    if (!buffer.full) this.#resume(partition);
    const records = buffer.read(fromOffset, limits);
    return toBatch(records.at(0)?.offset === fromOffset ? records : [], bounds);
  }

  #buffer(partition: number): PartitionBuffer {
    const buffer = this.#buffers.get(partition);
    if (buffer !== undefined && this.#session.alive) return buffer;
    throw new Error(`${this.#topic}/${partition} is not assigned any more`);
  }

  #seek(partition: number, offset: number): void {
    this.#buffers.get(partition)?.reset(offset);
    this.#session.consumer.seek({ topic: this.#topic, partition, offset: String(offset) });
  }

  #pause(partition: number): void {
    if (this.#paused.has(partition)) return;
    this.#paused.add(partition);
    this.#session.consumer.pause([{ topic: this.#topic, partitions: [partition] }]);
  }

  #resume(partition: number): void {
    if (this.#paused.delete(partition)) {
      this.#session.consumer.resume([{ topic: this.#topic, partitions: [partition] }]);
    }
  }
}

/** What has come since the bounds were asked for is part of the log too. */
function toBatch(records: readonly FetchedRecord[], bounds: PartitionBounds): FetchedBatch {
  const { firstOffset, endOffset } = bounds;
  const last = records.at(-1)?.offset ?? -1;
  return { records, firstOffset, endOffset: Math.max(endOffset, last + 1) };
}
