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

/** The quality of a request that asks for none: most of what the strongest tier would add, not its price. */
export const defaultQuality = 0.8;
