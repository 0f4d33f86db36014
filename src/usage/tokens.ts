// Token counts of one request, as the provider gave them or as an estimate.
import type { ChatUsage } from "../gen/optamil/v1/chat_pb.ts";

/** Tokens of one request; each a whole number, 0 or more. */
export type TokenCounts = {
  /** Of the prompt, cached ones included. */
  readonly prompt: number;
  /** Of the prompt, read from the provider's cache. */
  readonly cached: number;
  /** Generated, reasoning included. */
  readonly completion: number;
  /** Of the completion, reasoning. */
  readonly reasoning: number;
  /** Whether the counts are ours. */
  readonly estimated: boolean;
};

/** No tokens at all: what a request used that reached no provider. */
export const noTokens: TokenCounts = {
  prompt: 0,
  cached: 0,
  completion: 0,
  reasoning: 0,
  estimated: false,
};

/** The counts of a provider. Cached and reasoning tokens are never more than what they are part of. */
export function fromChatUsage(usage: ChatUsage): TokenCounts {
  const cached = usage.promptTokensDetails?.cachedTokens ?? 0;
  const reasoning = usage.completionTokensDetails?.reasoningTokens ?? 0;
  return {
    prompt: usage.promptTokens,
    cached: Math.min(cached, usage.promptTokens),
    completion: usage.completionTokens,
    reasoning: Math.min(reasoning, usage.completionTokens),
    estimated: false,
  };
}
