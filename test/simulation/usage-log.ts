/** A model of the gateway's usage log: group commits, of which a crash loses those that were not flushed. */
import type { BatchLimits, LogBatch, UsageLogReader } from "../../src/usage/usage-log.ts";
import { type SimEvent, type SimHold, toAbort, toBytes } from "./events.ts";
import type { SimProcess } from "./scheduler.ts";

/** What is on disk: it outlives every process. */
export class LogDisk {
  readonly epoch = 1;
  readonly holds = new Map<string, SimHold>();
  /** Holds without an event. */
  readonly open = new Set<string>();
  /** The place of an event is its offset. */
  readonly events: SimEvent[] = [];
  /** Records below it were confirmed and are gone. */
  firstOffset = 0;

  trim(firstOffset: number): void {
    this.firstOffset = Math.max(this.firstOffset, firstOffset);
  }
}

/** The log as a process reads it. */
export function createLogReader(disk: LogDisk, process: SimProcess): UsageLogReader {
  return {
    name: "usage/0",
    epoch: disk.epoch,
    async read(fromOffset: number, { eventsMax }: BatchLimits): Promise<LogBatch> {
      await process.sleep(process.scheduler.between(0, 4));
      const { firstOffset, events } = disk;
      const start = Math.max(firstOffset, fromOffset);
      const records = events.slice(start, start + eventsMax).map((event, at) => ({
        offset: start + at,
        bytes: toBytes(event, disk.holds.get(event.refundOf ?? event.eventId)?.admittedAtMs ?? 0),
      }));
      return { records, firstOffset, endOffset: events.length };
    },
    close: () => Promise.resolve(),
  };
}

/** The log as a gateway writes it. */
export class SimUsageLog {
  readonly #disk: LogDisk;
  readonly #process: SimProcess;
  readonly #ackBeforeFlush: boolean;
  #waiting: (() => void)[] = [];

  /** With `ackBeforeFlush` the log promises what it has not done yet: a planted bug. */
  constructor(disk: LogDisk, process: SimProcess, ackBeforeFlush: boolean) {
    this.#disk = disk;
    this.#process = process;
    this.#ackBeforeFlush = ackBeforeFlush;
  }

  hold(hold: SimHold): Promise<void> {
    return this.#write(() => {
      this.#disk.holds.set(hold.eventId, hold);
      this.#disk.open.add(hold.eventId);
    });
  }

  append(event: SimEvent, tokens?: number): Promise<void> {
    return this.#write(() => {
      this.#disk.events.push(event);
      this.#disk.open.delete(event.eventId);
      const hold = this.#disk.holds.get(event.eventId);
      if (hold && tokens !== undefined) hold.tokens = tokens;
    });
  }

  /** Ends the holds that a dead process left open. */
  async recover(): Promise<void> {
    const aborts = [...this.#disk.open].map((eventId) => {
      const hold = this.#disk.holds.get(eventId);
      return hold ? this.append(toAbort(hold)) : undefined;
    });
    await Promise.all(aborts);
  }

  #write(apply: () => void): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    if (this.#waiting.length === 0) {
      this.#process.later(this.#process.scheduler.between(1, 20) / 4, () => this.#flush());
    }
    if (this.#ackBeforeFlush) resolve();
    this.#waiting.push(() => {
      apply();
      resolve();
    });
    return promise;
  }

  #flush(): void {
    const writes = this.#waiting;
    this.#waiting = [];
    for (const write of writes) write();
  }
}
