// BudgetService: the budgets of the caller's account, and what the counters know of them.
import { create } from "@bufbuild/protobuf";
import type { Counters } from "../../admission/counters.ts";
import { thresholdReached } from "../../chat/thresholds.ts";
import type { Budget, BudgetManager } from "../../directory/budgets.ts";
import {
  type Budget as BudgetMessage,
  BudgetSchema,
  BudgetService,
  DeleteBudgetResponseSchema,
  ListBudgetsResponseSchema,
  SetBudgetResponseSchema,
} from "../../gen/optamil/v1/budgets_pb.ts";
import type { Caller } from "../../keys/verify.ts";
import { OptamilError } from "../../platform/errors.ts";
import { type MethodEntry, unary } from "../exchange.ts";

/** Budgets of any account, as they are shown and changed. `actor` is a key id. */
export interface BudgetDesk {
  /** A page, 100 at most and by default. */
  list(
    accountId: string,
    page: { readonly limit?: number | undefined; readonly after: string },
  ): Promise<{ object: string; data: BudgetMessage[]; hasMore: boolean }>;
  /** Throws `not_found`, `invalid_request`, `conflict`. */
  set(asked: SetBudget, actor: string): Promise<{ budget: BudgetMessage }>;
  /** Throws `not_found`, `conflict`. */
  remove(
    asked: Pick<SetBudget, "accountId" | "budgetId">,
    actor: string,
  ): Promise<{ id: string; object: string; deleted: boolean }>;
}

/** A budget to be. */
type SetBudget = {
  readonly accountId: string;
  readonly budgetId: string;
  readonly creditsMicro: bigint;
};

/** What the desk stands on. */
export type BudgetDeskParts = {
  readonly budgets: BudgetManager;
  readonly counters: Pick<Counters, "usage">;
};

const pageMax = 100;

/** A desk over the directory's budgets and the counters. */
export function createBudgetDesk({ budgets, counters }: BudgetDeskParts): BudgetDesk {
  async function show(accountId: string, { id, limitMicro }: Budget) {
    const usage = await counters.usage(accountId, limitMicro, id);
    return create(BudgetSchema, {
      id,
      object: "budget",
      creditsMicro: limitMicro,
      creditsUsedMicro: usage.usedMicro,
      creditsRemainingMicro: usage.remainingMicro,
      thresholdReached: thresholdReached(limitMicro, usage.usedMicro),
      periodId: usage.periodId,
    });
  }
  return {
    async list(accountId, { limit = pageMax, after }) {
      const page = budgets.list(accountId, { limit, after });
      const data = await Promise.all(page.budgets.map((budget) => show(accountId, budget)));
      return { object: "list", data, hasMore: page.hasMore };
    },
    async set({ accountId, budgetId, creditsMicro }, actor) {
      const id = await budgets.set(accountId, budgetId, creditsMicro, actor);
      return { budget: await show(accountId, { id, limitMicro: creditsMicro }) };
    },
    async remove({ accountId, budgetId }, actor) {
      const id = await budgets.set(accountId, budgetId, undefined, actor);
      return { id, object: "budget", deleted: true };
    },
  };
}

/**
 * The methods of BudgetService. `isLimited`: whether a key has limits or a budget of its own, which it could escape by
 * changing budgets.
 */
export function budgetMethods(
  desk: BudgetDesk,
  isLimited: (caller: Caller) => boolean,
): MethodEntry[] {
  const { method } = BudgetService;
  const checkFree = (caller: Caller) => {
    if (!isLimited(caller)) return;
    const message = "A key with limits or a budget of its own changes no budgets: use one without.";
    throw new OptamilError("permission_denied", message, { param: "budget_id" });
  };
  return [
    unary(method.listBudgets, async (page, { caller }) =>
      create(ListBudgetsResponseSchema, await desk.list(caller.accountId, page)),
    ),
    unary(method.setBudget, async (asked, { caller: { accountId, keyId }, caller }) => {
      checkFree(caller);
      return create(SetBudgetResponseSchema, await desk.set({ ...asked, accountId }, keyId));
    }),
    unary(method.deleteBudget, async (asked, { caller: { accountId, keyId }, caller }) => {
      checkFree(caller);
      return create(DeleteBudgetResponseSchema, await desk.remove({ ...asked, accountId }, keyId));
    }),
  ];
}
