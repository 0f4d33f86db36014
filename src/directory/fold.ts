// What a record does to the directory: the one rule by which every replica comes to the same state.
import { create } from "@bufbuild/protobuf";
import {
  type AccountContentChanged,
  type AccountCreated,
  type AccountPlanChanged,
  type AccountRoutingChanged,
  type AccountState,
  AccountStateSchema,
  type BudgetChanged,
  type ChangeEntry,
  type CreditsGranted,
  type DirectoryRecord,
  type KeyCreated,
  type KeyRevoked,
  type KeyState,
  KeyStateSchema,
  type PeriodGrants,
  PeriodGrantsSchema,
} from "../gen/optamil/v1/directory_pb.ts";
import { invalidRequest, OptamilError } from "../platform/errors.ts";
import { isUuid } from "../platform/uuid.ts";
import { parseBudgetId } from "./budgets.ts";

/** The part of the state that the rule looks at. */
export interface DirectoryView {
  /** The account, undefined if there is none. */
  account(accountId: string): Readonly<AccountState> | undefined;
  /** The key, undefined if there is none. */
  key(keyId: string): Readonly<KeyState> | undefined;
  /** The account that has the address, given as `toEmailKey` spells it. */
  accountIdOf(emailKey: string): string | undefined;
}

/** One entry of the state to be put in place of what is there. */
export type StateWrite =
  | { readonly kind: "account"; readonly account: AccountState }
  | { readonly kind: "key"; readonly key: KeyState }
  | { readonly kind: "email"; readonly emailKey: string; readonly accountId: string }
  | { readonly kind: "change"; readonly entry: ChangeEntry };

/** What became of a record: the entries it writes, or why it is void. */
export type Folded =
  | { readonly writes: readonly StateWrite[]; readonly refusal?: undefined }
  | { readonly writes?: undefined; readonly refusal: OptamilError };

/** Of an e-mail address: RFC 5321 §4.5.3.1.3; it also keeps the address below LMDB's limit of 1,978 bytes a key. */
export const emailCharactersMax = 254;

/** Two years: what is older is in the log, and no request belongs to it any more. */
const periodsKeptMax = 24;

/** Budgets of tags that an account may have: each of its changes writes them all. */
const tagBudgetsMax = 256;

/** Whoever needs prompts for longer keeps them himself. */
export const contentDaysMax = 30;

/** A billion credits. */
const budgetMicroMax = 10n ** 15n;

/** 100 billion credits, so that sums stay far below 64 bits. */
const grantedMicroMax = 10n ** 17n;

/**
 * The entries that a record writes, or the reason why it is void: a void record stays in the log and
 * does nothing. Depends on its arguments only, so that the same log gives the same state anywhere.
 */
export function fold(view: DirectoryView, record: DirectoryRecord): Folded {
  const { change } = record;
  switch (change.case) {
    case "accountCreated":
      return foldAccountCreated(view, record, change.value);
    case "keyCreated":
      return foldKeyCreated(view, record, change.value);
    case "keyRevoked":
      return foldKeyRevoked(view, record, change.value);
    case "creditsGranted":
      return foldCreditsGranted(view, record, change.value);
    case "accountPlanChanged":
      return foldAccountPlanChanged(view, record, change.value);
    case "accountRoutingChanged":
      return foldAccountRoutingChanged(view, record, change.value);
    case "accountContentChanged":
      return foldAccountContentChanged(view, record, change.value);
    case "budgetChanged":
      return foldBudgetChanged(view, record, change.value);
    case undefined:
      // Of a later release. The release that knows it rebuilds the state from the log.
      return { refusal: invalidRequest("Unknown kind of change.") };
  }
}

/** The spelling by which addresses are unique: letter case makes no difference. */
export function toEmailKey(email: string): string {
  return email.toLowerCase();
}

