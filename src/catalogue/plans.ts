/** The plans an account can be on: what each grants in a month and how fast it may be used. */

import assert from "node:assert/strict";

/** One plan. Credits are in micro-credits: 1 credit is 1,000,000 of them. */
export interface Plan {
  /** Lower-case id, as accounts and the configuration name it. */
  readonly name: string;
  /** Granted at the start of each billing month; absent where a contract sets it. */
  readonly creditsPerMonthMicro?: bigint;
  readonly requestsPerMinute: number;
  /** Counted over the UTC day. */
  readonly requestsPerDay: number;
  /** Input and output tokens together. */
  readonly tokensPerMinute: number;
}

/** All plans one process knows. It never changes once it is made. */
export interface Plans {
  /** In the order of the built-in rows, then of the overrides that added one. */
  readonly all: readonly Plan[];
  /** The plan with exactly this name, undefined if there is none. */
  byName(name: string): Plan | undefined;
}

/**
 * What the configuration says of one plan. For the name of a plan that exists, the fields given replace
 * its own. A new name needs the three limits; without `creditsPerMonthMicro` its credits come by grants.
 */
export interface PlanOverride extends Partial<Plan> {
  readonly name: string;
}

/** The plan of an account that has signed up, and of one whose plan nobody knows. */
export const freePlanName = "free";

/** The built-in plans, smallest first: the limits are the public API's table "Rate Limits". */
const builtInPlans: readonly Plan[] = [
  {
    name: "free",
    creditsPerMonthMicro: 500_000_000n,
    requestsPerMinute: 10,
    requestsPerDay: 200,
    tokensPerMinute: 40_000,
  },
  {
    name: "starter",
    creditsPerMonthMicro: 10_000_000_000n,
    requestsPerMinute: 60,
    requestsPerDay: 5_000,
    tokensPerMinute: 200_000,
  },
  {
    name: "pro",
    creditsPerMonthMicro: 100_000_000_000n,
    requestsPerMinute: 300,
    requestsPerDay: 50_000,
    tokensPerMinute: 1_000_000,
  },
  {
    name: "business",
    creditsPerMonthMicro: 1_000_000_000_000n,
    requestsPerMinute: 1_000,
    requestsPerDay: 200_000,
    tokensPerMinute: 5_000_000,
  },
  {
    // The contract sets the grant, and the limits too: until it does, they are those of Business.
    name: "enterprise",
    requestsPerMinute: 1_000,
    requestsPerDay: 200_000,
    tokensPerMinute: 5_000_000,
  },
];

/**
 * The built-in plans with `overrides` laid over them in order, by name (default: none). Fails on a new
 * plan without its limits.
 */
export function createPlans(overrides: readonly PlanOverride[] = []): Plans {
  const plans = new Map(builtInPlans.map((plan) => [plan.name, plan]));
  for (const override of overrides) {
    plans.set(override.name, toPlan(override, plans.get(override.name)));
  }
  const all = Object.freeze([...plans.values()]);
  return Object.freeze({ all, byName: (name: string) => plans.get(name) });
}

function toPlan(override: PlanOverride, existing: Plan | undefined): Plan {
  const { requestsPerMinute, requestsPerDay, tokensPerMinute, ...others } = {
    ...existing,
    ...override,
  };
  const hasLimits =
    requestsPerMinute !== undefined &&
    requestsPerDay !== undefined &&
    tokensPerMinute !== undefined;
  assert(hasLimits, `plan ${override.name} is new and needs its limits`);
  return Object.freeze({ ...others, requestsPerMinute, requestsPerDay, tokensPerMinute });
}
