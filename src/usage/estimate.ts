// Token counts where a provider gives none: what was relayed is counted, so that usage is never free.
import type { ChatUsage } from "../gen/optamil/v1/chat_pb.ts";
import { fromChatUsage, type TokenCounts } from "./tokens.ts";

/** What is known of an answer without the provider's word. */
export type Relayed = {
  /** Estimate of the prompt's tokens, as the router made it. */
  readonly promptTokens: number;
  /** Events or chunks with content that went to the client; 0 for an answer in one piece. */
  readonly events: number;
  /** Text that went to the client, as far as it was looked at; default none. */
  readonly text?: string | undefined;
};

/**
 * Estimated tokens of a text: 4 ASCII characters a token, 3 bytes of any other script.
 *
 * On English prose and code this is within a third of what the usual tokenizers count; a Chinese
 * character is one token.
 */
export function estimateTokens(text: string): number {
  let ascii = 0;
  let otherBytes = 0;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit < 0x80) ascii++;
    // A surrogate is half of a character of four bytes.
    else otherBytes += unit < 0x800 || (unit >= 0xd800 && unit < 0xe000) ? 2 : 3;
  }
  return Math.ceil(ascii / 4 + otherBytes / 3);
}

/**
 * The provider's counts, or an estimate where it gave none, or claims that a relayed answer has no
 * tokens. An event is at least one token.
 */
export function countTokens(usage: ChatUsage | undefined, relayed: Relayed): TokenCounts {
  const completion = Math.max(relayed.events, estimateTokens(relayed.text ?? ""));
  if (usage !== undefined && (usage.completionTokens > 0 || completion === 0)) {
    return fromChatUsage(usage);
  }
  const given = usage && fromChatUsage(usage);
  return {
    prompt: given?.prompt || relayed.promptTokens,
    cached: given?.cached ?? 0,
    completion,
    reasoning: 0,
    estimated: true,
  };
}
