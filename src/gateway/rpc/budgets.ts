// BudgetService: the budgets of the caller's account, and what the counters know of them.
import { create } from "@bufbuild/protobuf";
import type { Counters } from "../../admission/counters.ts";
import { thresholdReached } from "../../chat/thresholds.ts";
import type { Budget, BudgetManager } from "../../directory/budgets.ts";
import {
  BudgetSchema,
  BudgetService,
  DeleteBudgetResponseSchema,
  ListBudgetsResponseSchema,
  SetBudgetResponseSchema,
} from "../../gen/optamil/v1/budgets_pb.ts";
import type { Caller } from "../../keys/verify.ts";
import { OptamilError } from "../../platform/errors.ts";
import { type MethodEntry, unary } from "../exchange.ts";

/** What the service stands on. */
export type BudgetParts = {
  readonly budgets: BudgetManager;
  readonly counters: Pick<Counters, "usage">;
  /** Whether a key has limits or a budget of its own, which it could escape by changing budgets. */
  readonly isLimited: (caller: Caller) => boolean;
};

const pageMax = 100;

/** The methods of BudgetService. */
export function budgetMethods({ budgets, counters, isLimited }: BudgetParts): MethodEntry[] {
  const { method } = BudgetService;
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
  const checkFree = (caller: Caller) => {
    if (!isLimited(caller)) return;
    const message = "A key with limits or a budget of its own changes no budgets: use one without.";
    throw new OptamilError("permission_denied", message, { param: "budget_id" });
  };
  return [
    unary(method.listBudgets, async ({ limit = pageMax, after }, { caller: { accountId } }) => {
      const page = budgets.list(accountId, { limit, after });
      const data = await Promise.all(page.budgets.map((budget) => show(accountId, budget)));
      return create(ListBudgetsResponseSchema, { object: "list", data, hasMore: page.hasMore });
    }),
    unary(method.setBudget, async ({ budgetId, creditsMicro }, { caller }) => {
      checkFree(caller);
      const { accountId, keyId } = caller;
      const id = await budgets.set(accountId, budgetId, creditsMicro, keyId);
      const budget = await show(accountId, { id, limitMicro: creditsMicro });
      return create(SetBudgetResponseSchema, { budget });
    }),
    unary(method.deleteBudget, async ({ budgetId }, { caller }) => {
      checkFree(caller);
      const id = await budgets.set(caller.accountId, budgetId, undefined, caller.keyId);
      return create(DeleteBudgetResponseSchema, { id, object: "budget", deleted: true });
    }),
  ];
}
