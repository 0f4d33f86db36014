/** Shapes of requests for the admission's tests. */
import type {
  AdmitRequest,
  Awaitable,
  LoadedBase,
  MicroByTier,
} from "../../src/admission/counters.ts";

/** One credit. */
export const credit = 1_000_000n;

/** Limits that no test reaches by accident. */
export const wideLimits = {
  requestsPerMinute: 1_000_000,
  requestsPerDay: 100_000_000,
  tokensPerMinute: 1_000_000_000,
};

/** A request at one credit on a rich account; what a test is about overrides it. */
export function request(overrides: Partial<AdmitRequest> & { eventId: string }): AdmitRequest {
  const holdMicro = overrides.holdMicro ?? credit;
  return {
    accountId: "account",
    keyId: "key",
    limits: wideLimits,
    tokens: 100,
    totalMicro: 1_000n * credit,
    overdraftMicro: 0n,
    holdMicro,
    lowestMicro: holdMicro,
    ...overrides,
  };
}

/** Amounts by tier, 0 where nothing is given. */
export function byTier(amounts: Partial<MicroByTier> = {}): MicroByTier {
  return { free: 0n, budget: 0n, mid: 0n, premium: 0n, ultra: 0n, ...amounts };
}

/** An account of which nothing was recorded. */
export const emptyBase: LoadedBase = {
  baseByTierMicro: byTier(),
  version: { epoch: 0, offset: -1 },
  pending: [],
};

/** What counters in memory answer when the account's base is at hand. */
export function atOnce<Value>(answer: Awaitable<Value>): Value {
  if (answer instanceof Promise) throw new Error("the base was not at hand");
  return answer;
}
