// How good a router is: what the literature measures, and what a bill shows.
import { tierNames, tiers } from "../../catalogue/tiers.ts";

/** What a weak and a strong model, or the models of five tiers, made of a question. */
export type Judged = {
  readonly weak: number;
  readonly strong: number;
  readonly fifths: readonly number[];
};

/** Cost of an answer in each tier, the strongest being 1: the list's prices, 0 / 0.14 / 1.5 / 5 / 15 US$. */
const tierCosts = tierNames.map(
  (name) =>
    Number(tiers[name].priceMicroUsdPerMillionTokens) /
    Number(tiers.ultra.priceMicroUsdPerMillionTokens),
);

/**
 * Average performance gap recovered (RouteLLM, arXiv 2406.18665): the share of the way from weak to strong that is
 * covered, averaged over all shares of questions that go to the strong model; 0.5 is a coin, 1 may be exceeded.
 */
export function apgr(questions: readonly Judged[], scores: ArrayLike<number>): number {
  const curve = recovered(questions, scores);
  let area = 0;
  for (let at = 1; at < curve.length; at += 1) {
    area += ((curve[at - 1] ?? 0) + (curve[at] ?? 0)) / 2 / (curve.length - 1);
  }
  return area;
}

/** Share of questions that must go to the strong model, highest scores first, to cover `share` of the way; 0 to 1. */
export function callsFor(
  questions: readonly Judged[],
  scores: ArrayLike<number>,
  share: number,
): number {
  const curve = recovered(questions, scores);
  return (
    Math.max(
      0,
      curve.findIndex((value) => value >= share),
    ) /
    (curve.length - 1)
  );
}

/** The way covered after 0, 1, … all questions. */
function recovered(questions: readonly Judged[], scores: ArrayLike<number>): number[] {
  const order = questions
    .map((_, at) => at)
    .toSorted((one, other) => (scores[other] ?? 0) - (scores[one] ?? 0) || one - other);
  const gap = questions.reduce((sum, { weak, strong }) => sum + strong - weak, 0);
  let sum = 0;
  const curve = [0];
  for (const at of order) {
    const { weak = 0, strong = 0 } = questions[at] ?? {};
    sum += strong - weak;
    curve.push(sum / gap);
  }
  return curve;
}

/** Quality and cost of choosing for each question the tier with the highest chance less lambda · cost. */
export function routeTiers(
  questions: readonly Judged[],
  chances: readonly (readonly number[])[],
  lambda: number,
): { quality: number; cost: number } {
  let quality = 0;
  let cost = 0;
  for (const [at, { fifths }] of questions.entries()) {
    const tier = pickTier(chances[at] ?? [], lambda);
    quality += fifths[tier] ?? 0;
    cost += tierCosts[tier] ?? 0;
  }
  return { quality: quality / questions.length, cost: cost / questions.length };
}

/** The tier with the highest chance less lambda · cost; of equals the cheaper. */
function pickTier(chances: readonly number[], lambda: number): number {
  let best = 0;
  for (let tier = 1; tier < chances.length; tier += 1) {
    const value = (chances[tier] ?? 0) - lambda * (tierCosts[tier] ?? 0);
    if (value > (chances[best] ?? 0) - lambda * (tierCosts[best] ?? 0) + 1e-12) best = tier;
  }
  return best;
}

/**
 * Share of the strongest tier's cost that is saved while at least `share` of its quality is kept, at the best
 * lambda; undefined if no lambda keeps it.
 */
export function savedAt(
  questions: readonly Judged[],
  chances: readonly (readonly number[])[],
  share: number,
): number | undefined {
  const strongest = meanOf(questions.map(({ fifths }) => fifths[4] ?? 0));
  const points = lambdaGrid.map((lambda) => routeTiers(questions, chances, lambda));
  const kept = points.filter(({ quality }) => quality >= share * strongest - 1e-9);
  return kept.length === 0 ? undefined : 1 - Math.min(...kept.map(({ cost }) => cost));
}

/** The same for mixing single tiers at random, which needs no learning: the best mixture of two of them. */
export function hullSavedAt(questions: readonly Judged[], share: number): number {
  const strongest = meanOf(questions.map(({ fifths }) => fifths[4] ?? 0));
  const wanted = share * strongest;
  const points = tierCosts.map((cost, tier) => ({
    cost,
    quality: meanOf(questions.map(({ fifths }) => fifths[tier] ?? 0)),
  }));
  let best = 1;
  for (const one of points) {
    for (const other of points) {
      const [low, high] = one.quality <= other.quality ? [one, other] : [other, one];
      if (high.quality < wanted) continue;
      const mix =
        high.quality === low.quality ? 0 : (wanted - low.quality) / (high.quality - low.quality);
      best = Math.min(best, mix <= 0 ? low.cost : low.cost + mix * (high.cost - low.cost));
    }
  }
  return 1 - best;
}

/** Prices of cost that are tried: 0, and 0.001 to 10 in even ratios. */
export const lambdaGrid: readonly number[] = [
  0,
  ...Array.from({ length: 161 }, (_, at) => 10 ** (-3 + at / 40)),
];

/** Expected calibration error over ten bins of equal width. */
export function calibrationError(chances: readonly number[], outcomes: readonly number[]): number {
  const bins = Array.from({ length: 10 }, () => ({ chance: 0, outcome: 0, count: 0 }));
  for (const [at, chance] of chances.entries()) {
    const bin = bins[Math.min(9, Math.floor(chance * 10))];
    if (bin === undefined) continue;
    bin.chance += chance;
    bin.outcome += outcomes[at] ?? 0;
    bin.count += 1;
  }
  return (
    bins.reduce((sum, { chance, outcome }) => sum + Math.abs(chance - outcome), 0) / chances.length
  );
}

/** The mean of some numbers. */
export function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
