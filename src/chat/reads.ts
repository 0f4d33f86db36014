// The limit of calls that cost nothing: lists, usage, keys. Their own window, 600 a minute for an account.
import type { Awaitable, Counters } from "../admission/counters.ts";
import type { Caller } from "../keys/verify.ts";
import { OptamilError } from "../platform/errors.ts";
import type { UuidSource } from "../platform/uuid.ts";
import { narrowedBy } from "./key-limits.ts";
import type { Entitlement } from "./meter-parts.ts";
import type { RateView } from "./rate.ts";

const readsPerMinute = 600;
const limits = {
  requestsPerMinute: readsPerMinute,
  requestsPerDay: readsPerMinute * 60 * 24,
  tokensPerMinute: readsPerMinute,
};

/** What free calls are counted in: the counters, under a name that no account has. */
export type ReadParts = {
  readonly counters: Counters;
  readonly uuids: UuidSource;
  readonly entitlementOf: (caller: Caller) => Entitlement;
};

/** Free calls never share a window with chat requests, so neither can starve the other. */
export const readsPrefix = "reads:";

/** Counts a free call. Throws `rate_limit_exceeded`, after it has told the window's state. */
export async function admitRead(
  caller: Caller,
  showRate: (view: RateView) => void,
  { counters, uuids }: ReadParts,
): Promise<void> {
  const eventId = uuids.text();
  const accountId = `${readsPrefix}${caller.accountId}`;
  const admission = await counters.admit({
    eventId,
    accountId,
    keyId: caller.keyId,
    limits,
    tokens: 1,
    totalMicro: 0n,
    overdraftMicro: 0n,
    holdMicro: 0n,
    lowestMicro: 0n,
  });
  showRate({ rate: admission.rate, refusedBy: admission.admitted ? undefined : "requests-minute" });
  if (!admission.admitted) {
    throw new OptamilError(
      "rate_limit_exceeded",
      `Rate limit exceeded: ${readsPerMinute} calls per minute that are no chat requests.`,
      { retryAfterMs: admission.retryAfterMs },
    );
  }
  await counters.release(eventId, { accountId, tokens: 0 });
}

/** Where the caller stands against the limits of chat requests, for answers that were refused before admission. */
export async function currentRate(
  caller: Caller,
  { counters, entitlementOf }: ReadParts,
): Promise<RateView> {
  const { accountId, keyId } = caller;
  const rate: Awaitable<RateView["rate"]> = counters.rate({
    accountId,
    keyId,
    limits: entitlementOf(caller).limits,
    ...narrowedBy(caller.limits),
  });
  return { rate: await rate, refusedBy: undefined };
}
