// Decides which model answers a request for `auto`, and says why.
import assert from "node:assert/strict";
import type { Model } from "../catalogue/models.ts";
import { type TierName, tierNames } from "../catalogue/tiers.ts";
import { OptamilError } from "../platform/errors.ts";
import { type Exploration, explore, whole } from "./explore.ts";
import type { Features } from "./features.ts";
import type { Network } from "./network.ts";
import { defaultQuality, type Preferences } from "./preferences.ts";
import { fitsContext, Ranking } from "./ranking.ts";

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

/** The ranking of the decision that is being made: nothing waits within one. */
const ranking = new Ranking();

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
  ranking.rank(features, models, network, preferences);
  if (ranking.count === 0) {
    throw ranking.ableCount > 0 ? refuseBounds() : refuse(features, models);
  }
  const { place, propensityPpm } = explore(ranking.count, exploration);
  const ranked = toRanked(ranking, place);
  const [chosen, next] = ranked;
  assert(chosen !== undefined, "the place is one of the ranked");
  return {
    models: [chosen.model, ...ranked.slice(1).map(({ model }) => model)],
    explanation: {
      scorer: "neural",
      quality: preferences.quality,
      lambda: ranking.lambda,
      need: network.need,
      p: toChances(network.chances),
      tier: chosen.model.tier,
      costUsd: chosen.costUsd,
      margin: next === undefined ? 0 : chosen.worth - next.worth,
      runnerUp: next?.model.name,
      reasons: network.reasons(),
      feasibleCount: ranking.feasibleCount,
      weights: network.id,
      outputTokens: network.outputTokens,
      ranked,
      propensityPpm,
    },
  };
}

/** The ranked models; the one at `first` before the others, in their order. */
function toRanked({ count, models, worths, costsUsd }: Ranking, first: number): RankedModel[] {
  const ranked: RankedModel[] = [];
  for (let at = 0; at < count; at += 1) {
    const place = at === 0 ? first : at <= first ? at - 1 : at;
    const model = models[place];
    assert(model !== undefined, "what is ranked is there");
    ranked.push({ model, worth: worths[place] ?? 0, costUsd: costsUsd[place] ?? 0 });
  }
  return ranked;
}

function toChances(chances: Float64Array): Record<TierName, number> {
  const [free = 0, budget = 0, mid = 0, premium = 0, ultra = 0] = chances;
  return { free, budget, mid, premium, ultra };
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
