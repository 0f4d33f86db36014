// Records of one partition between Kafka, which pushes them, and a reader, who asks for an offset.
import { Buffer } from "node:buffer";
import type { IHeaders, KafkaMessage } from "kafkajs";

/** A record at its place. */
export type FetchedRecord = {
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly headers: IHeaders | undefined;
};

/** The most that one read may give; a first record above `bytesMax` comes alone. */
export type FetchLimits = { readonly eventsMax: number; readonly bytesMax: number };

/** Above this no more is fetched; what is on its way still comes, so that it is half of the most. */
const bufferedBytesMax = 2 * 1024 * 1024;

/** The records from one offset on, as far as they have come. */
export class PartitionBuffer {
  #records: FetchedRecord[] = [];
  #sizeBytes = 0;
  /** What is here covers all offsets from `#from` to before `#next`; undefined: nothing was asked for yet. */
  #from: number | undefined;
  #next = 0;
  /** The offset that the last read asked for and that was not here; undefined: it gave something. */
  #lacking: number | undefined;
  #arrival = Promise.withResolvers<void>();

  /** Whether fetching should pause. */
  get full(): boolean {
    return this.#sizeBytes >= bufferedBytesMax;
  }

  /** Whether records from an offset on are here or come next. */
  covers(offset: number): boolean {
    return this.#from !== undefined && offset >= this.#from && offset <= this.#next;
  }

  /** Begins anew at an offset. */
  reset(offset: number): void {
    this.#records = [];
    this.#sizeBytes = 0;
    this.#from = offset;
    this.#next = offset;
    this.#lacking = undefined;
  }

  /** Takes what was fetched; what came late, for a position that was left, is dropped. */
  add(messages: readonly KafkaMessage[]): void {
    if (this.#from === undefined) return;
    for (const { offset, value, headers } of messages) {
      const at = Number(offset);
      if (at < this.#next) continue;
      const bytes = value ?? Buffer.alloc(0);
      this.#records.push({ offset: at, bytes, headers });
      this.#sizeBytes += bytes.length;
      this.#next = at + 1;
    }
    this.#arrival.resolve();
    this.#arrival = Promise.withResolvers();
  }

  /** Records from an offset that is covered; those below it are dropped, as nobody asks for them again. */
  read(offset: number, { eventsMax, bytesMax }: FetchLimits): readonly FetchedRecord[] {
    const skipped = this.#records.findIndex((record) => record.offset >= offset);
    const dropped = this.#records.splice(0, skipped < 0 ? this.#records.length : skipped);
    for (const { bytes } of dropped) this.#sizeBytes -= bytes.length;
    this.#from = offset;
    let sizeBytes = 0;
    const tooMuch = this.#records.slice(0, eventsMax).findIndex(({ bytes }, index) => {
      sizeBytes += bytes.length;
      return index > 0 && sizeBytes > bytesMax;
    });
    this.#lacking = this.#records.length === 0 ? offset : undefined;
    return this.#records.slice(0, tooMuch < 0 ? eventsMax : tooMuch);
  }

  /** Resolves when something has come that the last read lacked, or after a time. */
  async arrival(timeoutMs: number): Promise<void> {
    if (this.#lacking !== undefined && this.#next > this.#lacking) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, timeoutMs);
    await Promise.race([promise, this.#arrival.promise]);
    clearTimeout(timer);
  }
}
