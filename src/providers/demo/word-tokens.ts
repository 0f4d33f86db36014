// Cuts text into the demo provider's tokens.

/** Space before a token belongs to it; so does space at the very end, to the last token. */
const tokenPattern = /\s*(?:[\p{L}\p{M}\p{N}]+|\S)(?:\s+$)?/gu;

/**
 * The text cut into tokens: each run of letters and digits is one, and so is each other character that is
 * no space. Joined they are the text again; a text of space only is no token.
 */
export function toTokens(text: string): string[] {
  return text.match(tokenPattern) ?? [];
}

/** How many tokens the text has. */
export function countTokens(text: string): number {
  return toTokens(text).length;
}
