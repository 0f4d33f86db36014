// The directory's LMDB environment: the log of records, and tables of the state that they fold to.
import { type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { type Database, open } from "lmdb";
import {
  type AccountState,
  AccountStateSchema,
  type ChangeEntry,
  ChangeEntrySchema,
  type DirectoryRecord,
  DirectoryRecordSchema,
  type KeyState,
  KeyStateSchema,
} from "../gen/optamil/v1/directory_pb.ts";
import { invalidRequest } from "../platform/errors.ts";
import { commit } from "../platform/lmdb-commit.ts";
import { isUuid } from "../platform/uuid.ts";
import type { AccountsPage, ChangesPage } from "./directory.ts";
import type { StateWrite } from "./fold.ts";
import type { DirectoryTables } from "./kept-state.ts";
import { createOverlay } from "./overlay.ts";

/** Raised whenever `fold` or the state's messages change: the state is then rebuilt from the log. */
const stateFormat = 3;

/** What a record or a row takes at most, pages that are split for it included. */
const roomPerRowBytes = 16_384;

/** Records a transaction while the state is rebuilt: enough to be quick, few enough for the heap. */
const rebuildRecordsMax = 1_000;

/** Log and state of one environment, which only this process may have open for writing. */
export class LmdbTables implements DirectoryTables {
  readonly #path: string;
  readonly #env;
  /** Sequence number, from 1 without gaps → DirectoryRecord. Kept for ever. */
  readonly #log: Database<Uint8Array, number>;
  readonly #accounts: Database<Uint8Array, string>;
  readonly #keys: Database<Uint8Array, string>;
  readonly #emails: Database<string, string>;
  /** Account id → ids of its keys, in the order of their making. */
  readonly #keysByAccount: Database<string, string>;
  /** Sequence number, from 1 without gaps → ChangeEntry. */
  readonly #changes: Database<Uint8Array, number>;
  /** Account id → sequence numbers of its changes and its keys'. */
  readonly #changesByAccount: Database<number, string>;
  /** `format`, `applied`: sequence number of the last record that the state contains, and `changes`: of the last one. */
  readonly #meta: Database<number, string>;
  #applied: number;
  #changeCount: number;

  /** @param readOnly Whether another process has it open for writing, and had before. Default false. */
  constructor(path: string, { readOnly = false }: { readonly readOnly?: boolean } = {}) {
    this.#path = path;
    // With lmdb 3.5.6's default, a commit that fails also rejects a promise that nobody can reach,
    // which ends the process, and on Node 24 the callback of `transaction` is never called.
    this.#env = open({ path, maxDbs: 12, eventTurnBatching: false, readOnly });
    this.#log = this.#env.openDB({ name: "log", encoding: "binary" });
    this.#accounts = this.#env.openDB({ name: "accounts", encoding: "binary" });
    this.#keys = this.#env.openDB({ name: "keys", encoding: "binary" });
    this.#emails = this.#env.openDB({ name: "emails", encoding: "string" });
    this.#keysByAccount = this.#env.openDB({
      name: "keys_by_account",
      encoding: "ordered-binary",
      dupSort: true,
    });
    this.#changes = this.#env.openDB({ name: "changes", encoding: "binary" });
    this.#changesByAccount = this.#env.openDB({
      name: "changes_by_account",
      encoding: "ordered-binary",
      dupSort: true,
    });
    this.#meta = this.#env.openDB({ name: "meta", encoding: "ordered-binary" });
    if (!readOnly && this.#meta.get("format") !== stateFormat) this.#clearState();
    this.#applied = this.#meta.get("applied") ?? 0;
    this.#changeCount = this.#meta.get("changes") ?? 0;
    if (!readOnly) this.#catchUp();
  }

  /** Sees what another process has written. */
  refresh(): void {
    this.#env.resetReadTxn();
    this.#applied = this.#meta.get("applied") ?? 0;
    this.#changeCount = this.#meta.get("changes") ?? 0;
  }

  get applied(): number {
    return this.#applied;
  }

  recordAt(place: number): DirectoryRecord | undefined {
    return decode(DirectoryRecordSchema, this.#log.get(place + 1));
  }

  account(accountId: string): AccountState | undefined {
    return decode(AccountStateSchema, get(this.#accounts, accountId));
  }

  key(keyId: string): KeyState | undefined {
    return decode(KeyStateSchema, get(this.#keys, keyId));
  }

  accountIdOf(emailKey: string): string | undefined {
    return this.#emails.get(emailKey);
  }

  /** Keys of an account, newest first. */
  keysOf(accountId: string): KeyState[] {
    if (!isUuid(accountId)) return [];
    const keyIds = this.#keysByAccount.getValues(accountId, { reverse: true });
    return [...keyIds].flatMap((keyId) => this.key(keyId) ?? []);
  }

  /** Accounts in the order of their ids, which is that of their making, and whether there are more. */
  accounts({ limit, after }: AccountsPage): { accounts: AccountState[]; hasMore: boolean } {
    if (after !== undefined && !isUuid(after)) throw invalidRequest("Not an account id.", "after");
    const start = after === undefined ? {} : { start: after, exclusiveStart: true };
    const found = [...this.#accounts.getRange({ ...start, limit: limit + 1 })];
    const accounts = found
      .slice(0, limit)
      .map(({ value }) => fromBinary(AccountStateSchema, value));
    return { accounts, hasMore: found.length > limit };
  }

  /** Accepted changes, newest first, and whether there are more. */
  changes({ limit, before, accountId }: ChangesPage): { changes: ChangeEntry[]; hasMore: boolean } {
    const start = Math.min(before ?? Number.POSITIVE_INFINITY, this.#changeCount + 1) - 1;
    const sequences =
      accountId === undefined
        ? Array.from({ length: Math.min(limit + 1, start) }, (_, at) => start - at)
        : this.#changesOf(accountId, start, limit + 1);
    const changes = sequences
      .slice(0, limit)
      .flatMap((sequence) => decode(ChangeEntrySchema, this.#changes.get(sequence)) ?? []);
    return { changes, hasMore: sequences.length > limit };
  }

  #changesOf(accountId: string, start: number, limit: number): number[] {
    if (!isUuid(accountId)) return [];
    return [...this.#changesByAccount.getValues(accountId, { start, reverse: true, limit })];
  }

  /** Writes records and the state that they lead to, all or nothing; resolves when it is on disk. */
  async write(records: readonly DirectoryRecord[], writes: readonly StateWrite[]): Promise<void> {
    const roomBytes = (records.length + writes.length) * roomPerRowBytes;
    await commit(this.#env, this.#path, roomBytes, () => {
      records.forEach((record, index) => {
        const bytes = toBinary(DirectoryRecordSchema, record);
        void this.#log.put(this.#applied + 1 + index, bytes);
      });
      this.#put(writes, this.#applied + records.length);
    });
    this.#applied += records.length;
    this.#changeCount += countChanges(writes);
    await this.#env.flushed;
    this.#env.resetReadTxn();
  }

  close(): Promise<void> {
    return this.#env.close();
  }

  /** Puts join the batch or transaction that is open, which reports their failure. */
  #put(writes: readonly StateWrite[], applied: number): void {
    void this.#meta.put("applied", applied);
    void this.#meta.put("changes", this.#changeCount + countChanges(writes));
    let sequence = this.#changeCount;
    for (const write of writes) {
      if (write.kind === "account") {
        const { account } = write;
        void this.#accounts.put(account.id, toBinary(AccountStateSchema, account));
      } else if (write.kind === "key") {
        const { key } = write;
        void this.#keys.put(key.id, toBinary(KeyStateSchema, key));
        // Sessions are many, and nobody looks for them.
        if (!key.session) void this.#keysByAccount.put(key.accountId, key.id);
      } else if (write.kind === "email") {
        void this.#emails.put(write.emailKey, write.accountId);
      } else {
        sequence += 1;
        const entry = { ...write.entry, sequence };
        void this.#changes.put(sequence, toBinary(ChangeEntrySchema, entry));
        void this.#changesByAccount.put(entry.accountId, sequence);
      }
    }
  }

  #clearState(): void {
    this.#env.transactionSync(() => {
      for (const db of [
        this.#accounts,
        this.#keys,
        this.#emails,
        this.#keysByAccount,
        this.#changes,
        this.#changesByAccount,
        this.#meta,
      ]) {
        db.clearSync();
      }
      this.#meta.putSync("format", stateFormat);
    });
  }

  /** Folds the records that the state does not contain yet: all of them after `#clearState`. */
  #catchUp(): void {
    for (;;) {
      const range = this.#log.getRange({ start: this.#applied + 1, limit: rebuildRecordsMax });
      const records = [...range].map(({ value }) => fromBinary(DirectoryRecordSchema, value));
      if (records.length === 0) return;
      const overlay = createOverlay(this);
      for (const record of records) overlay.fold(record);
      const applied = this.#applied + records.length;
      this.#env.transactionSync(() => {
        this.#put(overlay.writes, applied);
      });
      this.#applied = applied;
      this.#changeCount += countChanges(overlay.writes);
    }
  }
}

function countChanges(writes: readonly StateWrite[]): number {
  return writes.filter(({ kind }) => kind === "change").length;
}

/** Ids come from callers, and LMDB throws for those of more than 1,978 bytes. */
function get(db: Database<Uint8Array, string>, id: string): Uint8Array | undefined {
  return isUuid(id) ? db.get(id) : undefined;
}

function decode<Desc extends DescMessage>(
  schema: Desc,
  bytes: Uint8Array | undefined,
): MessageShape<Desc> | undefined {
  return bytes && fromBinary(schema, bytes);
}
