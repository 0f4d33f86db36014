// What every sub-command is given and gives back.
import type { Account } from "../gen/optamil/v1/accounts_pb.ts";
import type {
  AuditFinding,
  CreateAccountResponse,
  GrantCreditsResponse,
  ListAccountsResponse,
  ListChangesResponse,
  Plan,
  RefundUsageResponse,
} from "../gen/optamil/v1/admin_pb.ts";
import type { Budget, ListBudgetsResponse } from "../gen/optamil/v1/budgets_pb.ts";
import type { CreateKeyRequest, Key } from "../gen/optamil/v1/keys_pb.ts";
import type { GetUsageResponse } from "../gen/optamil/v1/usage_pb.ts";
import type { Environment } from "../platform/settings.ts";

/** What a sub-command may use of the world. */
export type CommandContext = {
  readonly environment: Environment;
  /** Writes a line to standard output: the command's result. */
  readonly print: (line: string) => void;
  /** Writes a line to standard error: what went wrong. */
  readonly warn: (line: string) => void;
  /** Runs a gateway until the process is told to stop. */
  readonly serve: (options: ServeOptions) => Promise<void>;
  /** The key operations: of the running gateway, or of its data if none runs. */
  readonly openKeys: () => Promise<KeyOperations>;
  /** Adds a signing key, lets it sign, or both; gives its kid. A gateway that runs follows within seconds. */
  readonly rotateSigningKeys: (step: "stage" | "promote" | "both") => Promise<string>;
  /** The account operations: of the running gateway, or of its data if none runs. */
  readonly openAccounts: () => Promise<AccountOperations>;
  /** What only a running gateway can tell, as it has the warehouse open; undefined if none runs. */
  readonly openMetering: () => Promise<MeteringOperations | undefined>;
  /** Makes the topics, tables and the first account of a fleet. */
  readonly migrate: () => Promise<Migration>;
  /** Brings the state of the data folder into a fleet; gives a line for each difference that is left. */
  readonly move: (move: Move) => Promise<readonly string[]>;
  /** Consumes a fleet's usage events until the process is told to stop; tells what an operator should know. */
  readonly consume: (tell: (line: string) => void) => Promise<void>;
  /** A fleet's records that no warehouse can take. */
  readonly openDeadLetters: () => Promise<DeadLetterOperations>;
  /** What a gateway would make of a configuration file. Throws SettingsError with every problem. */
  readonly checkConfig: (file: string) => Promise<CheckedConfig>;
  /** Looks at this machine and at what its processes depend on. */
  readonly diagnose: () => Promise<readonly Diagnosis[]>;
  /** Copies all state into a new folder. */
  readonly backUp: (folder: string) => Promise<Backup>;
  /** Copies it back into an empty data folder, and audits that. */
  readonly restore: (folder: string) => Promise<Restored>;
  /** The OpenAPI document of the gateway. */
  readonly openApi: () => Promise<object>;
};

/** One thing that was looked at. */
export type Diagnosis = {
  readonly part: string;
  readonly status: "ok" | "notice" | "error";
  /** One line. */
  readonly message: string;
  /** What goes on and what does not while it is so. */
  readonly meaning?: string | undefined;
  /** What to do. */
  readonly remedy?: string | undefined;
};

/** What was copied, and from where. */
export type Backup = { readonly from: string; readonly files: number; readonly bytes: number };

/** What was copied back, when it had been copied (ISO 8601), and what its audits found. */
export type Restored = {
  readonly to: string;
  readonly madeAt: string;
  readonly findings: readonly {
    readonly severity: "error" | "notice";
    readonly audit: string;
    readonly message: string;
  }[];
};

/** A configuration that a gateway can start with. */
export type CheckedConfig = {
  /** Short hash of the file, as `/readyz` shows it. */
  readonly version: string;
  /** What the operator should know, a line each. */
  readonly notices: readonly string[];
};

/** How a gateway is run. */
export type ServeOptions = {
  readonly onReady: (gateway: ServingGateway) => void;
  /** Processes that serve, sharing the port. Default 1: this process serves. */
  readonly workers?: number | undefined;
};

/** A gateway that serves. */
export type ServingGateway = {
  /** Base URL without the version, such as `http://127.0.0.1:8080`. */
  readonly publicUrl: string;
  /** The same past any proxy: where it listens. */
  readonly ownUrl: string;
  /** Key of the first account, on the first start only. */
  readonly firstKey: string | undefined;
  /** File that keeps that key. */
  readonly firstKeyFile: string;
  /** Names of the providers that answer. */
  readonly providers: readonly string[];
  /** What the operator should know, a line each. */
  readonly notices: readonly string[];
};

