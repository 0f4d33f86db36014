// What the consumer knows, in an LMDB environment of its own: offsets, bases and dead letters.
import { type Database, open } from "lmdb";
import { commit } from "../platform/lmdb-commit.ts";
import type {
  Base,
  ConsumerProgress,
  ConsumerRecords,
  ConsumerStore,
  DeadLetter,
  StoreChange,
} from "./consumer-store.ts";
import type { LogVersion } from "./usage-log.ts";

type BaseRow = { readonly micro: readonly string[]; readonly version: LogVersion };
type DeadRow = Omit<DeadLetter, "offset">;

/** What a row takes at most, pages that are split for it included. */
const roomPerRowBytes = 4_096;

/**
 * Opens the store. One process writes it (`write`, which makes what is missing); others only read, after it
 * was made once.
 */
export function openLmdbConsumerStore(
  path: string,
  access: "read" | "write",
): ConsumerStore & ConsumerRecords {
  return new LmdbConsumerStore(path, access === "read");
}

class LmdbConsumerStore implements ConsumerStore, ConsumerRecords {
  readonly #path: string;
  readonly #env;
  readonly #progress: Database<ConsumerProgress, string>;
  /** [account id, period id] → sums. */
  readonly #bases: Database<BaseRow, [string, string]>;
  /** [log name, offset] → record. */
  readonly #dead: Database<DeadRow, [string, number]>;

  constructor(path: string, readOnly: boolean) {
    this.#path = path;
    this.#env = open({
      path,
      maxDbs: 8,
      readOnly,
      overlappingSync: false,
      eventTurnBatching: false,
    });
    this.#progress = this.#env.openDB({ name: "progress" });
    this.#bases = this.#env.openDB({ name: "bases" });
    this.#dead = this.#env.openDB({ name: "dead_letters" });
  }

  progress(logName: string): ConsumerProgress | undefined {
    this.#env.resetReadTxn();
    return this.#progress.get(logName);
  }

  async save({ logName, progress, deadLetters = [], bases = [] }: StoreChange): Promise<void> {
    const deadBytes = deadLetters.reduce((sum, { bytes }) => sum + bytes.byteLength, 0);
    const roomBytes = (bases.length + deadLetters.length) * roomPerRowBytes + 2 * deadBytes;
    await commit(this.#env, this.#path, roomBytes, () => {
      if (progress !== undefined) void this.#progress.put(logName, progress);
      for (const { offset, ...row } of deadLetters) void this.#dead.put([logName, offset], row);
      for (const base of bases) void this.#bases.put([base.accountId, base.periodId], toRow(base));
    });
  }

  base(accountId: string, periodId: string): Base | undefined {
    this.#env.resetReadTxn();
    const row = this.#bases.get([accountId, periodId]);
    return row && fromRow([accountId, periodId], row);
  }

  basesAfter(accountId: string, limit: number): readonly Base[] {
    this.#env.resetReadTxn();
    // No period id sorts after this one.
    const start: [string, string] = [accountId, "~"];
    const range = this.#bases.getRange({ start, limit });
    return [...range].map(({ key, value }) => fromRow(key, value));
  }

  deadLetters(logName: string, fromOffset: number, limit: number): readonly DeadLetter[] {
    this.#env.resetReadTxn();
    const start: [string, number] = [logName, fromOffset];
    const end: [string, number] = [logName, Number.MAX_SAFE_INTEGER];
    const range = this.#dead.getRange({ start, end, limit });
    return [...range].map(({ key: [, offset], value }) => ({ offset, ...value }));
  }

  close(): Promise<void> {
    return this.#env.close();
  }
}

function toRow({ microByTier: micro, version }: Base): BaseRow {
  const amounts = [micro.free, micro.budget, micro.mid, micro.premium, micro.ultra];
  return { micro: amounts.map(String), version };
}

function fromRow([accountId, periodId]: [string, string], { micro, version }: BaseRow): Base {
  const [free = 0n, budget = 0n, mid = 0n, premium = 0n, ultra = 0n] = micro.map(BigInt);
  return { accountId, periodId, microByTier: { free, budget, mid, premium, ultra }, version };
}
