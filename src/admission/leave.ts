// How a request leaves the counters once its end is durable.
import type { TierName } from "../catalogue/tiers.ts";
import type { Counters, Release } from "./counters.ts";

/** What a request has come to; without a tier or a charge it was free. */
export type RequestEnd = Release & {
  readonly tier: TierName | undefined;
  readonly creditsMicro: bigint;
};

/** Turns a request's hold into usage, or frees it where there is no charge. */
export function leaveCounters(
  counters: Pick<Counters, "settle" | "release">,
  eventId: string,
  { accountId, tokens, tier, creditsMicro }: RequestEnd,
): ReturnType<Counters["settle"] | Counters["release"]> {
  if (tier === undefined || creditsMicro === 0n) {
    return counters.release(eventId, { accountId, tokens });
  }
  return counters.settle(eventId, { accountId, tokens, tier, creditsMicro });
}