/** The operations behind `optamil keys`; the same through a running gateway and without one. */
export type KeyOperations = {
  create(request: CreateKeyRequest): Promise<{ key: string; info: Key }>;
  list(): Promise<readonly Key[]>;
  revoke(keyId: string, reason: string): Promise<Key>;
  /** The old key goes on for so many seconds; default a day. */
  rotate(keyId: string, overlapSeconds: number | undefined): Promise<RotatedKey>;
  close(): Promise<void>;
};

/** A new key, and the one that it replaces. */
export type RotatedKey = { readonly key: string; readonly info: Key; readonly previous: Key };

/** An invitation to sign up, and when it ends, Unix seconds. */
export type Invitation = { readonly invitation: string; readonly expiresAt: bigint };

/** The operations behind `optamil accounts`, `plans` and `changes`; the same through a running gateway and without one. */
export type AccountOperations = {
  /** A page, oldest first; an empty `after` is the first one. */
  list(page: { readonly limit: number; readonly after: string }): Promise<ListAccountsResponse>;
  /** An empty plan is Free. */
  create(account: { readonly name: string; readonly plan: string }): Promise<CreateAccountResponse>;
  /** An empty plan is Free; default 7 days. Throws `invalid_request` (no such plan). */
  invite(whom: {
    readonly email: string;
    readonly plan: string;
    readonly expiresInDays: number | undefined;
  }): Promise<Invitation>;
  setPlan(accountId: string, plan: string): Promise<Account>;
  /** Newest first. */
  keys(accountId: string): Promise<readonly Key[]>;
  revokeKey(accountId: string, keyId: string, reason: string): Promise<Key>;
  /** In the place of what was said before; an empty model is the strongest on offer. */
  setRouting(routing: {
    readonly accountId: string;
    readonly quality: number | undefined;
    readonly baselineModel: string;
  }): Promise<Account>;
  /** Days for which prompts and answers are kept; 0: they are not, and what was kept is deleted. */
  setContentDays(accountId: string, days: number): Promise<Account>;
  /** An empty period is the current one. */
  grant(grant: {
    readonly accountId: string;
    readonly creditsMicro: bigint;
    readonly periodId: string;
    readonly reason: string;
  }): Promise<GrantCreditsResponse>;
  plans(): Promise<readonly Plan[]>;
  /** A page, newest first; no `before` is the newest one, an empty account is all of them. */
  changes(page: {
    readonly limit: number;
    readonly before: number | undefined;
    readonly accountId: string;
  }): Promise<ListChangesResponse>;
  close(): Promise<void>;
};

/** The operations behind `optamil usage`, `budgets`, `sql`, `audit` and `accounts refund`. */
export type MeteringOperations = {
  /** Usage of the account whose key is used. */
  usage(): Promise<GetUsageResponse>;
  /** A page of the budgets of that account, or of another one; an empty `after` is the first one. */
  budgets(page: {
    readonly limit: number;
    readonly after: string;
    readonly accountId: string | undefined;
  }): Promise<Pick<ListBudgetsResponse, "data" | "hasMore">>;
  setBudget(budget: {
    readonly budgetId: string;
    readonly creditsMicro: bigint;
    readonly accountId: string | undefined;
  }): Promise<Budget>;
  /** Gives the id of what is gone. */
  deleteBudget(budgetId: string, accountId: string | undefined): Promise<string>;
  /** The answer to one reading statement, in a ClickHouse format. */
  sql(text: string, format: string): Promise<string>;
  audit(): Promise<readonly AuditFinding[]>;
  refund(accountId: string, eventId: string): Promise<RefundUsageResponse>;
};

/** What a migration did, and what it found to be otherwise than it should be; a line each, with the remedy. */
export type Migration = {
  readonly done: readonly string[];
  readonly differences: readonly string[];
};

/** Who hears of a move while it runs. */
export type Move = { readonly tell: (step: string, message: string) => void };

/** A usage record that was put aside. */
export type DeadLetterRow = {
  readonly id: number;
  readonly partition: number;
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly reason: string;
  /** Unix milliseconds. */
  readonly atMs: number;
};

/** The operations behind `optamil dlq`. */
export type DeadLetterOperations = {
  /** Letters from an id on, oldest first. */
  list(fromId: number, limit: number): Promise<readonly DeadLetterRow[]>;
  /** Throws `not_found`. */
  show(id: number): Promise<DeadLetterRow>;
  /** Sends them to the usage log again. Throws `not_found`. */
  replay(ids: readonly number[]): Promise<void>;
  close(): Promise<void>;
};

/** One sub-command. */
export type Command = {
  /** What it does, for the help text. */
  readonly summary: string;
  /** How it is called, without the word `optamil`. */
  readonly usage: string;
  /** Runs it; resolves with the exit code. Throws UsageError when it was called wrongly. */
  readonly run: (words: readonly string[], context: CommandContext) => Promise<number>;
};

/** A call that cannot be understood: the message says what to do. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "UsageError";
  }
}
