// UsageService: the credits of the current period, from the counters.
import { create } from "@bufbuild/protobuf";
import type { AccountUsage, Awaitable } from "../../admission/counters.ts";
import {
  type GetUsageResponse,
  GetUsageResponseSchema,
  UsageService,
} from "../../gen/optamil/v1/usage_pb.ts";
import type { Caller } from "../../keys/verify.ts";
import { type MethodEntry, unary } from "../exchange.ts";

/** The methods of UsageService; `usageOf` reads the counters of a caller's account. */
export function usageMethods(
  usageOf: (caller: Caller) => Awaitable<AccountUsage>,
): readonly MethodEntry[] {
  return [
    unary(UsageService.method.getUsage, async (_request, { caller }) =>
      toMessage(await usageOf(caller)),
    ),
  ];
}

function toMessage(usage: AccountUsage): GetUsageResponse {
  const { free, budget, mid, premium, ultra } = usage.usedByTierMicro;
  return create(GetUsageResponseSchema, {
    creditsUsedMicro: usage.usedMicro,
    creditsRemainingMicro: usage.remainingMicro,
    creditsTotalMicro: usage.totalMicro,
    billingPeriodStart: toSecond(usage.periodStartMs),
    billingPeriodEnd: toSecond(usage.periodEndMs - 1_000),
    tierBreakdown: {
      freeMicro: free,
      budgetMicro: budget,
      midMicro: mid,
      premiumMicro: premium,
      ultraMicro: ultra,
    },
  });
}

function toSecond(wallMs: number): string {
  return `${new Date(wallMs).toISOString().slice(0, 19)}Z`;
}
