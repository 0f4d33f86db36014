/** The real consumer in the simulation: its driver, its store, and the ways to the gateway. */

import type { Clock } from "../../src/platform/clock.ts";
import { Consumer } from "../../src/usage/consumer.ts";
import type { Confirmation } from "../../src/usage/consumer-parts.ts";
import type {
  Base,
  ConsumerProgress,
  ConsumerStore,
  StoreChange,
} from "../../src/usage/consumer-store.ts";
import type { SimProcess } from "./scheduler.ts";
import { createLogReader, type LogDisk } from "./usage-log.ts";
import { NoAnswer, type SimWarehouse } from "./warehouse.ts";

/** What outlives a consumer. */
export class ConsumerDisk {
  lastProgress: ConsumerProgress | undefined;
  readonly #bases = new Map<string, Base>();

  base(accountId: string, periodId: string): Base | undefined {
    return this.#bases.get(`${accountId}/${periodId}`);
  }

  progress(): ConsumerProgress | undefined {
    return this.lastProgress;
  }

  /** Older sums, of a zombie, do not replace newer ones. */
  keep(base: Base): void {
    const key = `${base.accountId}/${base.periodId}`;
    const known = this.#bases.get(key);
    if (known && known.version.offset > base.version.offset) return;
    this.#bases.set(key, base);
  }
}

/** What a consumer is made of. */
export type ConsumerWorld = {
  readonly process: SimProcess;
  readonly clock: Clock;
  readonly logDisk: LogDisk;
  readonly disk: ConsumerDisk;
  readonly warehouse: SimWarehouse;
  /** Carries sums to the gateway; rejects with NoAnswer when nobody knows whether they have arrived. */
  readonly deliver: (confirmation: Confirmation) => Promise<void>;
  /** What the gateway that runs now has taken. */
  readonly deliveredOffset: number | undefined;
  /** Whether sums are written down some time later, when they were delivered: a planted bug. */
  readonly basesLate: boolean;
};

/** Drives a consumer for the life of its process, as `usage/child.ts` does. */
export async function runConsumer(world: ConsumerWorld): Promise<void> {
  const { process, clock, logDisk, disk, warehouse, deliver, deliveredOffset } = world;
  const { scheduler } = process;
  const consumer = new Consumer({
    log: createLogReader(logDisk, process),
    warehouse: warehouse.connect(process),
    store: createStore(disk, process, world.basesLate),
    clock,
    deliver,
    deliveredOffset,
    limits: { eventsMax: 16, bytesMax: 1_000_000 },
  });
  for (;;) {
    try {
      const step = await consumer.step();
      if (step.dead > 0) throw new Error("an event of ours was taken for poison");
      if (step.records === 0 && !step.confirmed) await process.sleep(scheduler.between(50, 250));
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      await process.sleep(scheduler.between(10, 400));
    }
  }
}

function createStore(disk: ConsumerDisk, process: SimProcess, basesLate: boolean): ConsumerStore {
  const { scheduler } = process;
  const keep = (bases: readonly Base[]) => {
    for (const base of bases) disk.keep(base);
  };
  return {
    progress: () => disk.progress(),
    async save({ progress, bases = [] }: StoreChange): Promise<void> {
      await process.sleep(scheduler.between(0, 12) / 2);
      if (basesLate) process.later(scheduler.between(0, 1_000), () => keep(bases));
      else keep(bases);
      if (progress) disk.lastProgress = progress;
      await process.sleep(scheduler.between(0, 4) / 2);
    },
    close: () => Promise.resolve(),
  };
}
