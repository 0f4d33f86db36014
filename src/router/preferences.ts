// What a caller asks of the router beside the request itself.
import type { TierName } from "../catalogue/tiers.ts";

/** The knob and the bounds of a decision. */
export type Preferences = {
  /** 0: the cheapest model that can serve; 1: the best one at any price. */
  readonly quality: number;
  /** The most that the request may be expected to cost, US$, at the greater of list and tier price. Default: none. */
  readonly maxCostUsd?: number | undefined;
  /** Models that win over others that are about as good. */
  readonly prefer?: readonly string[] | undefined;
  /** Models never to pick. */
  readonly avoid?: readonly string[] | undefined;
  /** Weakest tier to pick from. Default: free. */
  readonly tierMin?: TierName | undefined;
  /** Strongest tier to pick from. Default: ultra. */
  readonly tierMax?: TierName | undefined;
};

/** The quality of a request that asks for none: most of the strongest tier's chance, not its price. */
export const defaultQuality = 0.7;

/** What a US$ weighs in the middle of the knob: quality 0.7 then keeps 97 % on the measured mix. */
const middleLambda = 70;
/** Stands for "at any loss of quality": so large that the smallest list price outweighs a certain answer. */
const highestLambda = 1e9;

/** What one US$ of expected cost weighs against the chance of a good answer: falls as the quality rises. */
export function lambdaOf(quality: number): number {
  if (quality <= 0) return highestLambda;
  return Math.min(highestLambda, middleLambda * ((1 - quality) / quality) ** 2);
}