function foldAccountCreated(
  view: DirectoryView,
  record: DirectoryRecord,
  { accountId, name, email, plan, passwordHash }: AccountCreated,
): Folded {
  if (!isUuid(accountId)) return { refusal: invalidRequest("The account id must be a UUID.") };
  if (email.length > emailCharactersMax) {
    return { refusal: invalidRequest("The e-mail address is too long.", "email") };
  }
  if (record.expectedVersion !== 0n || view.account(accountId)) return versionLost();
  const emailKey = toEmailKey(email);
  if (email !== "" && view.accountIdOf(emailKey) !== undefined) {
    return { refusal: invalidRequest("The e-mail address is taken.", "email") };
  }
  const account = create(AccountStateSchema, {
    id: accountId,
    name,
    email,
    plan,
    createdAtUs: record.writtenAtUs,
    version: 1n,
    passwordHash,
  });
  const writes: StateWrite[] = [{ kind: "account", account }];
  if (email !== "") writes.push({ kind: "email", emailKey, accountId });
  return { writes };
}

function foldKeyCreated(view: DirectoryView, record: DirectoryRecord, made: KeyCreated): Folded {
  const { keyId, accountId, name, lastFour, scopes, models, tiers, limits, expiresAt } = made;
  if (!isUuid(keyId)) return { refusal: invalidRequest("The key id must be a UUID.") };
  if (record.expectedVersion !== 0n || view.key(keyId)) return versionLost();
  if (!isUuid(accountId) || view.account(accountId) === undefined) {
    return noSuchAccount();
  }
  const key = create(KeyStateSchema, {
    id: keyId,
    accountId,
    name,
    lastFour,
    scopes,
    models,
    tiers,
    ...(limits !== undefined && { limits }),
    session: made.session,
    parameterPolicy: made.parameterPolicy,
    rootKeyId: made.rootKeyId,
    ...(made.budgetMicro !== undefined && { budgetMicro: made.budgetMicro }),
    ...(made.quality !== undefined && { quality: made.quality }),
    createdAtUs: record.writtenAtUs,
    expiresAt,
    version: 1n,
  });
  return { writes: [{ kind: "key", key }] };
}

function foldKeyRevoked(
  view: DirectoryView,
  record: DirectoryRecord,
  { keyId, reason, effectiveAtUs }: KeyRevoked,
): Folded {
  const before = isUuid(keyId) ? view.key(keyId) : undefined;
  if (before === undefined) {
    return { refusal: new OptamilError("not_found", "There is no such key.") };
  }
  const { writtenAtUs } = record;
  const revokedAtUs = effectiveAtUs > writtenAtUs ? effectiveAtUs : writtenAtUs;
  // Even with the right version: the first time and reason stand, unless the new end is sooner.
  const ended = before.revokedAtUs !== undefined && before.revokedAtUs <= revokedAtUs;
  if (record.expectedVersion !== before.version || ended) return versionLost();
  const key = create(KeyStateSchema, {
    ...before,
    revokedAtUs,
    revokeReason: reason,
    version: before.version + 1n,
  });
  return { writes: [{ kind: "key", key }] };
}

function foldCreditsGranted(
  view: DirectoryView,
  record: DirectoryRecord,
  { accountId, creditsMicro, periodId }: CreditsGranted,
): Folded {
  const before = isUuid(accountId) ? view.account(accountId) : undefined;
  if (before === undefined) return noSuchAccount();
  if (record.expectedVersion !== before.version) return versionLost();
  if (!/^\d{4}-(0[1-9]|1[0-2])$/.test(periodId)) {
    return { refusal: invalidRequest("The period must be a month, such as 2026-04.", "period") };
  }
  const grants = addGrant(before.grants, periodId, creditsMicro);
  const after = grants.find((sum) => sum.periodId === periodId);
  if (after === undefined) return { refusal: invalidRequest("The period is over.", "period") };
  if (creditsMicro <= 0n || after.creditsMicro > grantedMicroMax) {
    return { refusal: invalidRequest("The number of credits is out of range.", "credits") };
  }
  return changeAccount(before, { grants });
}

/** The sums with a grant, earliest period first; the earliest go where there are too many. */
function addGrant(
  sums: readonly PeriodGrants[],
  periodId: string,
  creditsMicro: bigint,
): PeriodGrants[] {
  const others = sums.filter((sum) => sum.periodId !== periodId);
  const before = sums.find((sum) => sum.periodId === periodId)?.creditsMicro ?? 0n;
  const sum = create(PeriodGrantsSchema, { periodId, creditsMicro: before + creditsMicro });
  const byPeriod = (one: PeriodGrants, other: PeriodGrants) =>
    one.periodId < other.periodId ? -1 : 1;
  return [...others, sum].toSorted(byPeriod).slice(-periodsKeptMax);
}

