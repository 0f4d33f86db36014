// Thresholds of the length baseline: "longer prompt, stronger tier".
import type { TierName } from "../catalogue/tiers.ts";

/** A tier and the longest conversation, in characters, that it gets. The last row has no bound. */
export const lengthThresholds: readonly { readonly tier: TierName; readonly charsMax: number }[] = [
  { tier: "free", charsMax: 400 },
  { tier: "budget", charsMax: 1_500 },
  { tier: "mid", charsMax: 6_000 },
  { tier: "premium", charsMax: 24_000 },
  { tier: "ultra", charsMax: Number.POSITIVE_INFINITY },
];
