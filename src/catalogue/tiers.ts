/** The five price tiers: what each costs by the list and what it is best for. */

/** The tier names, cheapest first. */
export const tierNames = ["free", "budget", "mid", "premium", "ultra"] as const;

/** The name of one tier. */
export type TierName = (typeof tierNames)[number];

/** One tier of the public API's table. */
export interface Tier {
  readonly name: TierName;
  /** 0 (free) to 4 (ultra), so that two tiers can be compared. */
  readonly rank: number;
  /** The tier's price in micro-US$ per 1,000,000 tokens; schedules that bill by token use it. */
  readonly priceMicroUsdPerMillionTokens: bigint;
  /** Which queries the tier suits, in the public API's words. */
  readonly bestFor: string;
}

/** The tiers by name, as the public API's table "Available Models" gives them. */
export const tiers: Readonly<Record<TierName, Tier>> = {
  free: {
    name: "free",
    rank: 0,
    priceMicroUsdPerMillionTokens: 0n,
    bestFor: "Simple queries, classification, summarization",
  },
  budget: {
    name: "budget",
    rank: 1,
    priceMicroUsdPerMillionTokens: 140_000n,
    bestFor: "Code generation, analysis, reasoning",
  },
  mid: {
    name: "mid",
    rank: 2,
    priceMicroUsdPerMillionTokens: 1_500_000n,
    bestFor: "Complex tasks, nuanced writing",
  },
  premium: {
    name: "premium",
    rank: 3,
    priceMicroUsdPerMillionTokens: 5_000_000n,
    bestFor: "Expert reasoning, creative work",
  },
  ultra: {
    name: "ultra",
    rank: 4,
    priceMicroUsdPerMillionTokens: 15_000_000n,
    bestFor: "Frontier tasks, research, max capability",
  },
};

/**
 * The tier of a model with these list prices. The rule blends three input tokens with one output
 * token: 0 is free, up to US$ 0.50 per 1M tokens budget, up to 3 mid, up to 10 premium, more ultra.
 * Prices are integers, 0 or more; 1 nano-US$ per token is US$ 0.001 per 1M tokens.
 */
export function tierOfBlendedPrice(
  inputNanoUsdPerToken: number,
  outputNanoUsdPerToken: number,
): TierName {
  // Four times the blend, compared with four times each bound, stays in integers.
  const fourBlendsNanoUsd = 3 * inputNanoUsdPerToken + outputNanoUsdPerToken;
  if (fourBlendsNanoUsd === 0) return "free";
  if (fourBlendsNanoUsd <= 4 * 500) return "budget";
  if (fourBlendsNanoUsd <= 4 * 3_000) return "mid";
  if (fourBlendsNanoUsd <= 4 * 10_000) return "premium";
  return "ultra";
}
