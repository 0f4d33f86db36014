// How a usage event tells of tiers and of the router's decision: integers, whatever the weights say.
import { type TierName, tierNames } from "../catalogue/tiers.ts";
import {
  RankedModelSchema,
  type RouteDecision,
  RouteDecisionSchema,
  Tier,
} from "../gen/optamil/v1/event_pb.ts";

/** A decision of the router. */
export type DecisionRecord = {
  /** First 12 hexadecimal digits of the SHA-256 of the weights. */
  readonly weights: string;
  readonly quality: number;
  readonly lambda: number;
  readonly need: number;
  /** By tier, 0 to 1. */
  readonly chances: Readonly<Record<TierName, number>>;
  readonly outputTokens: number;
  /** The chosen model, then the others, best first. */
  readonly ranked: readonly {
    readonly model: { readonly name: string; readonly tier: TierName };
    readonly worth: number;
    readonly costUsd: number;
  }[];
  readonly feasibleCount: number;
  readonly propensityPpm: number;
};

/** The tiers of events by name. */
export const tierByName: Readonly<Record<TierName, Tier>> = {
  free: Tier.FREE,
  budget: Tier.BUDGET,
  mid: Tier.MID,
  premium: Tier.PREMIUM,
  ultra: Tier.ULTRA,
};
const tierNameOf: ReadonlyMap<Tier, TierName> = new Map([
  [Tier.FREE, "free"],
  [Tier.BUDGET, "budget"],
  [Tier.MID, "mid"],
  [Tier.PREMIUM, "premium"],
  [Tier.ULTRA, "ultra"],
]);

/** The name of a tier; undefined where none served, or for one that this version does not know. */
export function toTierName(tier: Tier): TierName | undefined {
  return tierNameOf.get(tier);
}

const decisionName = RouteDecisionSchema.typeName;
const rankedName = RankedModelSchema.typeName;

/** The decision as events have it. */
export function toDecision(decision: DecisionRecord): RouteDecision {
  const { weights, quality, lambda, need, chances, ranked, propensityPpm } = decision;
  return {
    $typeName: decisionName,
    weights,
    qualityPpm: toMillionths(quality, 0),
    lambdaPpm: toMillionths(lambda, 0),
    needPpm: toMillionths(need),
    chancesPpm: tierNames.map((tier) => Math.min(whole, toMillionths(chances[tier], 0))),
    outputTokens: Math.max(0, toParts(decision.outputTokens, 1, numberMax)),
    ranked: ranked.map(({ model, worth, costUsd }) => ({
      $typeName: rankedName,
      model: model.name,
      tier: tierByName[model.tier],
      worthPpm: BigInt(toParts(worth, whole, worthPpmMax)),
      costNanousd: BigInt(Math.max(0, toParts(costUsd, 1e9, costNanoUsdMax))),
    })),
    feasible: decision.feasibleCount,
    propensityPpm,
  };
}

/** Millionths of one. */
export const whole = 1e6;
/** The most that a number of a decision can say: of most of them that of an int32. */
const numberMax = 2_147_483_647;
export const worthPpmMax = 1e12;
/** A million US$ for one request. */
export const costNanoUsdMax = 1e15;

function toMillionths(value: number, min = -numberMax): number {
  return Math.max(min, toParts(value, whole, numberMax));
}

/** A whole number within bounds whatever the weights say: a request is not lost to what is learned from it. */
function toParts(value: number, scale: number, max: number): number {
  const parts = Math.round(value * scale);
  return Number.isNaN(parts) ? 0 : Math.max(-max, Math.min(max, parts));
}
