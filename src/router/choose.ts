// Decides which model answers a request for `auto`, and says why.
import assert from "node:assert/strict";
import type { Model } from "../catalogue/models.ts";
import { type TierName, tierNames, tiers } from "../catalogue/tiers.ts";
import { OptamilError } from "../platform/errors.ts";
import { type Exploration, explore, whole } from "./explore.ts";
import type { Features } from "./features.ts";
import type { Network } from "./network.ts";
import { defaultQuality, type Preferences } from "./preferences.ts";

/** A decision and its reasons. */
export type Decision = {
  /** The model to ask, then those to fall back to, best first; at least one, at most `rankedMax`. */
  readonly models: readonly [Model, ...Model[]];
  readonly explanation: Explanation;
};

/** Why a model was chosen. */
export type Explanation = {
  /** What scored the request: "neural" are the learned weights. */
  readonly scorer: "neural";
  /** The knob, 0 to 1. */
  readonly quality: number;
  /** What the strongest tier's price for the request weighed against the chance of a good answer. */
  readonly lambda: number;
  /** Need of a strong model: higher is more. */
  readonly need: number;
  /** Chance of a good answer by tier, 0 to 1. */
  readonly p: Readonly<Record<TierName, number>>;
  /** Tier of the chosen model. */
  readonly tier: TierName;
  /** What the request is expected to cost at the chosen model, US$, at the greater of list and tier price. */
  readonly costUsd: number;
  /** How much better the choice is than the runner-up, as a chance; 0 without one, below 0 where it was explored. */
  readonly margin: number;
  /** The next model in line. */
  readonly runnerUp: string | undefined;
  /** The measures of the prompt that moved its need most, with their sign. */
  readonly reasons: string;
  /** Models that can serve the request, of those that were asked about. */
  readonly feasibleCount: number;
  /** Which weights decided, as `Network.id`. */
  readonly weights: string;
  /** Expected length of the answer, tokens. */
  readonly outputTokens: number;
  /** The chosen model, then the others, best first, at most `rankedMax`. */
  readonly ranked: readonly RankedModel[];
  /** How likely the chosen model was to be chosen, in millionths: 1,000,000 but where others are explored. */
  readonly propensityPpm: number;
};

/** A model that could have been chosen. */
export type RankedModel = {
  readonly model: Model;
  /** Chance of a good answer less lambda times the part of the cost, and what being preferred is worth. */
  readonly worth: number;
  /** What the request is expected to cost there, US$, at the greater of list and tier price. */
  readonly costUsd: number;
};

/** US$ per 1,000,000 tokens that count as a cost of 1: the strongest tier's price. */
const costUnitUsdPerMillion = Number(tiers.ultra.priceMicroUsdPerMillionTokens) / 1e6;
/** Models that a decision ranks, at most: more are never tried. */
const rankedMax = 8;
/** What being preferred is worth, as a chance of a good answer. */
const preferredBonus = 0.05;

/**
 * Picks a model among those that are live and allowed.
 *
 * Hard constraints come first: context, tools, vision, JSON, and the caller's bounds. A model that cannot serve is
 * never picked. Then the chance of a good answer less lambda times the expected cost decides; equal ones by
 * cost, then by name. Throws `context_length_exceeded` if the conversation fits no model, `invalid_request` if
 * no model can do what it needs or the bounds leave none. At least one model must be given. With `exploration` a known
 * part of the requests is given to another of the best.
 */
export function choose(
  features: Features,
  models: readonly Model[],
  network: Network,
  preferences: Preferences = { quality: defaultQuality },
  exploration?: Exploration,
): Decision {
  const { need, chances, outputTokens, reasons } = network.assess(features.prompt);
  const lambda = network.lambdaOf(preferences.quality);
  const unitUsd = ((features.promptTokens + outputTokens) * costUnitUsdPerMillion) / 1e6;
  const ranked: RankedModel[] = [];
  let able = 0;
  let feasibleCount = 0;
  for (const model of models) {
    if (!canServe(model, features)) continue;
    able++;
    const costUsd = expectedCostUsd(model, features, outputTokens);
    if (!isWanted(model, costUsd, preferences)) continue;
    feasibleCount++;
    const bonus = preferences.prefer?.includes(model.name) ? preferredBonus : 0;
    const chance = chances[tiers[model.tier].rank] ?? 0;
    insert(ranked, model, chance + bonus - (lambda * costUsd) / unitUsd, costUsd);
  }
  if (ranked.length === 0) throw able > 0 ? refuseBounds() : refuse(features, models);
  const { place, propensityPpm } = explore(ranked.length, exploration);
  if (place > 0) ranked.unshift(...ranked.splice(place, 1));
  const [chosen, next] = ranked;
  assert(chosen !== undefined, "the place is one of the ranked");
  const others = ranked.slice(1).map(({ model }) => model);
  return {
    models: [chosen.model, ...others],
    explanation: {
      scorer: "neural",
      quality: preferences.quality,
      lambda,
      need,
      p: toChances(chances),
      tier: chosen.model.tier,
      costUsd: chosen.costUsd,
      margin: next === undefined ? 0 : chosen.worth - next.worth,
      runnerUp: next?.model.name,
      reasons,
      feasibleCount,
      weights: network.id,
      outputTokens,
      ranked,
      propensityPpm,
    },
  };
}

