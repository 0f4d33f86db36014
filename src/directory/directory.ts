// The port to accounts and keys: what the gateway reads on each request and changes now and then.
import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  AccountState,
  ChangeEntry,
  DirectoryRecord,
  DirectoryRecordSchema,
  KeyState,
} from "../gen/optamil/v1/directory_pb.ts";

/** One change of an account or a key, such as `{ case: "keyRevoked", value: { keyId, reason } }`. */
export type DirectoryChange = NonNullable<MessageInitShape<typeof DirectoryRecordSchema>["change"]>;

/** Who writes, and on top of what. */
export type DirectoryWrite = {
  /** A key id, or "bootstrap" or "cli". */
  readonly actor: string;
  /** Version of the account or key that the writer saw; 0 when it makes a new one. */
  readonly expectedVersion: bigint;
};

/** Which accounts to list. */
export type AccountsPage = {
  /** Accounts at most, 1 or more. */
  readonly limit: number;
  /** Id of the last account of the page before. Default: none, for the first page. */
  readonly after?: string | undefined;
};

/** Which changes to list. */
export type ChangesPage = {
  /** Changes at most, 1 or more. */
  readonly limit: number;
  /** Sequence of the last change of the page before. Default: none, for the newest. */
  readonly before?: number | undefined;
  /** Only those of one account and its keys. Default: of all. */
  readonly accountId?: string | undefined;
};

/** The accounts and keys as they are. Synchronous and cheap; what it returns is shared: never change it. */
export interface DirectoryReader {
  /** The account, undefined if there is none. */
  account(accountId: string): Readonly<AccountState> | undefined;
  /** The account that has an e-mail address, whatever its letter case; undefined if none has. */
  accountOf(email: string): Readonly<AccountState> | undefined;
  /** The key by its token's jti, revoked ones included; undefined if there is none. */
  key(keyId: string): Readonly<KeyState> | undefined;
  /** All keys of an account, newest first; sessions are not among them. */
  keysOf(accountId: string): Readonly<KeyState>[];
  /** A page of accounts, oldest first, and whether there are more. Throws `invalid_request`. */
  accounts(page: AccountsPage): { accounts: Readonly<AccountState>[]; hasMore: boolean };
  /** A page of the accepted changes, newest first, and whether there are more. */
  changes(page: ChangesPage): { changes: ChangeEntry[]; hasMore: boolean };
}

/** The directory: a log of changes, and the state that they fold to. */
export interface Directory extends DirectoryReader {
  /**
   * Makes a change; resolves when it is durable and readable.
   *
   * Throws `conflict` when somebody else changed the account or key since `expectedVersion`,
   * `invalid_request` when the change may not be (the e-mail is taken), `not_found` when it is
   * about an account or key that does not exist, `service_unavailable` when it cannot be saved.
   */
  append(change: DirectoryChange, write: DirectoryWrite): Promise<void>;
  /**
   * Calls the listener, which must not throw, after each change, in log order; returns a function
   * that takes it off.
   */
  onChange(listener: (record: DirectoryRecord) => void): () => void;
  /** Waits for what is being written, then lets go of everything. */
  close(): Promise<void>;
}
