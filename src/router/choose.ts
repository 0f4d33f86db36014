// Decides which model answers a request for `auto`, and says why.
import type { Model } from "../catalogue/models.ts";
import { type TierName, tierNames, tiers } from "../catalogue/tiers.ts";
import { OptamilError } from "../platform/errors.ts";
import type { Features } from "./features.ts";
import type { Network } from "./network.ts";

/** A decision and its reasons. */
export type Decision = {
  /** The model to ask, then those to fall back to, best first; at least one. */
  readonly models: readonly [Model, ...Model[]];
  readonly explanation: Explanation;
};

/** Why a model was chosen. */
export type Explanation = {
  /** What scored the request. */
  readonly scorer: "neural";
  /** Chance of a good answer by tier, free to ultra. */
  readonly chances: readonly number[];
  /** What was asked for, 0 to 1, and the price of cost that it stands for. */
  readonly quality: number;
  readonly lambda: number;
  /** Tier of the chosen model. */
  readonly tier: TierName;
  /** What the chosen tier is better by than the next one: chance less lambda · cost; undefined if there is none. */
  readonly margin: number | undefined;
  /** The next model in line. */
  readonly runnerUp: string | undefined;
  /** Models that can serve the request, of those that were asked about. */
  readonly feasibleCount: number;
};

/** How much a good answer is worth: 0 takes the cheapest model, 1 the one that is best by its chance alone. */
const qualityDefault = 0.8;

/** Price of each tier, the strongest tier's being 1. */
const tierCosts = tierNames.map(
  (name) =>
    Number(tiers[name].priceMicroUsdPerMillionTokens) /
    Number(tiers.ultra.priceMicroUsdPerMillionTokens),
);

/**
 * Picks a model among those that are live and allowed.
 *
 * Hard constraints come first: context, tools, vision and JSON. A model that cannot serve is never picked.
 * Then the tier wins whose chance of a good answer, less lambda times its price, is highest; in it the model with
 * the lowest list price. A higher `quality`, 0 to 1, never gives a cheaper tier.
 * Throws `context_length_exceeded` if the conversation fits no model, `invalid_request` if no model can do
 * what it needs. At least one model must be given.
 */
export function choose(
  features: Features,
  models: readonly Model[],
  network: Network,
  quality = qualityDefault,
): Decision {
  const feasible = models.filter((model) => canServe(model, features));
  if (feasible.length === 0) throw refuse(features, models);
  const { chances } = network.assess(features.task);
  const lambda = network.lambdaOf(quality);
  const worth = chances.map((chance, rank) => chance - lambda * (tierCosts[rank] ?? 0));
  const worthOf = ({ tier }: Model) => worth[tierNames.indexOf(tier)] ?? 0;
  const [chosen, ...others] = feasible.toSorted(
    (one, other) =>
      worthOf(other) - worthOf(one) ||
      tierNames.indexOf(one.tier) - tierNames.indexOf(other.tier) ||
      blendedCost(one) - blendedCost(other) ||
      (one.name < other.name ? -1 : 1),
  );
  if (chosen === undefined) throw refuse(features, models);
  const nextTier = others.find(({ tier }) => tier !== chosen.tier);
  return {
    models: [chosen, ...others],
    explanation: {
      scorer: "neural",
      ...{ chances, quality, lambda },
      tier: chosen.tier,
      margin: nextTier && worthOf(chosen) - worthOf(nextTier),
      runnerUp: others[0]?.name,
      feasibleCount: feasible.length,
    },
  };
}

/** The explanation in one line of ASCII for a header, at most 1 kB. */
export function toExplanationText(explanation: Explanation): string {
  const { scorer, chances, quality, lambda, tier, margin, runnerUp, feasibleCount } = explanation;
  const parts = [
    `scorer=${scorer}`,
    `p=${chances.map((chance) => chance.toFixed(2)).join(",")}`,
    `quality=${quality}`,
    `lambda=${lambda.toFixed(3)}`,
    `tier=${tier}`,
  ];
  if (margin !== undefined) parts.push(`margin=${margin.toFixed(3)}`);
  if (runnerUp !== undefined) parts.push(`runner-up=${runnerUp}`);
  parts.push(`feasible=${feasibleCount}`);
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

function blendedCost(model: Model): number {
  return 3 * model.cost.inputNanoUsdPerToken + model.cost.outputNanoUsdPerToken;
}
