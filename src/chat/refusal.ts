// Words for what admission refuses.
import type { Limits, Refused, WindowName } from "../admission/counters.ts";
import { OptamilError } from "../platform/errors.ts";

/** Longer waits are not worth a client's retries: some SDKs shorten them and hammer (openai-go: to 8 s). */
const retryWorthMs = 60_000;

const units: Readonly<Record<WindowName, string>> = {
  "requests-minute": "requests per minute",
  "requests-day": "requests per day",
  "tokens-minute": "tokens per minute",
};

/** A budget as people call it: "this key", "the tag 'team-a'". */
function nameOf(budgetId: string): string {
  return budgetId.startsWith("tag:") ? `the tag '${budgetId.slice(4)}'` : "this key";
}

/** The refusal as the client sees it. `tokens` is the estimate that admission was given. */
export function toRefusal(refused: Refused, limits: Limits, tokens: number): OptamilError {
  const { reason, scope, part, budget, retryAfterMs, rate } = refused;
  switch (reason) {
    case "credits":
      if (budget !== undefined) {
        return new OptamilError(
          "insufficient_credits",
          `The budget of ${nameOf(budget)} is used up for this billing period. Raise it, or wait for the next period.`,
        );
      }
      return new OptamilError(
        "insufficient_credits",
        "Insufficient credits. Please upgrade your plan.",
      );
    case "credits-held":
      return new OptamilError(
        "rate_limit_exceeded",
        `The remaining credits${budget === undefined ? "" : ` of the budget of ${nameOf(budget)}`} are held by requests that are still running. Try again in a moment.`,
        { retryAfterMs },
      );
    case "running":
      return new OptamilError(
        "rate_limit_exceeded",
        "This key has as many requests running as it may. Wait until one has ended.",
        { retryAfterMs },
      );
    case "too-large":
      return new OptamilError(
        "context_length_exceeded",
        `The request needs about ${tokens} tokens, which no window of this ${scope} admits: its limit is ` +
          `${limits.tokensPerMinute} tokens per minute. Shorten the messages or lower max_tokens.`,
        { param: "messages" },
      );
    default:
      return new OptamilError(
        "rate_limit_exceeded",
        `Rate limit exceeded: ${rate[reason].limit} ${units[reason]} for ${part === undefined ? "" : `the ${part} with `}this ${scope}.`,
        { retryAfterMs, shouldRetry: (retryAfterMs ?? 0) <= retryWorthMs },
      );
  }
}
