/** A usage log in memory, for tests of the consumer; passes the contract suite. */
import { clone } from "@bufbuild/protobuf";
import { type UsageEvent, UsageEventSchema } from "../../src/gen/optamil/v1/event_pb.ts";
import { OptamilError } from "../../src/platform/errors.ts";
import { encodeEvent } from "../../src/usage/encode-event.ts";
import { decodeEvent, toEventIdText } from "../../src/usage/event.ts";
import type {
  BatchLimits,
  LogBatch,
  LogRecord,
  UsageLog,
  UsageLogReader,
  UsageLogStatus,
} from "../../src/usage/usage-log.ts";

/** What outlives a gateway. */
export class MemoryLogDisk {
  epoch = 1_000;
  boots = 0;
  /** Offset of the first record that is kept. */
  trimmedTo = 0;
  readonly records: Uint8Array[] = [];
  readonly holds = new Map<string, Uint8Array>();

  /** Appends any bytes, poison included. */
  appendBytes(bytes: Uint8Array): void {
    this.records.push(bytes);
  }
}

/** One boot of a gateway on the disk. */
export class MemoryUsageLog implements UsageLog {
  readonly #disk: MemoryLogDisk;
  readonly #spoolEventsMax: number;
  #localSeq = 0;

  constructor(disk: MemoryLogDisk, { spoolEventsMax = 1e9 } = {}) {
    this.#disk = disk;
    this.#spoolEventsMax = spoolEventsMax;
    disk.boots++;
    for (const bytes of disk.holds.values()) this.#write(decodeEvent(bytes));
  }

  async hold(event: UsageEvent): Promise<void> {
    if (this.#disk.records.length >= this.#spoolEventsMax) {
      throw new OptamilError("service_unavailable", "full");
    }
    this.#disk.holds.set(toEventIdText(event.eventId), encodeEvent(event));
  }

  hurry(): void {}

  async append(event: UsageEvent): Promise<void> {
    this.#write(event);
  }

  status(): UsageLogStatus {
    const endOffset = this.#disk.records.length;
    const spoolShare = Math.min(1, endOffset / this.#spoolEventsMax);
    const refusing = spoolShare === 1 ? "spool" : undefined;
    return {
      endOffset,
      confirmedOffset: 0,
      openHolds: this.#disk.holds.size,
      spoolShare,
      refusing,
    };
  }

  async close(): Promise<void> {}

  #write(event: UsageEvent): void {
    const stamped = clone(UsageEventSchema, event);
    stamped.gatewayId = "gateway-1";
    stamped.bootEpoch = BigInt(this.#disk.epoch + this.#disk.boots);
    stamped.localSeq = BigInt(++this.#localSeq);
    this.#disk.records.push(encodeEvent(stamped));
    this.#disk.holds.delete(toEventIdText(event.eventId));
  }
}

/** Reads the disk. */
export class MemoryLogReader implements UsageLogReader {
  readonly name = "usage/0";
  readonly #disk: MemoryLogDisk;

  constructor(disk: MemoryLogDisk) {
    this.#disk = disk;
  }

  get epoch(): number {
    return this.#disk.epoch;
  }

  async read(fromOffset: number, { eventsMax, bytesMax }: BatchLimits): Promise<LogBatch> {
    const { records: all, trimmedTo } = this.#disk;
    const first = Math.max(fromOffset, trimmedTo);
    const records: LogRecord[] = [];
    let sizeBytes = 0;
    for (const [index, bytes] of all.slice(first, first + eventsMax).entries()) {
      sizeBytes += bytes.length;
      if (records.length > 0 && sizeBytes > bytesMax) break;
      records.push({ offset: first + index, bytes });
    }
    return { records, firstOffset: trimmedTo, endOffset: all.length };
  }

  async close(): Promise<void> {}
}
