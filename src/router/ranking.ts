// Which models can serve a request, and how good each would be for what it costs: the best few, in order.
import type { Model } from "../catalogue/models.ts";
import { tierNames, tiers } from "../catalogue/tiers.ts";
import type { Features } from "./features.ts";
import type { Network } from "./network.ts";
import type { Preferences } from "./preferences.ts";

/** Models that a decision ranks, at most: more are never tried. */
const rankedMax = 8;

/** US$ per 1,000,000 tokens that count as a cost of 1: the strongest tier's price. */
const costUnitUsdPerMillion = Number(tiers.ultra.priceMicroUsdPerMillionTokens) / 1e6;
/** What being preferred is worth, as a chance of a good answer. */
const preferredBonus = 0.05;

/** By rank of the tier, billionths of a US$ a token. */
const tierNanoUsd = Float64Array.from(
  tierNames,
  (tier) => Number(tiers[tier].priceMicroUsdPerMillionTokens) / 1_000,
);

/** The ranking of one request; the next one overwrites it. One thread uses it at a time, and it allocates nothing. */
export class Ranking {
  /** The ranked, best first; only the first `count` count. */
  readonly models: Model[] = [];
  /** Chance of a good answer less lambda times the part of the cost, and what being preferred is worth. */
  readonly worths = new Float64Array(rankedMax);
  /** What the request is expected to cost there, US$, at the greater of list and tier price. */
  readonly costsUsd = new Float64Array(rankedMax);
  count = 0;
  /** Models that can do what the request needs. */
  ableCount = 0;
  /** Of these, the ones that the caller's bounds leave. */
  feasibleCount = 0;
  readonly #lambda = new Float64Array(1);

  /** What the strongest tier's price for the request weighed against the chance of a good answer. */
  get lambda(): number {
    return this.#lambda[0] ?? 0;
  }

  /** Has the network read the prompt, and ranks the models. Equal ones stand by cost, then by name. */
  rank(
    features: Features,
    models: readonly Model[],
    network: Network,
    preferences: Preferences,
  ): void {
    network.read(features.prompt);
    this.#lambda[0] = network.lambdaOf(preferences.quality);
    this.count = 0;
    this.ableCount = 0;
    this.feasibleCount = 0;
    const { outputTokens, chances } = network;
    const { prefer } = preferences;
    const { lambda } = this;
    const unitUsd = ((features.promptTokens + outputTokens) * costUnitUsdPerMillion) / 1e6;
    for (let at = 0; at < models.length; at += 1) {
      const model = models[at];
      if (model === undefined || !canServe(model, features)) continue;
      this.ableCount += 1;
      const { rank } = tiers[model.tier];
      const costUsd = expectedCostUsd(model, rank, features, outputTokens);
      if (!isWanted(model, rank, costUsd, preferences)) continue;
      this.feasibleCount += 1;
      const bonus = prefer?.includes(model.name) ? preferredBonus : 0;
      this.#insert(model, (chances[rank] ?? 0) + bonus - (lambda * costUsd) / unitUsd, costUsd);
    }
  }

  /** Keeps the best, best first. */
  #insert(model: Model, worth: number, costUsd: number): void {
    const isFull = this.count === rankedMax;
    if (isFull && !this.#isBetter(model, worth, costUsd, rankedMax - 1)) return;
    if (!isFull) this.count += 1;
    const { models, worths, costsUsd } = this;
    let place = this.count - 1;
    for (; place > 0 && this.#isBetter(model, worth, costUsd, place - 1); place -= 1) {
      models[place] = models[place - 1] ?? model;
      worths[place] = worths[place - 1] ?? 0;
      costsUsd[place] = costsUsd[place - 1] ?? 0;
    }
    models[place] = model;
    worths[place] = worth;
    costsUsd[place] = costUsd;
  }

  #isBetter(model: Model, worth: number, costUsd: number, place: number): boolean {
    const thanWorth = this.worths[place] ?? 0;
    const thanCostUsd = this.costsUsd[place] ?? 0;
    if (worth !== thanWorth) return worth > thanWorth;
    if (costUsd !== thanCostUsd) return costUsd < thanCostUsd;
    return model.name < (this.models[place]?.name ?? "");
  }
}

/** Whether a model can do what a request needs. */
function canServe(model: Model, features: Features): boolean {
  const { capabilities } = model;
  return (
    fitsContext(model, features) &&
    (!features.tools || capabilities.tools) &&
    (!features.vision || capabilities.vision) &&
    (!features.jsonMode || capabilities.jsonMode) &&
    (!features.jsonSchema || capabilities.jsonSchema)
  );
}

/** Whether a conversation and its answer are small enough for a model. */
export function fitsContext(model: Model, features: Features): boolean {
  const output = features.maxOutputTokens ?? 1;
  return (
    features.promptTokens + output <= model.contextTokens &&
    (features.maxOutputTokens === undefined || features.maxOutputTokens <= model.maxOutputTokens)
  );
}

/** Tokens at the greater of the model's list price and its tier's: callers may be billed by either. */
function expectedCostUsd(
  model: Model,
  rank: number,
  features: Features,
  outputTokens: number,
): number {
  const output = Math.min(outputTokens, features.maxOutputTokens ?? model.maxOutputTokens);
  const { inputNanoUsdPerToken, outputNanoUsdPerToken } = model.cost;
  const ofTier = tierNanoUsd[rank] ?? 0;
  const input = features.promptTokens * Math.max(inputNanoUsdPerToken, ofTier);
  return (input + output * Math.max(outputNanoUsdPerToken, ofTier)) / 1e9;
}

function isWanted(model: Model, rank: number, costUsd: number, preferences: Preferences): boolean {
  const { maxCostUsd, avoid, tierMin = "free", tierMax = "ultra" } = preferences;
  return (
    rank >= tiers[tierMin].rank &&
    rank <= tiers[tierMax].rank &&
    (maxCostUsd === undefined || costUsd <= maxCostUsd) &&
    !avoid?.includes(model.name)
  );
}
