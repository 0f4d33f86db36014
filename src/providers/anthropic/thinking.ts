// How much a model is to think, in Anthropic's words: by an effort where it decides itself, else by a budget.
// Source: Anthropic API reference, "Adaptive thinking", "Effort" and "Extended thinking".
import type { JsonObject } from "../dialect.ts";

/** Tokens for thinking by OpenAI's reasoning effort; at least 1,024 and less than max_tokens. */
const budgets: Readonly<Record<string, number>> = { low: 1_024, medium: 4_096, high: 16_384 };
const budgetMin = 1_024;

/** The effort for OpenAI's, and the first version that has it; the API's least is `low`. */
const efforts: Readonly<Record<string, { readonly effort: string; readonly since: number }>> = {
  minimal: { effort: "low", since: 406 },
  low: { effort: "low", since: 406 },
  medium: { effort: "medium", since: 406 },
  high: { effort: "high", since: 406 },
  xhigh: { effort: "xhigh", since: 407 },
  max: { effort: "max", since: 406 },
};

/** From this version on models decide themselves; from the next one on a budget is answered with 400. */
const adaptiveSince = 406;

/** The version in a name such as `claude-opus-4-7` or `claude-sonnet-4-20250514`, not that of `claude-3-7-sonnet`. */
const versionPattern = /claude-[a-z]+-(\d+)(?:[-.](\d{1,2}))?(?!\d)/;

/** The members that ask a model to think; undefined if it is not to, or cannot be asked for this effort. */
export function toThinking(
  reasoningEffort: unknown,
  maxTokens: number,
  upstreamModel: string,
): JsonObject | undefined {
  const wanted = String(reasoningEffort);
  const version = readVersion(upstreamModel);
  if (version >= adaptiveSince) {
    const { effort, since } = efforts[wanted] ?? { effort: "", since: Number.POSITIVE_INFINITY };
    if (version < since) return undefined;
    // What it thinks is left out by default since 4.7.
    const thinking = { type: "adaptive", display: "summarized" };
    return { thinking, output_config: { effort } };
  }
  const budget = budgets[wanted];
  if (budget === undefined || maxTokens <= budgetMin) return undefined;
  return { thinking: { type: "enabled", budget_tokens: Math.min(budget, maxTokens - 1) } };
}

/** 407 for 4.7, so that 4.10 would be more; 0 where the name has none. */
function readVersion(upstreamModel: string): number {
  const [, major = "0", minor = "0"] = versionPattern.exec(upstreamModel) ?? [];
  return Number(major) * 100 + Number(minor);
}
