// The directory of one machine: log and state in an LMDB environment that this process owns.
import { create } from "@bufbuild/protobuf";
import {
  type AccountState,
  type DirectoryRecord,
  DirectoryRecordSchema,
  type KeyState,
} from "../gen/optamil/v1/directory_pb.ts";
import type { Clock } from "../platform/clock.ts";
import { OptamilError } from "../platform/errors.ts";
import { createUuidSource, type UuidSource } from "../platform/uuid.ts";
import type { AccountsPage, Directory, DirectoryChange, DirectoryWrite } from "./directory.ts";
import type { StateWrite } from "./fold.ts";
import { LmdbTables } from "./lmdb-tables.ts";
import { createOverlay } from "./overlay.ts";

/** How to open the directory. */
export type LmdbDirectoryOptions = {
  /** Folder of the environment; made if it is missing. */
  readonly path: string;
  /** Stamps the records. */
  readonly clock: Clock;
};

/** Accounts, and as many keys, whose decoded state stays in memory: about 8 MB when both are full. */
const cachedEntriesMax = 10_000;

/** Records that share one commit: what a burst of changes waits for is one flush, not many. */
const roundRecordsMax = 1_000;

type Waiting = {
  readonly record: DirectoryRecord;
  resolve(): void;
  reject(reason: unknown): void;
};

/** Opens the directory; rebuilds the state from the log where it is missing or of another release. */
export function openLmdbDirectory(options: LmdbDirectoryOptions): Directory {
  return new LmdbDirectory(options);
}

class LmdbDirectory implements Directory {
  readonly #tables: LmdbTables;
  readonly #clock: Clock;
  readonly #uuids: UuidSource;
  readonly #accounts = new Map<string, AccountState>();
  readonly #keys = new Map<string, KeyState>();
  readonly #listeners = new Set<(record: DirectoryRecord) => void>();
  #waiting: Waiting[] = [];
  #writing: Promise<void> | undefined;

  constructor({ path, clock }: LmdbDirectoryOptions) {
    this.#tables = new LmdbTables(path);
    this.#clock = clock;
    this.#uuids = createUuidSource(clock);
  }

  account(accountId: string): AccountState | undefined {
    return cached(this.#accounts, accountId, () => this.#tables.account(accountId));
  }

  key(keyId: string): KeyState | undefined {
    return cached(this.#keys, keyId, () => this.#tables.key(keyId));
  }

  keysOf(accountId: string): KeyState[] {
    return this.#tables.keysOf(accountId);
  }

  accounts(page: AccountsPage): { accounts: AccountState[]; hasMore: boolean } {
    return this.#tables.accounts(page);
  }

  append(change: DirectoryChange, { actor, expectedVersion }: DirectoryWrite): Promise<void> {
    const record = create(DirectoryRecordSchema, {
      recordId: this.#uuids.text(),
      writtenAtUs: BigInt(Math.floor(this.#clock.wallMs() * 1_000)),
      actor,
      expectedVersion,
      change,
    });
    return new Promise((resolve, reject) => {
      this.#waiting.push({ record, resolve, reject });
      this.#writing ??= this.#writeAll();
    });
  }

  onChange(listener: (record: DirectoryRecord) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    await this.#writing;
    await this.#tables.close();
  }

  async #writeAll(): Promise<void> {
    // Appends of the same turn of the event loop share the first round.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      await this.#writeRound(this.#waiting.splice(0, roundRecordsMax));
    }
    this.#writing = undefined;
  }

  /** Settles every append of the round; never throws. */
  async #writeRound(round: readonly Waiting[]): Promise<void> {
    const overlay = createOverlay(this.#tables);
    const accepted = round.filter(({ record, reject }) => {
      const refusal = overlay.fold(record);
      if (refusal !== undefined) reject(refusal);
      return refusal === undefined;
    });
    if (accepted.length === 0) return;
    try {
      await this.#tables.write(
        accepted.map(({ record }) => record),
        overlay.writes,
      );
    } catch (cause) {
      const refusal = new OptamilError("service_unavailable", "Changes cannot be saved.", {
        cause,
      });
      for (const { reject } of accepted) reject(refusal);
      return;
    } finally {
      this.#forget(overlay.writes);
    }
    for (const { record, resolve } of accepted) {
      for (const listener of this.#listeners) listener(record);
      resolve();
    }
  }

  /** Only after the commit: a read before it would bring the old state back into the cache. */
  #forget(writes: readonly StateWrite[]): void {
    for (const write of writes) {
      if (write.kind === "account") this.#accounts.delete(write.account.id);
      else if (write.kind === "key") this.#keys.delete(write.key.id);
    }
  }
}

function cached<Entry>(
  cache: Map<string, Entry>,
  id: string,
  read: () => Entry | undefined,
): Entry | undefined {
  const known = cache.get(id);
  if (known !== undefined) return known;
  const entry = read();
  if (entry === undefined) return undefined;
  // Starting over when full is the whole policy: a miss costs microseconds.
  if (cache.size >= cachedEntriesMax) cache.clear();
  cache.set(id, entry);
  return entry;
}
