// How much a model is to think, in Gemini's words: by a level from Gemini 3 on, by a budget of tokens before.
// Source: Gemini API reference, "Gemini thinking", v1beta.
import type { JsonObject } from "../dialect.ts";
import { majorVersion } from "./major-version.ts";

/** Tokens for thinking by OpenAI's reasoning effort. */
const budgets: Readonly<Record<string, number>> = {
  ...{ none: 0, minimal: 0, low: 1_024, medium: 8_192, high: 24_576 },
};
/** Gemini 2.5 Pro always thinks, this much at least. */
const proBudgetMin = 128;

/** From Gemini 3 on they always think; the least level stands for none. */
const levels: Readonly<Record<string, string>> = {
  ...{ none: "minimal", minimal: "minimal", low: "low", medium: "medium", high: "high" },
};
/** The Pro models have no `minimal`, and the first of them no `medium`. */
const proLevels: Readonly<Record<string, string>> = { ...levels, none: "low", minimal: "low" };
const firstProLevels: Readonly<Record<string, string>> = { ...proLevels, medium: "high" };

/** The `thinkingConfig` for a request's effort; undefined if it has none, or one that the API does not know. */
export function toThinking(request: JsonObject, upstreamModel: string): JsonObject | undefined {
  const effort = String(request["reasoning_effort"]);
  const isPro = /-pro\b/.test(upstreamModel);
  if (majorVersion(upstreamModel) >= 3) {
    const level = levelsOf(upstreamModel, isPro)[effort];
    return level === undefined ? undefined : { thinkingLevel: level, includeThoughts: true };
  }
  const known = budgets[effort];
  if (known === undefined) return undefined;
  const budget = isPro ? Math.max(proBudgetMin, known) : known;
  return { thinkingBudget: budget, includeThoughts: budget > 0 };
}

function levelsOf(upstreamModel: string, isPro: boolean): Readonly<Record<string, string>> {
  if (!isPro) return levels;
  return /gemini-3-pro/.test(upstreamModel) ? firstProLevels : proLevels;
}
