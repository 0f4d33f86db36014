// Gives a share of the requests to another model than the best one, with chances that are known exactly.

/** How much is given to others than the best. */
export type Exploration = {
  /** Of all requests, millionths; the best model has its part of them too. */
  readonly sharePpm: number;
  /** From 0 to below 1, evenly. */
  readonly random: () => number;
};

/** Millionths of one. */
export const whole = 1_000_000;

/**
 * The place of the model to take among so many, best first, and how likely it was to be taken, in millionths: exactly
 * that, as it is drawn in whole millionths. Without exploration it is the first one, for sure.
 */
export function explore(
  count: number,
  exploration: Exploration | undefined,
): { readonly place: number; readonly propensityPpm: number } {
  if (exploration === undefined) return { place: 0, propensityPpm: whole };
  const eachPpm = Math.floor(exploration.sharePpm / count);
  const othersPpm = eachPpm * (count - 1);
  const draw = Math.floor(exploration.random() * whole);
  if (draw >= othersPpm) return { place: 0, propensityPpm: whole - othersPpm };
  return { place: 1 + Math.floor(draw / eachPpm), propensityPpm: eachPpm };
}
