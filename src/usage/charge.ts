// What a request costs in credits: pure rules over its outcome, its tiers and its tokens.
import { type TierName, tierNames, tiers } from "../catalogue/tiers.ts";
import { Outcome } from "../gen/optamil/v1/event_pb.ts";
import type { TokenCounts } from "./tokens.ts";

/** Prices in micro-credits (1 credit is 1,000,000), by tier. */
export type Schedule = {
  /** Written into each event; raised with every change of a price. */
  readonly version: number;
  /** What the price is for: a chat request, or 1,000,000 tokens of prompt and completion. */
  readonly unit: "request" | "million-tokens";
  readonly priceMicro: Readonly<Record<TierName, bigint>>;
};

/** What decides over a charge. */
export type ChargeCase = {
  readonly outcome: Outcome;
  /** Tier of the model that answered; undefined if none did. */
  readonly servedTier: TierName | undefined;
  /** Tier of the model that the client named; undefined for "auto". */
  readonly requestedTier: TierName | undefined;
  readonly tokens: TokenCounts;
};

/** 1 credit a chat request, whatever the tier: the seed's usage example sums that way. */
export const defaultSchedule: Schedule = {
  version: 1,
  unit: "request",
  priceMicro: {
    free: 1_000_000n,
    budget: 1_000_000n,
    mid: 1_000_000n,
    premium: 1_000_000n,
    ultra: 1_000_000n,
  },
};

/** By token at the seed's tier prices, 1 credit being US$ 1. */
export const tokenSchedule: Schedule = {
  version: 2,
  unit: "million-tokens",
  priceMicro: {
    free: tiers.free.priceMicroUsdPerMillionTokens,
    budget: tiers.budget.priceMicroUsdPerMillionTokens,
    mid: tiers.mid.priceMicroUsdPerMillionTokens,
    premium: tiers.premium.priceMicroUsdPerMillionTokens,
    ultra: tiers.ultra.priceMicroUsdPerMillionTokens,
  },
};

const tokensPerMillion = 1_000_000n;

/**
 * The charge in micro-credits, 0 or more:
 * complete answers, and answers that the client left after content. Never above the price of the
 * model that the client named. An answer without a token is free.
 */
export function charge(chargeCase: ChargeCase, schedule: Schedule): bigint {
  const { outcome, servedTier, requestedTier, tokens } = chargeCase;
  if (servedTier === undefined || !isCharged(outcome, tokens)) return 0n;
  const served = price(servedTier, tokens.prompt + tokens.completion, schedule);
  if (requestedTier === undefined) return served;
  const requested = price(requestedTier, tokens.prompt + tokens.completion, schedule);
  if (requested < served) return requested;
  return served;
}

/**
 * The lowest and the highest price at which one of the tiers can serve a request, micro-credits: what
 * admission holds, and what it counts on at least. Both 0 without a tier.
 *
 * @param tokensMax estimate of prompt and completion at most.
 */
export function priceBounds(
  servingTiers: readonly TierName[],
  tokensMax: number,
  schedule: Schedule,
): { lowestMicro: bigint; highestMicro: bigint } {
  const used = tierNames.filter((tier) => servingTiers.includes(tier));
  const prices = used
    .map((tier) => price(tier, tokensMax, schedule))
    .toSorted((one, other) => Number(one - other));
  return { lowestMicro: prices.at(0) ?? 0n, highestMicro: prices.at(-1) ?? 0n };
}

function isCharged(outcome: Outcome, tokens: TokenCounts): boolean {
  switch (outcome) {
    case Outcome.OK:
    case Outcome.STREAM_OK:
      return tokens.completion > 0;
    case Outcome.CLIENT_CANCEL_PARTIAL:
      return true;
    default:
      return false;
  }
}

/** Rounded up to a whole micro-credit. */
function price(tier: TierName, tokens: number, { unit, priceMicro }: Schedule): bigint {
  if (unit === "request") return priceMicro[tier];
  const exact = priceMicro[tier] * BigInt(Math.ceil(tokens));
  return (exact + tokensPerMillion - 1n) / tokensPerMillion;
}
