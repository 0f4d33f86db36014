// How much a model is to think, in Anthropic's words: by an effort where it decides itself, else by a budget.
// Source: Anthropic API reference, "Adaptive thinking", "Effort" and "Extended thinking".
import type { JsonObject } from "../dialect.ts";
import { toObjects } from "../json-values.ts";

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

/** The members that ask a model to think; undefined if it is not to, or cannot be asked as the request wants it. */
export function toThinking(
  request: JsonObject,
  maxTokens: number,
  upstreamModel: string,
): JsonObject | undefined {
  const wanted = String(request["reasoning_effort"]);
  const version = readVersion(upstreamModel);
  // The API answers both together with 400, and a client that forces a tool cannot do without its call.
  if (forcesTool(request)) return undefined;
  if (version >= adaptiveSince) {
    const { effort, since } = efforts[wanted] ?? { effort: "", since: Number.POSITIVE_INFINITY };
    if (version < since) return undefined;
    // What it thinks is left out by default since 4.7.
    const thinking = { type: "adaptive", display: "summarized" };
    return { thinking, output_config: { effort } };
  }
  const budget = budgets[wanted];
  if (budget === undefined || maxTokens <= budgetMin || endsWithToolCall(request)) return undefined;
  return { thinking: { type: "enabled", budget_tokens: Math.min(budget, maxTokens - 1) } };
}

function forcesTool({ tools, tool_choice: choice }: JsonObject): boolean {
  const isForced = choice === "required" || (typeof choice === "object" && choice !== null);
  return isForced && toObjects(tools).length > 0;
}

/** With a budget such a turn has to begin with its signed thoughts, which most of OpenAI's clients do not send back. */
function endsWithToolCall({ messages }: JsonObject): boolean {
  const last = toObjects(messages).findLast(({ role }) => role === "assistant");
  const { tool_calls: calls, thinking_blocks: thoughts } = last ?? {};
  return toObjects(calls).length > 0 && !toObjects(thoughts).some(isSigned);
}

/** Whether a block of thinking can go back: the API checks its signature, or reads what it has redacted. */
export function isSigned({ signature, data }: JsonObject): boolean {
  return Boolean(signature || data);
}

/** 407 for 4.7, so that 4.10 would be more; 0 where the name has none. */
function readVersion(upstreamModel: string): number {
  const [, major = "0", minor = "0"] = versionPattern.exec(upstreamModel) ?? [];
  return Number(major) * 100 + Number(minor);
}
