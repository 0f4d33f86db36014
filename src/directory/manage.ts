// What operators do with accounts: list, create, put on plans, grant. The same through every door and locally.
import { create } from "@bufbuild/protobuf";
import { freePlanName, type Plan, type Plans } from "../catalogue/plans.ts";
import { type Account, AccountSchema } from "../gen/optamil/v1/accounts_pb.ts";
import {
  type Change,
  ChangeSchema,
  type GrantCreditsResponse,
  GrantCreditsResponseSchema,
  type ListAccountsResponse,
  ListAccountsResponseSchema,
  type ListChangesResponse,
  ListChangesResponseSchema,
  type ListPlansResponse,
  ListPlansResponseSchema,
  type Plan as PlanMessage,
  PlanSchema,
} from "../gen/optamil/v1/admin_pb.ts";
import type { AccountState, ChangeEntry } from "../gen/optamil/v1/directory_pb.ts";
import { invalidRequest, OptamilError } from "../platform/errors.ts";
import type { UuidSource } from "../platform/uuid.ts";
import type { Directory, DirectoryChange } from "./directory.ts";
import { grantedIn } from "./entitlement.ts";

/** An account to be. */
export type NewAccount = {
  /** Name for people. */
  readonly name: string;
  /** Id of the plan. Default, also for an empty one: free. */
  readonly plan?: string | undefined;
  /** Unique over all accounts. Default: none. */
  readonly email?: string | undefined;
  /** From `hashPassword`. Default: none. */
  readonly passwordHash?: string | undefined;
};

/** Credits to be. */
export type NewGrant = {
  readonly accountId: string;
  /** More than 0. */
  readonly creditsMicro: bigint;
  /** "2026-04". Default, also for an empty one: the current period. */
  readonly periodId?: string | undefined;
  /** Why, for people. Default: nothing. */
  readonly reason?: string | undefined;
};

/** How an account's requests for `auto` are to be routed. */
export type NewRouting = {
  readonly accountId: string;
  /** Of requests that ask for none, 0 to 1. Default: the gateway's. */
  readonly quality?: number | undefined;
  /** Model against whose cost savings are counted. Default, also for an empty one: the strongest on offer. */
  readonly baselineModel?: string | undefined;
};

/** The operations on accounts. `actor` is a key id, "cli" or "sign-up". */
export interface AccountManager {
  /** A page of accounts, oldest first. Default: the first 100. Throws `invalid_request`. */
  list(page: { limit?: number | undefined; after?: string | undefined }): ListAccountsResponse;
  /** One account. Throws `not_found`. */
  find(accountId: string): Account;
  /** A new account with its first key, which is in the answer and nowhere else. Throws `invalid_request`. */
  create(account: NewAccount, actor: string): Promise<{ account: Account; key: string }>;
  /** Puts an account on a plan. Throws `not_found`, `invalid_request` (no such plan), `conflict`. */
  setPlan(accountId: string, plan: string, actor: string): Promise<Account>;
  /** Replaces how an account is routed. Throws `not_found`, `invalid_request` (no such model), `conflict`. */
  setRouting(routing: NewRouting, actor: string): Promise<Account>;
  /** For how many days prompts and answers of an account are kept; 0: they are not. Throws `not_found`, `conflict`. */
  setContentDays(
    accountId: string,
    contentDays: number,
    actor: string,
    contentSpans?: boolean,
  ): Promise<Account>;
  /** Grants credits. Throws `not_found`, `invalid_request`, `conflict`: then nothing was granted. */
  grant(grant: NewGrant, actor: string): Promise<GrantCreditsResponse>;
  /** All plans. */
  plans(): ListPlansResponse;
  /** A page of the changes of accounts and keys, newest first. Default: the newest 100. */
  changes(page: {
    limit?: number | undefined;
    before?: number | undefined;
    accountId?: string | undefined;
  }): ListChangesResponse;
}

/** What the operations stand on. */
export type AccountManagerParts = {
  readonly store: Pick<Directory, "account" | "accounts" | "append" | "changes">;
  readonly plans: Plans;
  /** Whether the catalogue has a model of that name. */
  readonly isModel: (name: string) => boolean;
  /** Makes a key; it works once its change is in the directory. */
  readonly issueKey: (request: {
    accountId: string;
    plan: string;
    name: string;
  }) => Promise<{ key: string; change: DirectoryChange }>;
  /** Gives accounts and grants their ids. */
  readonly uuids: UuidSource;
  /** The billing period of now: "2026-04". */
  readonly currentPeriodId: () => string;
};

const pageAccountsDefault = 100;
const pageChangesDefault = 100;
const firstKeyName = "first key";
/** A later one is a mistake; and the state keeps no more than 24 periods. */
const monthsAheadMax = 12;
const microsecondsPerSecond = 1_000_000n;

