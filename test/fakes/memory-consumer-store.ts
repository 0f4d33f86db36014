/** What a consumer knows, in memory, for tests of the consumer. */
import type {
  Base,
  ConsumerProgress,
  ConsumerRecords,
  ConsumerStore,
  DeadLetter,
  StoreChange,
} from "../../src/usage/consumer-store.ts";

/** Outlives the consumers that use it. */
export class MemoryConsumerStore implements ConsumerStore, ConsumerRecords {
  readonly bases = new Map<string, Base>();
  readonly dead: DeadLetter[] = [];
  /** Called before each save: may throw. */
  onSave: (change: StoreChange) => void = () => {};
  #progress = new Map<string, ConsumerProgress>();

  progress(logName: string): ConsumerProgress | undefined {
    return this.#progress.get(logName);
  }

  async save(change: StoreChange): Promise<void> {
    this.onSave(change);
    if (change.progress !== undefined) this.#progress.set(change.logName, change.progress);
    for (const base of change.bases ?? []) {
      this.bases.set(`${base.accountId} ${base.periodId}`, base);
    }
    this.dead.push(...(change.deadLetters ?? []));
  }

  base(accountId: string, periodId: string): Base | undefined {
    return this.bases.get(`${accountId} ${periodId}`);
  }

  basesAfter(accountId: string, limit: number): Base[] {
    const sorted = [...this.bases.values()].toSorted((one, other) =>
      one.accountId < other.accountId ? -1 : 1,
    );
    return sorted.filter((base) => base.accountId > accountId).slice(0, limit);
  }

  deadLetters(_logName: string, fromOffset: number, limit: number): DeadLetter[] {
    return this.dead.filter(({ offset }) => offset >= fromOffset).slice(0, limit);
  }

  async close(): Promise<void> {}
}
