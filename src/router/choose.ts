// Decides which model answers a request for `auto`, and says why.
import type { Model } from "../catalogue/models.ts";
import { type TierName, tierNames } from "../catalogue/tiers.ts";
import { OptamilError } from "../platform/errors.ts";
import type { Features } from "./features.ts";
import { lengthThresholds } from "./length-data.ts";

/** A decision and its reasons. */
export type Decision = {
  /** The model to ask, then those to fall back to, best first; at least one. */
  readonly models: readonly [Model, ...Model[]];
  readonly explanation: Explanation;
};

/** Why a model was chosen. */
export type Explanation = {
  /** What scored the request: "length" is the baseline that only looks at the conversation's length. */
  readonly scorer: "length";
  /** Length of the conversation, characters. */
  readonly promptChars: number;
  /** Tier that the score asks for. */
  readonly tierWanted: TierName;
  /** Tier of the chosen model; another one if no model of the wanted tier can serve. */
  readonly tier: TierName;
  /** Characters until the next stronger tier; undefined in the strongest. */
  readonly marginChars: number | undefined;
  /** The next model in line. */
  readonly runnerUp: string | undefined;
  /** Models that can serve the request, of those that were asked about. */
  readonly feasibleCount: number;
};

/**
 * Picks a model among those that are live and allowed.
 *
 * Hard constraints come first: context, tools, vision and JSON. A model that cannot serve is never picked.
 * Then the cheapest model of the wanted tier wins, stronger tiers before weaker ones.
 * Throws `context_length_exceeded` if the conversation fits no model, `invalid_request` if no model can do
 * what it needs. At least one model must be given.
 */
export function choose(features: Features, models: readonly Model[]): Decision {
  const feasible = models.filter((model) => canServe(model, features));
  if (feasible.length === 0) throw refuse(features, models);
  const wanted = tierByLength(features.promptChars);
  const ranked = feasible.toSorted((a, b) => compare(a, b, tierNames.indexOf(wanted.tier)));
  const [chosen, ...others] = ranked;
  if (chosen === undefined) throw refuse(features, models);
  return {
    models: [chosen, ...others],
    explanation: {
      scorer: "length",
      promptChars: features.promptChars,
      tierWanted: wanted.tier,
      tier: chosen.tier,
      marginChars: Number.isFinite(wanted.charsMax)
        ? wanted.charsMax - features.promptChars
        : undefined,
      runnerUp: others[0]?.name,
      feasibleCount: feasible.length,
    },
  };
}

/** The explanation in one line of ASCII for a header, at most 1 kB. */
export function toExplanationText(explanation: Explanation): string {
  const { scorer, promptChars, tierWanted, tier, marginChars, runnerUp, feasibleCount } =
    explanation;
  const parts = [
    `scorer=${scorer}`,
    `chars=${promptChars}`,
    `wanted=${tierWanted}`,
    `tier=${tier}`,
  ];
  if (marginChars !== undefined) parts.push(`margin=${marginChars}`);
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

function tierByLength(promptChars: number): { tier: TierName; charsMax: number } {
  const row = lengthThresholds.find(({ charsMax }) => promptChars <= charsMax);
  return row ?? { tier: "ultra", charsMax: Number.POSITIVE_INFINITY };
}

/** Wanted tier first, then stronger ones upwards, then weaker ones downwards; in a tier the cheaper, then by name. */
function compare(a: Model, b: Model, wanted: number): number {
  return (
    distance(a, wanted) - distance(b, wanted) ||
    blendedCost(a) - blendedCost(b) ||
    (a.name < b.name ? -1 : 1)
  );
}

function distance(model: Model, wanted: number): number {
  const rank = tierNames.indexOf(model.tier);
  return rank >= wanted ? rank - wanted : tierNames.length + (wanted - rank);
}

function blendedCost(model: Model): number {
  return 3 * model.cost.inputNanoUsdPerToken + model.cost.outputNanoUsdPerToken;
}
