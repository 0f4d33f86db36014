// Budgets of keys and tags: which there are, which one a request counts against, and how they change.
import type { AccountState, KeyState } from "../gen/optamil/v1/directory_pb.ts";
import { OptamilError } from "../platform/errors.ts";
import { isUuid } from "../platform/uuid.ts";
import type { Directory, DirectoryReader } from "./directory.ts";

/** What a client may call its work. */
export const tagPattern = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/;

/** A budget as its owner has set it. */
export type Budget = {
  /** "key:" and the first key of its line of rotations, or "tag:" and the tag. */
  readonly id: string;
  /** For each billing period. */
  readonly limitMicro: bigint;
};

/** Whose spending a request is. */
export type Spending = {
  /** First key of the line of rotations. */
  readonly rootKeyId: string;
  /** The budgets that it counts against; undefined: none. */
  readonly budgets: readonly Budget[] | undefined;
};

/** The operations on budgets of one account's keys and tags. */
export interface BudgetManager {
  /** A page in the order of the ids, and whether there are more. */
  list(
    accountId: string,
    page: { readonly limit: number; readonly after: string },
  ): { readonly budgets: readonly Budget[]; readonly hasMore: boolean };
  /**
   * Sets a budget, or takes it away. The id may name any key of a line; the one in the answer names its first. Throws
   * `not_found` (no such key, or no budget to take away), `invalid_request` (too many), `conflict`.
   */
  set(
    accountId: string,
    budgetId: string,
    limitMicro: bigint | undefined,
    actor: string,
  ): Promise<string>;
}

/** The key or the tag that an id of a budget names; undefined: neither. */
export function parseBudgetId(budgetId: string): { keyId?: string; tag?: string } | undefined {
  const name = budgetId.slice(4);
  if (budgetId.startsWith("key:") && isUuid(name)) return { keyId: name };
  if (budgetId.startsWith("tag:") && tagPattern.test(name)) return { tag: name };
  return undefined;
}

/** Finds what a request of a key under a tag counts against. */
export function findSpending(
  directory: Pick<DirectoryReader, "account" | "key">,
  { accountId, keyId }: { readonly accountId: string; readonly keyId: string },
  tag: string | undefined,
): Spending {
  const key = directory.key(keyId);
  const rootKeyId = key?.rootKeyId || keyId;
  const ofKey = (rootKeyId === keyId ? key : directory.key(rootKeyId))?.budgetMicro;
  const ofTag = tag === undefined ? undefined : tagBudget(directory.account(accountId), tag);
  if (ofKey === undefined && ofTag === undefined) return { rootKeyId, budgets: undefined };
  const budgets: Budget[] = [];
  if (ofKey !== undefined) budgets.push({ id: `key:${rootKeyId}`, limitMicro: ofKey });
  if (ofTag !== undefined) budgets.push({ id: `tag:${tag}`, limitMicro: ofTag });
  return { rootKeyId, budgets };
}

/** The operations over a directory. */
export function createBudgetManager(
  store: Pick<Directory, "account" | "key" | "keysOf" | "append">,
): BudgetManager {
  return {
    list(accountId, { limit, after }) {
      const tags = Object.entries(store.account(accountId)?.tagBudgets ?? {});
      const all = [
        ...tags.map(([tag, limitMicro]) => ({ id: `tag:${tag}`, limitMicro })),
        ...store.keysOf(accountId).flatMap(({ id, budgetMicro }) => {
          return budgetMicro === undefined ? [] : { id: `key:${id}`, limitMicro: budgetMicro };
        }),
      ];
      const rest = all.filter(({ id }) => id > after).toSorted((a, b) => (a.id < b.id ? -1 : 1));
      return { budgets: rest.slice(0, limit), hasMore: rest.length > limit };
    },
    async set(accountId, wanted, limitMicro, actor) {
      const { id, before, version } = findOwn(store, accountId, wanted);
      if (before === limitMicro && before !== undefined) return id;
      if (before === limitMicro) {
        throw new OptamilError("not_found", "There is no such budget.", { param: "budget_id" });
      }
      const value = { accountId, budgetId: id, creditsMicro: limitMicro };
      await store.append({ case: "budgetChanged", value }, { actor, expectedVersion: version });
      return id;
    },
  };
}

/** The budget as it stands, by the first key of its line; `version` is of the key or account that keeps it. */
function findOwn(
  store: Pick<Directory, "account" | "key">,
  accountId: string,
  budgetId: string,
): { readonly id: string; readonly before: bigint | undefined; readonly version: bigint } {
  const { keyId, tag } = parseBudgetId(budgetId) ?? {};
  const account = store.account(accountId);
  if (tag !== undefined && account !== undefined) {
    return { id: budgetId, before: tagBudget(account, tag), version: account.version };
  }
  const key = ownKey(store, accountId, keyId);
  const root = key?.rootKeyId ? ownKey(store, accountId, key.rootKeyId) : key;
  if (root === undefined) {
    const message = "This account has no key with that id.";
    throw new OptamilError("not_found", message, { param: "budget_id" });
  }
  return { id: `key:${root.id}`, before: root.budgetMicro, version: root.version };
}

function ownKey(
  store: Pick<Directory, "key">,
  accountId: string,
  keyId: string | undefined,
): Readonly<KeyState> | undefined {
  const key = keyId === undefined ? undefined : store.key(keyId);
  return key?.accountId === accountId && !key.session ? key : undefined;
}

function tagBudget(account: Readonly<AccountState> | undefined, tag: string): bigint | undefined {
  const tagBudgets = account?.tagBudgets;
  return tagBudgets && Object.hasOwn(tagBudgets, tag) ? tagBudgets[tag] : undefined;
}
