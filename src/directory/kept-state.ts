// The directory's state as a process serves it: decoded entries in memory over tables that outlive it.
import type {
  AccountState,
  ChangeEntry,
  DirectoryRecord,
  KeyState,
} from "../gen/optamil/v1/directory_pb.ts";
import type { OptamilError } from "../platform/errors.ts";
import type { AccountsPage, ChangesPage, DirectoryReader } from "./directory.ts";
import { type DirectoryView, emailCharactersMax, type StateWrite, toEmailKey } from "./fold.ts";
import { createOverlay } from "./overlay.ts";

/** Where records and the state that they fold to are kept. */
export interface DirectoryTables extends DirectoryView {
  account(accountId: string): AccountState | undefined;
  key(keyId: string): KeyState | undefined;
  /** Keys of an account, newest first. */
  keysOf(accountId: string): KeyState[];
  accounts(page: AccountsPage): { accounts: AccountState[]; hasMore: boolean };
  /** Accepted changes, newest first. */
  changes(page: ChangesPage): { changes: ChangeEntry[]; hasMore: boolean };
  /** Number of records that are kept: the state is that of all of them. */
  readonly applied: number;
  /** A record by its place, the first being 0; undefined: there is none. */
  recordAt(place: number): DirectoryRecord | undefined;
  /** Writes records and the state that they lead to, all or nothing; resolves when it is on disk. */
  write(records: readonly DirectoryRecord[], writes: readonly StateWrite[]): Promise<void>;
  close(): Promise<void>;
}

/** Why a record is void; undefined: it is not. */
export type Refusals = readonly (OptamilError | undefined)[];

/** Accounts, and as many keys, whose decoded state stays in memory: about 8 MB when both are full. */
const cachedEntriesMax = 10_000;

/** State that is read without waiting, and changed a round of records at a time. */
export class KeptState implements DirectoryReader {
  readonly #tables: DirectoryTables;
  readonly #accounts = new Map<string, AccountState>();
  readonly #keys = new Map<string, KeyState>();
  readonly #listeners = new Set<(record: DirectoryRecord) => void>();

  constructor(tables: DirectoryTables) {
    this.#tables = tables;
  }

  account(accountId: string): AccountState | undefined {
    return cached(this.#accounts, accountId, () => this.#tables.account(accountId));
  }

  accountOf(email: string): AccountState | undefined {
    if (email === "" || email.length > emailCharactersMax) return undefined;
    const accountId = this.#tables.accountIdOf(toEmailKey(email));
    return accountId === undefined ? undefined : this.account(accountId);
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

  changes(page: ChangesPage): { changes: ChangeEntry[]; hasMore: boolean } {
    return this.#tables.changes(page);
  }

  onChange(listener: (record: DirectoryRecord) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Folds records in their order, each onto those before it, and writes what they lead to. Void ones are
   * written too if `keepsVoid`: where places must be those of another log. Throws when it cannot be saved:
   * nothing is changed then.
   */
  async apply(records: readonly DirectoryRecord[], keepsVoid: boolean): Promise<Refusals> {
    const overlay = createOverlay(this.#tables);
    const refusals = records.map((record) => overlay.fold(record));
    const accepted = records.filter((_, at) => refusals[at] === undefined);
    const kept = keepsVoid ? records : accepted;
    if (kept.length === 0) return refusals;
    try {
      await this.#tables.write(kept, overlay.writes);
    } finally {
      this.#forget(overlay.writes);
    }
    for (const record of accepted) for (const listener of this.#listeners) listener(record);
    return refusals;
  }

  /** Takes note of a change that another process has written to the tables. */
  protected noteForeign(record: DirectoryRecord): void {
    // Which entries it is about only its fold knows; changes are few, and a miss costs microseconds.
    this.#accounts.clear();
    this.#keys.clear();
    for (const listener of this.#listeners) listener(record);
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
