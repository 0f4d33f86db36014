// What an account may use: its plan's limits, and the credits of its plan and grants.
import assert from "node:assert/strict";
import { freePlanName, type Plan, type Plans } from "../catalogue/plans.ts";
import type { AccountState } from "../gen/optamil/v1/directory_pb.ts";

/** What an account may use in a billing period. */
export type Entitlement = {
  /** The plan itself: its requests a minute, requests a day and tokens a minute. */
  readonly limits: Plan;
  /** Micro-credits of the plan and of the period's grants. */
  readonly totalMicro: bigint;
  /** How far charges above their holds may carry the account past its total, micro-credits. */
  readonly overdraftMicro: bigint;
};

/** The part of an account that decides. */
export type EntitledAccount = Readonly<Pick<AccountState, "plan" | "grants">>;

/** 10 credits. */
const overdraftMicroMax = 10_000_000n;
const overdraftPerCent = 1n;

/**
 * What an account may use in a period such as "2026-04".
 *
 * A paid plan's overdraft is 1 % of its credits, at most 10 credits; Free has none. Where a contract sets
 * the credits (Enterprise), they are the grants: none without one.
 *
 * @param account undefined where it cannot be read; it then has no grants.
 * @param signedPlan plan that the caller's token was signed for: counts where the account's is not known.
 * Default: none. If that is not known either, the plan is Free.
 */
export function entitlementOf(
  account: EntitledAccount | undefined,
  plans: Plans,
  periodId: string,
  signedPlan = "",
): Entitlement {
  const limits = planOf(account, plans, signedPlan);
  const grantedMicro = grantedIn(account, periodId);
  const { creditsPerMonthMicro } = limits;
  return {
    limits,
    totalMicro: (creditsPerMonthMicro ?? 0n) + grantedMicro,
    overdraftMicro: overdraftOf(limits, creditsPerMonthMicro ?? grantedMicro),
  };
}

/** Sum of an account's grants for a period, micro-credits. */
export function grantedIn(account: EntitledAccount | undefined, periodId: string): bigint {
  return account?.grants.find((sum) => sum.periodId === periodId)?.creditsMicro ?? 0n;
}

function planOf(account: EntitledAccount | undefined, plans: Plans, signedPlan: string): Plan {
  const plan =
    plans.byName(account?.plan ?? "") ?? plans.byName(signedPlan) ?? plans.byName(freePlanName);
  assert(plan !== undefined, "the catalogue has no plan Free");
  return plan;
}

function overdraftOf({ name }: Plan, planMicro: bigint): bigint {
  if (name === freePlanName) return 0n;
  const share = (planMicro * overdraftPerCent) / 100n;
  return share < overdraftMicroMax ? share : overdraftMicroMax;
}
