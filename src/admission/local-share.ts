// What one gateway may admit by itself while the shared counters cannot be trusted.
import type { AdmitRequest, Limits } from "./counters.ts";

/**
 * The request as the gateway's own counters are to decide it. Limits are divided by the gateways, 1 or more
 * each; what may be spent is the gateway's part of the overdraft, for the whole period. So all gateways
 * together stay within the overdraft, and within each limit + the number of gateways. Nobody knows what was used of
 * budgets: the overdraft bounds by how much they can be passed too.
 */
export function toLocalRequest(request: AdmitRequest, replicas: number): AdmitRequest {
  const { limits, keyLimits, keyRunningMax, parts, overdraftMicro } = request;
  return {
    ...request,
    limits: {
      requestsPerMinute: shareOf(limits.requestsPerMinute, replicas),
      requestsPerDay: shareOf(limits.requestsPerDay, replicas),
      tokensPerMinute: shareOf(limits.tokensPerMinute, replicas),
    },
    keyLimits: keyLimits && toKeyShare(keyLimits, replicas),
    keyRunningMax: keyRunningMax && shareOf(keyRunningMax, replicas),
    parts: parts?.map(({ id, limits: one }) => ({ id, limits: toKeyShare(one, replicas) })),
    budgets: undefined,
    totalMicro: overdraftMicro / BigInt(replicas),
    overdraftMicro: 0n,
  };
}

/** Whether nothing is to be admitted: what costs something, on an account that may not be overdrawn. */
export function needsSharedCredits({ overdraftMicro, holdMicro }: AdmitRequest): boolean {
  return overdraftMicro === 0n && holdMicro > 0n;
}

function toKeyShare(limits: Partial<Limits>, replicas: number): Partial<Limits> {
  const { requestsPerMinute, requestsPerDay, tokensPerMinute } = limits;
  return {
    ...(requestsPerMinute && { requestsPerMinute: shareOf(requestsPerMinute, replicas) }),
    ...(requestsPerDay && { requestsPerDay: shareOf(requestsPerDay, replicas) }),
    ...(tokensPerMinute && { tokensPerMinute: shareOf(tokensPerMinute, replicas) }),
  };
}

function shareOf(limit: number, replicas: number): number {
  return Math.max(1, Math.floor(limit / replicas));
}