/** The operations over a directory. */
export function createAccountManager(parts: AccountManagerParts): AccountManager {
  const { store, plans, issueKey, uuids } = parts;
  return {
    list({ limit = pageAccountsDefault, after }) {
      const page = store.accounts({ limit, after: after === "" ? undefined : after });
      const data = page.accounts.map(toAccount);
      return create(ListAccountsResponseSchema, { object: "list", data, hasMore: page.hasMore });
    },
    find: (accountId) => toAccount(findAccount(store, accountId)),
    async create({ name, plan: wanted, email = "", passwordHash = "" }, actor) {
      const plan = findPlan(plans, wanted || freePlanName).name;
      const accountId = uuids.text();
      const { key, change } = await issueKey({ accountId, plan, name: firstKeyName });
      const value = { accountId, name, email, plan, passwordHash };
      const write = { actor, expectedVersion: 0n };
      // Appended in one turn they share a commit; where the account is refused, so is its key.
      await Promise.all([
        store.append({ case: "accountCreated", value }, write),
        store.append(change, write),
      ]);
      return { account: toAccount(findAccount(store, accountId)), key };
    },
    async setPlan(accountId, wanted, actor) {
      const account = findAccount(store, accountId);
      const plan = findPlan(plans, wanted).name;
      if (account.plan !== plan) {
        const write = { actor, expectedVersion: account.version };
        await store.append({ case: "accountPlanChanged", value: { accountId, plan } }, write);
      }
      return toAccount(findAccount(store, accountId));
    },
    async setRouting({ accountId, quality, baselineModel = "" }, actor) {
      const account = findAccount(store, accountId);
      if (baselineModel !== "" && !parts.isModel(baselineModel)) throw noSuchModel(baselineModel);
      if (account.quality !== quality || account.baselineModel !== baselineModel) {
        const value = { accountId, baselineModel, ...(quality !== undefined && { quality }) };
        const write = { actor, expectedVersion: account.version };
        await store.append({ case: "accountRoutingChanged", value }, write);
      }
      return toAccount(findAccount(store, accountId));
    },
    async setContentDays(accountId, contentDays, actor, spans) {
      const account = findAccount(store, accountId);
      const contentSpans = spans ?? account.contentSpans;
      if (account.contentDays !== contentDays || account.contentSpans !== contentSpans) {
        const write = { actor, expectedVersion: account.version };
        const value = { accountId, contentDays, contentSpans };
        await store.append({ case: "accountContentChanged", value }, write);
      }
      return toAccount(findAccount(store, accountId));
    },
    async grant({ accountId, creditsMicro, periodId: wanted, reason = "" }, actor) {
      const account = findAccount(store, accountId);
      const current = parts.currentPeriodId();
      const periodId = wanted || current;
      checkPeriod(periodId, current);
      const value = { grantId: uuids.text(), accountId, creditsMicro, periodId, reason };
      const write = { actor, expectedVersion: account.version };
      await store.append({ case: "creditsGranted", value }, write);
      return toGranted(findAccount(store, accountId), periodId);
    },
    plans: () => create(ListPlansResponseSchema, { object: "list", data: plans.all.map(toPlan) }),
    changes({ limit = pageChangesDefault, before, accountId }) {
      const page = store.changes({ limit, before, accountId: accountId || undefined });
      const data = page.changes.map(toChange);
      return create(ListChangesResponseSchema, { object: "list", data, hasMore: page.hasMore });
    },
  };
}

function findAccount(
  store: AccountManagerParts["store"],
  accountId: string,
): Readonly<AccountState> {
  const account = store.account(accountId);
  if (account !== undefined) return account;
  throw new OptamilError("not_found", "There is no account with that id.", { param: "account_id" });
}

/** The plan of a name; throws `invalid_request`, naming those that there are. */
export function findPlan(plans: Plans, name: string): Plan {
  const plan = plans.byName(name);
  if (plan !== undefined) return plan;
  const known = plans.all.map((one) => one.name).join(", ");
  throw invalidRequest(`There is no plan '${name.slice(0, 64)}'. Known: ${known}.`, "plan");
}

function noSuchModel(name: string): OptamilError {
  const message = `There is no model '${name.slice(0, 64)}' to count savings against: GET /v1/models lists them, other than 'auto'.`;
  return invalidRequest(message, "baseline_model");
}

function checkPeriod(periodId: string, current: string): void {
  const ahead = toMonths(periodId) - toMonths(current);
  if (ahead >= 0 && ahead <= monthsAheadMax) return;
  const message = `The period must be the current month, ${current}, or one of the next ${monthsAheadMax}.`;
  throw invalidRequest(message, "period");
}

/** Months since the year 0; not a number where the text is no month. */
function toMonths(periodId: string): number {
  const [year = "", month = ""] = periodId.split("-");
  return Number(year) * 12 + Number(month);
}

/** An account as the API shows it. */
export function toAccount(state: Readonly<AccountState>): Account {
  const { id, name, email, plan, createdAtUs, quality, baselineModel } = state;
  const { contentDays, contentSpans } = state;
  return create(AccountSchema, {
    id,
    object: "account",
    name,
    ...(email !== "" && { email }),
    plan,
    created: createdAtUs / microsecondsPerSecond,
    ...(quality !== undefined && { quality }),
    ...(baselineModel !== "" && { baselineModel }),
    ...(contentDays > 0 && { contentDays }),
    ...(contentSpans && { contentSpans }),
  });
}

function toChange({ recordId, writtenAtUs, keyId, fields, ...entry }: ChangeEntry): Change {
  const { sequence, actor, action, accountId } = entry;
  return create(ChangeSchema, {
    id: recordId,
    object: "change",
    sequence,
    created: writtenAtUs / microsecondsPerSecond,
    actor,
    action,
    accountId,
    ...(keyId !== "" && { keyId }),
    fields: fields.map(({ field, before, after }) => ({
      field,
      ...(before !== undefined && { before }),
      ...(after !== undefined && { after }),
    })),
  });
}

function toGranted(account: Readonly<AccountState>, periodId: string): GrantCreditsResponse {
  return create(GrantCreditsResponseSchema, {
    account: toAccount(account),
    periodId,
    grantedMicro: grantedIn(account, periodId),
  });
}

function toPlan(plan: Plan): PlanMessage {
  const { name, creditsPerMonthMicro, requestsPerMinute, requestsPerDay, tokensPerMinute } = plan;
  return create(PlanSchema, {
    id: name,
    object: "plan",
    ...(creditsPerMonthMicro !== undefined && { creditsPerMonthMicro }),
    requestsPerMinute,
    requestsPerDay,
    tokensPerMinute,
  });
}