function foldAccountPlanChanged(
  view: DirectoryView,
  record: DirectoryRecord,
  { accountId, plan }: AccountPlanChanged,
): Folded {
  const before = isUuid(accountId) ? view.account(accountId) : undefined;
  if (before === undefined) return noSuchAccount();
  if (record.expectedVersion !== before.version) return versionLost();
  if (plan === "") return { refusal: invalidRequest("The plan is missing.", "plan") };
  return changeAccount(before, { plan });
}

function foldAccountRoutingChanged(
  view: DirectoryView,
  record: DirectoryRecord,
  { accountId, quality, baselineModel }: AccountRoutingChanged,
): Folded {
  const before = isUuid(accountId) ? view.account(accountId) : undefined;
  if (before === undefined) return noSuchAccount();
  if (record.expectedVersion !== before.version) return versionLost();
  if (quality !== undefined && !(quality >= 0 && quality <= 1)) {
    return { refusal: invalidRequest("The quality must be from 0 to 1.", "quality") };
  }
  const { quality: _, ...others } = before;
  return changeAccount(others, { ...(quality !== undefined && { quality }), baselineModel });
}

function foldAccountContentChanged(
  view: DirectoryView,
  record: DirectoryRecord,
  { accountId, contentDays, contentSpans }: AccountContentChanged,
): Folded {
  const before = isUuid(accountId) ? view.account(accountId) : undefined;
  if (before === undefined) return noSuchAccount();
  if (record.expectedVersion !== before.version) return versionLost();
  if (contentDays > contentDaysMax) {
    const message = `Prompts and answers are kept for ${contentDaysMax} days at most.`;
    return { refusal: invalidRequest(message, "days") };
  }
  return changeAccount(before, { contentDays, contentSpans });
}

function foldBudgetChanged(
  view: DirectoryView,
  record: DirectoryRecord,
  { accountId, budgetId, creditsMicro }: BudgetChanged,
): Folded {
  const account = isUuid(accountId) ? view.account(accountId) : undefined;
  if (account === undefined) return noSuchAccount();
  if (creditsMicro !== undefined && (creditsMicro < 0n || creditsMicro > budgetMicroMax)) {
    return { refusal: invalidRequest("The number of credits is out of range.", "credits") };
  }
  const { keyId, tag } = parseBudgetId(budgetId) ?? {};
  if (keyId !== undefined) {
    const key = view.key(keyId);
    if (key === undefined || key.accountId !== accountId || key.rootKeyId !== "") {
      return { refusal: new OptamilError("not_found", "There is no such key.") };
    }
    if (record.expectedVersion !== key.version) return versionLost();
    const { budgetMicro: _, ...others } = key;
    const budget = creditsMicro === undefined ? {} : { budgetMicro: creditsMicro };
    const after = create(KeyStateSchema, { ...others, ...budget, version: key.version + 1n });
    return { writes: [{ kind: "key", key: after }] };
  }
  if (tag === undefined)
    return { refusal: invalidRequest("There is no such budget.", "budget_id") };
  if (record.expectedVersion !== account.version) return versionLost();
  const { [tag]: _, ...others } = account.tagBudgets;
  const tagBudgets = creditsMicro === undefined ? others : { ...others, [tag]: creditsMicro };
  if (Object.keys(tagBudgets).length > tagBudgetsMax) {
    const message = `An account has at most ${tagBudgetsMax} budgets of tags: delete one.`;
    return { refusal: invalidRequest(message, "budget_id") };
  }
  return changeAccount(account, { tagBudgets });
}

function changeAccount(
  before: Readonly<Omit<AccountState, "quality">>,
  changes: Partial<
    Pick<
      AccountState,
      | "plan"
      | "grants"
      | "tagBudgets"
      | "quality"
      | "baselineModel"
      | "contentDays"
      | "contentSpans"
    >
  >,
): Folded {
  const version = before.version + 1n;
  const account = create(AccountStateSchema, { ...before, ...changes, version });
  return { writes: [{ kind: "account", account }] };
}

function noSuchAccount(): Folded {
  return { refusal: new OptamilError("not_found", "There is no such account.") };
}

function versionLost(): Folded {
  return {
    refusal: new OptamilError("conflict", "It was changed meanwhile. Read it again and retry."),
  };
}
