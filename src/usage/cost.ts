// What a request costs at the providers' list prices, in 10^-9 US$.
import type { CatalogueModel, Model } from "../catalogue/models.ts";
import { tiers } from "../catalogue/tiers.ts";
import type { TokenCounts } from "./tokens.ts";

/** List cost of these tokens at a model. Cached tokens cost as much as others where no price is listed. */
export function costNanoUsd({ cost }: Pick<CatalogueModel, "cost">, tokens: TokenCounts): bigint {
  const cachedPrice = cost.cachedInputNanoUsdPerToken ?? cost.inputNanoUsdPerToken;
  return (
    BigInt(tokens.prompt - tokens.cached) * BigInt(cost.inputNanoUsdPerToken) +
    BigInt(tokens.cached) * BigInt(cachedPrice) +
    BigInt(tokens.completion) * BigInt(cost.outputNanoUsdPerToken)
  );
}

/**
 * The strongest of the models, against which savings are counted: of the highest tier the dearest
 * (3 input : 1 output), the first of equals. Undefined without a model.
 *
 * Give it the models that are live, so that nobody is shown savings over what he could not have called.
 */
export function findBaseline(models: readonly Model[]): Model | undefined {
  return models.reduce<Model | undefined>(
    (best, model) => (best === undefined || isStronger(model, best) ? model : best),
    undefined,
  );
}

function isStronger(model: Model, other: Model): boolean {
  const [rank, otherRank] = [tiers[model.tier].rank, tiers[other.tier].rank];
  return rank === otherRank ? fourBlends(model) > fourBlends(other) : rank > otherRank;
}

function fourBlends({ cost }: Model): number {
  return 3 * cost.inputNanoUsdPerToken + cost.outputNanoUsdPerToken;
}