function toChances(chances: readonly number[]): Record<TierName, number> {
  const [free = 0, budget = 0, mid = 0, premium = 0, ultra = 0] = chances;
  return { free, budget, mid, premium, ultra };
}

/** Keeps the best `rankedMax`, best first. */
function insert(ranked: RankedModel[], model: Model, worth: number, costUsd: number): void {
  const last = ranked.at(-1);
  if (ranked.length === rankedMax && last !== undefined) {
    if (!isBetter(model, worth, costUsd, last)) return;
    ranked.pop();
  }
  const entry = { model, worth, costUsd };
  ranked.push(entry);
  for (let at = ranked.length - 1; at > 0; at--) {
    const before = ranked[at - 1];
    if (before === undefined || !isBetter(model, worth, costUsd, before)) break;
    ranked[at] = before;
    ranked[at - 1] = entry;
  }
}

function isBetter(model: Model, worth: number, costUsd: number, than: RankedModel): boolean {
  if (worth !== than.worth) return worth > than.worth;
  if (costUsd !== than.costUsd) return costUsd < than.costUsd;
  return model.name < than.model.name;
}

/** Tokens at the greater of the model's list price and its tier's: callers may be billed by either. */
function expectedCostUsd(model: Model, features: Features, outputTokens: number): number {
  const output = Math.min(outputTokens, features.maxOutputTokens ?? model.maxOutputTokens);
  const { inputNanoUsdPerToken, outputNanoUsdPerToken } = model.cost;
  const tierNanoUsd = Number(tiers[model.tier].priceMicroUsdPerMillionTokens) / 1_000;
  const input = features.promptTokens * Math.max(inputNanoUsdPerToken, tierNanoUsd);
  return (input + output * Math.max(outputNanoUsdPerToken, tierNanoUsd)) / 1e9;
}

function isWanted(model: Model, costUsd: number, preferences: Preferences): boolean {
  const { maxCostUsd, avoid, tierMin = "free", tierMax = "ultra" } = preferences;
  const { rank } = tiers[model.tier];
  return (
    rank >= tiers[tierMin].rank &&
    rank <= tiers[tierMax].rank &&
    (maxCostUsd === undefined || costUsd <= maxCostUsd) &&
    !avoid?.includes(model.name)
  );
}

function refuseBounds(): OptamilError {
  return new OptamilError(
    "invalid_request",
    "The bounds under 'optamil' (max_cost_usd, avoid, tier_min, tier_max) leave no model that can serve this request.",
    { param: "optamil" },
  );
}

/** The explanation in one line of ASCII for a header, at most 1 kB. */
export function toExplanationText(explanation: Explanation): string {
  const { p, runnerUp } = explanation;
  const parts = [
    `scorer=${explanation.scorer}`,
    `quality=${explanation.quality.toFixed(2)}`,
    `lambda=${explanation.lambda.toPrecision(3)}`,
    `need=${explanation.need.toFixed(3)}`,
    `p=${tierNames.map((tier) => p[tier].toFixed(2)).join(",")}`,
    `tier=${explanation.tier}`,
    `cost=${explanation.costUsd.toPrecision(3)}`,
    `margin=${explanation.margin.toPrecision(2)}`,
  ];
  if (runnerUp !== undefined) parts.push(`runner-up=${runnerUp}`);
  if (explanation.propensityPpm < whole) {
    parts.push(`propensity=${explanation.propensityPpm / whole}`);
  }
  parts.push(`because=${explanation.reasons}`, `feasible=${explanation.feasibleCount}`);
  return parts
    .join("; ")
    .replace(/[^\x20-\x7e]/g, "?")
    .slice(0, 1024);
}

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

function fitsContext(model: Model, features: Features): boolean {
  const output = features.maxOutputTokens ?? 1;
  return (
    features.promptTokens + output <= model.contextTokens &&
    (features.maxOutputTokens === undefined || features.maxOutputTokens <= model.maxOutputTokens)
  );
}

function refuse(features: Features, models: readonly Model[]): OptamilError {
  const needed = features.promptTokens + (features.maxOutputTokens ?? 1);
  if (models.some((model) => fitsContext(model, features))) {
    const needs = [
      features.tools && "tools",
      features.vision && "images",
      features.jsonMode && "response_format json_object",
      features.jsonSchema && "response_format json_schema",
    ].filter((need) => need !== false);
    return new OptamilError(
      "invalid_request",
      `No model that is available for 'auto' can serve this request: it needs ${needs.join(", ")}.`,
      { param: "model" },
    );
  }
  const contextMax = Math.max(...models.map((model) => model.contextTokens));
  const outputMax = Math.max(...models.map((model) => model.maxOutputTokens));
  return new OptamilError(
    "context_length_exceeded",
    `The request needs about ${needed} tokens (${features.promptTokens} for the messages, ` +
      `${features.maxOutputTokens ?? 1} for the answer); the largest context is ${contextMax} tokens ` +
      `and the longest answer ${outputMax}. Shorten the messages or lower max_tokens.`,
    { param: "messages" },
  );
}
