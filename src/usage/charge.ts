// What a request costs in credits: pure rules over its outcome, its tiers and its tokens.
import { type TierName, tierNames, tiers } from "../catalogue/tiers.ts";
import { Outcome } from "../gen/optamil/v1/event_pb.ts";
import type { OperationName } from "./operation.ts";
import type { TokenCounts } from "./tokens.ts";

/** Prices in micro-credits (1 credit is 1,000,000), by tier. */
export type Schedule = {
  /** Written into each event; raised with every change of a price. */
  readonly version: number;
  /** What the price is for: a request, or 1,000,000 tokens of prompt and completion. */
  readonly unit: "request" | "million-tokens";
  readonly priceMicro: Readonly<Record<TierName, bigint>>;
  /** The same for a request of embeddings. */
  readonly embeddingsPriceMicro: Readonly<Record<TierName, bigint>>;
};

/** What decides over a charge. */
export type ChargeCase = {
  readonly outcome: Outcome;
  /** Tier of the model that answered; undefined if none did. */
  readonly servedTier: TierName | undefined;
  /** Tier of the model that the client named; undefined for "auto". */
  readonly requestedTier: TierName | undefined;
  readonly tokens: TokenCounts;
  /** Default: a chat. */
  readonly operation?: OperationName | undefined;
};

const oneCredit: Readonly<Record<TierName, bigint>> = {
  free: 1_000_000n,
  budget: 1_000_000n,
  mid: 1_000_000n,
  premium: 1_000_000n,
  ultra: 1_000_000n,
};

/** 1 credit a request, whatever the tier: the seed's usage example sums that way. */
export const defaultSchedule: Schedule = {
  version: 1,
  unit: "request",
  priceMicro: oneCredit,
  embeddingsPriceMicro: oneCredit,
};

const tierPrices: Readonly<Record<TierName, bigint>> = {
  free: tiers.free.priceMicroUsdPerMillionTokens,
  budget: tiers.budget.priceMicroUsdPerMillionTokens,
  mid: tiers.mid.priceMicroUsdPerMillionTokens,
  premium: tiers.premium.priceMicroUsdPerMillionTokens,
  ultra: tiers.ultra.priceMicroUsdPerMillionTokens,
};

/** By token at the seed's tier prices, 1 credit being US$ 1. */
export const tokenSchedule: Schedule = {
  version: 2,
  unit: "million-tokens",
  priceMicro: tierPrices,
  embeddingsPriceMicro: tierPrices,
};

const tokensPerMillion = 1_000_000n;

/**
 * The charge in micro-credits, 0 or more:
 * complete answers, and answers that the client left after content. Never above the price of the
 * model that the client named. An answer without a token is free; vectors have none, and are not.
 */
export function charge(chargeCase: ChargeCase, schedule: Schedule): bigint {
  const { outcome, servedTier, requestedTier, tokens, operation = "chat" } = chargeCase;
  const hasContent = operation === "embeddings" || tokens.completion > 0;
  if (servedTier === undefined || !isCharged(outcome, hasContent)) return 0n;
  const used = tokens.prompt + tokens.completion;
  const served = price(servedTier, used, schedule, operation);
  if (requestedTier === undefined) return served;
  const requested = price(requestedTier, used, schedule, operation);
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
  operation: OperationName = "chat",
): { lowestMicro: bigint; highestMicro: bigint } {
  const used = tierNames.filter((tier) => servingTiers.includes(tier));
  const prices = used
    .map((tier) => price(tier, tokensMax, schedule, operation))
    .toSorted((one, other) => Number(one - other));
  return { lowestMicro: prices.at(0) ?? 0n, highestMicro: prices.at(-1) ?? 0n };
}

function isCharged(outcome: Outcome, hasContent: boolean): boolean {
  switch (outcome) {
    case Outcome.OK:
    case Outcome.STREAM_OK:
      return hasContent;
    case Outcome.CLIENT_CANCEL_PARTIAL:
      return true;
    default:
      return false;
  }
}

/** Rounded up to a whole micro-credit. */
function price(
  tier: TierName,
  tokens: number,
  { unit, priceMicro, embeddingsPriceMicro }: Schedule,
  operation: OperationName,
): bigint {
  const tierMicro = (operation === "embeddings" ? embeddingsPriceMicro : priceMicro)[tier];
  if (unit === "request") return tierMicro;
  const exact = tierMicro * BigInt(Math.ceil(tokens));
  return (exact + tokensPerMillion - 1n) / tokensPerMillion;
}
