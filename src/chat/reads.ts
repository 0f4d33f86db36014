// The limits of calls that cost nothing, in windows of their own: 600 reads a minute for an account (lists, usage,
// keys), and 60 feedbacks.
import type { Awaitable, Counters } from "../admission/counters.ts";
import type { Caller } from "../keys/verify.ts";
import { OptamilError } from "../platform/errors.ts";
import type { UuidSource } from "../platform/uuid.ts";
import { narrowedBy } from "./key-limits.ts";
import type { Entitlement } from "./meter-parts.ts";
import type { RateView } from "./rate.ts";

/** A kind of free calls: the name of their window, how many there may be in a minute, and what they are called. */
type FreeKind = { readonly window: string; readonly perMinute: number; readonly words: string };

const reads: FreeKind = {
  window: "",
  perMinute: 600,
  words: "calls per minute that are no chat requests",
};
/** Each is kept for good: an account that sends nothing else adds 350 MB of comments a day to the log at most. */
const feedbacks: FreeKind = {
  window: "feedback:",
  perMinute: 60,
  words: "feedbacks per minute",
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
export function admitRead(
  caller: Caller,
  showRate: (view: RateView) => void,
  parts: ReadParts,
): Promise<void> {
  return admitFree(reads, caller, showRate, parts);
}

/** Counts a feedback, as `admitRead` does a read. */
export function admitFeedback(
  caller: Caller,
  showRate: (view: RateView) => void,
  parts: ReadParts,
): Promise<void> {
  return admitFree(feedbacks, caller, showRate, parts);
}

async function admitFree(
  { window, perMinute, words }: FreeKind,
  caller: Caller,
  showRate: (view: RateView) => void,
  { counters, uuids }: ReadParts,
): Promise<void> {
  const eventId = uuids.text();
  const accountId = `${readsPrefix}${window}${caller.accountId}`;
  const limits = {
    requestsPerMinute: perMinute,
    requestsPerDay: perMinute * 60 * 24,
    tokensPerMinute: perMinute,
  };
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
    throw new OptamilError("rate_limit_exceeded", `Rate limit exceeded: ${perMinute} ${words}.`, {
      retryAfterMs: admission.retryAfterMs,
    });
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
