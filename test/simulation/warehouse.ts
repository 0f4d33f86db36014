/** A model of the warehouse: rows that replace each other by rev, however often they come. */
import type { MicroByTier } from "../../src/admission/counters.ts";
import type { BaseSource, EventBatch, StoredLogs, Warehouse } from "../../src/usage/warehouse.ts";
import { byTier } from "../admission/requests.ts";
import type { Bug } from "./bugs.ts";
import { fromUsageEvent, type SimEvent } from "./events.ts";
import type { Scheduler, SimProcess } from "./scheduler.ts";

/** A server of its own: an insert that was sent may be applied after its sender has died. */
export class SimWarehouse {
  /** Whether inserts fail, before or after they were applied. */
  ambiguous: boolean;
  #id = 1;
  readonly #rows: SimEvent[] = [];
  readonly #effective = new Map<string, SimEvent>();
  /** The offsets that were stored, by log and epoch. */
  readonly #logs = new Map<string, Set<number>>();
  /** Batches that were noted before they were stored: what no warehouse of ours may do. */
  readonly #begun = new Set<string>();
  readonly #scheduler: Scheduler;
  readonly #bug: Bug | undefined;

  constructor(scheduler: Scheduler, ambiguous: boolean, bug: Bug | undefined) {
    this.#scheduler = scheduler;
    this.ambiguous = ambiguous;
    this.#bug = bug;
  }

  /** The warehouse as one process uses it. */
  connect(process: SimProcess): Warehouse & StoredLogs & BaseSource {
    return {
      insert: (batch) => this.#insert(batch, process),
      sums: async (accountIds, periodIds) => {
        await process.sleep(this.#scheduler.between(2, 40));
        const keys = accountIds.flatMap((accountId) =>
          periodIds.map((periodId) => ({ accountId, periodId })),
        );
        const sums = keys.map((key) => ({ ...key, microByTier: this.sums(key) }));
        await process.sleep(this.#scheduler.between(0, 15));
        return sums;
      },
      sumsAfter: () => Promise.resolve([]),
      bases: () => Promise.reject(new Error("no event of the simulation has a budget")),
      id: async () => {
        await process.sleep(this.#scheduler.between(1, 5));
        return String(this.#id);
      },
      lastOffset: async (logName, logEpoch) => {
        await process.sleep(this.#scheduler.between(2, 20));
        const stored = this.#logs.get(`${logName}/${logEpoch}`);
        return stored && Math.max(...stored);
      },
      close: () => Promise.resolve(),
    };
  }

  /** What an account has used of a period by all rows so far. */
  sums({ accountId, periodId }: { accountId: string; periodId: string }): MicroByTier {
    const sums = { ...byTier() };
    const adding = this.#bug === "billing adds up rows instead of events";
    for (const row of adding ? this.#rows : this.#effective.values()) {
      if (row.accountId === accountId && row.periodId === periodId) {
        sums[row.tier] += row.creditsMicro;
      }
    }
    return sums;
  }

  /** The rows that count. */
  effective(): SimEvent[] {
    return [...this.#effective.values()];
  }

  async #insert(batch: EventBatch, process: SimProcess): Promise<void> {
    const { logName, events } = batch;
    const range = `${logName}/${events[0]?.offset}-${events.at(-1)?.offset}`;
    const applyMs = this.#scheduler.between(1, 40);
    if (this.#bug === "the warehouse acknowledges before it has inserted") {
      process.later(applyMs, () => this.#apply(range, batch));
      return;
    }
    const lost = this.ambiguous && this.#scheduler.chance(0.1);
    const answerLost = this.ambiguous && this.#scheduler.chance(0.15);
    if (this.#bug === "a batch that was begun is taken for stored") {
      if (this.#begun.has(range)) return;
      this.#begun.add(range);
    }
    if (!lost) this.#scheduler.after(applyMs, () => this.#apply(range, batch));
    await process.sleep(applyMs + this.#scheduler.between(1, 40));
    if (lost || answerLost) throw new NoAnswer("the insert was not answered");
  }

  #apply(range: string, { logName, logEpoch, events }: EventBatch): void {
    const name = `${logName}/${logEpoch}`;
    const offsets = this.#logs.get(name) ?? new Set();
    for (const { offset } of events) offsets.add(offset);
    this.#logs.set(name, offsets);
    const rows = events.map(({ event }) => fromUsageEvent(event));
    this.#scheduler.trace(`insert ${range}`);
    for (const row of rows) {
      this.#rows.push(row);
      const key = `${row.accountId}/${row.periodId}/${row.eventId}`;
      if (row.rev >= (this.#effective.get(key)?.rev ?? 0)) this.#effective.set(key, row);
    }
  }
}

/** Something of which nobody knows whether it was done. */
export class NoAnswer extends Error {}
