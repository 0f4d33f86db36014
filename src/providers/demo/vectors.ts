// Vectors of the demo provider: no model makes them, but texts with words in common are near each other.

import { hashText, mixBits } from "../../platform/hash.ts";
import type { EmbedCall, EmbeddingInput } from "../provider.ts";
import { countTokens, toTokens } from "./word-tokens.ts";

/** Places that a word has in a vector: few, so that two words seldom share one. */
const placesPerWord = 8;

/**
 * A vector of unit length, the same for the same input: each word adds 1 or takes 1 at eight places that follow from
 * its letters, whatever their case. It says which words two texts share, and nothing of what they mean.
 */
export function toDemoVector(input: EmbeddingInput, dimensions: number): number[] {
  const sums = new Array<number>(dimensions).fill(0);
  for (const word of wordsOf(input)) {
    let state = hashText(word);
    for (let place = 0; place < placesPerWord; place += 1) {
      state = mixBits(state + place);
      const at = (state >>> 1) % dimensions;
      sums[at] = (sums[at] ?? 0) + ((state & 1) === 1 ? 1 : -1);
    }
  }
  const length = Math.sqrt(sums.reduce((total, sum) => total + sum * sum, 0));
  if (length === 0) return sums.with(0, 1);
  return sums.map((sum) => Math.fround(sum / length));
}

/** Tokens of all inputs, by the demo provider's own rule. */
export function countInputTokens({ inputs }: Pick<EmbedCall, "inputs">): number {
  return inputs.reduce((sum, input) => sum + countOf(input), 0);
}

function countOf(input: EmbeddingInput): number {
  return typeof input === "string" ? countTokens(input) : input.length;
}

function wordsOf(input: EmbeddingInput): readonly string[] {
  if (typeof input !== "string") return input.map(String);
  return toTokens(input.toLowerCase()).map((token) => token.trim());
}
