// Measures how well a score orders questions by their need of a stronger model.
import type { Example, Ranking } from "./targets.ts";

/** A weak model and a stronger one. */
export type Pair = { readonly weak: string; readonly strong: string };

/** Least distance of the two models' means, for a pair to be measured. */
const distanceMin = 0.08;

/** Pairs of a source: of the models above the weakest quarter each with each strong one. */
export function toPairs(ranking: Ranking): Pair[] {
  const count = ranking.length;
  const pairs: Pair[] = [];
  for (const [at, weak] of ranking.entries()) {
    if (count > 2 && at < count * 0.25) continue;
    for (const strong of ranking.slice(
      Math.max(at + 1, count === 2 ? 1 : Math.ceil(count * 0.6)),
    )) {
      if (strong.mean - weak.mean >= distanceMin) {
        pairs.push({ weak: weak.model, strong: strong.model });
      }
    }
  }
  return pairs;
}

/** Gains of a pair, in the order in which a router would ask the strong model. */
function gainsOf(ordered: readonly Example[], { weak, strong }: Pair): number[] {
  return ordered.flatMap(({ scores }) => {
    const low = scores[weak];
    const high = scores[strong];
    return low === undefined || high === undefined ? [] : [high - low];
  });
}

/** The examples by score, highest first; equal ones by their position. */
export function order(examples: readonly Example[], scores: Float64Array): Example[] {
  return examples
    .map((example, at) => ({ example, at }))
    .sort((a, b) => (scores[b.at] ?? 0) - (scores[a.at] ?? 0) || a.at - b.at)
    .map(({ example }) => example);
}

/** Average performance gap recovered: 0.5 is random. Undefined if the models do not differ. */
function apgr(ordered: readonly Example[], pair: Pair): number | undefined {
  const gains = gainsOf(ordered, pair);
  const total = gains.reduce((sum, gain) => sum + gain, 0);
  if (total < 0.03 * gains.length) return undefined;
  const sum = gains.reduce((all, gain, at) => all + gain * (1 - (at + 0.5) / gains.length), 0);
  return sum / total;
}

/** Mean of `apgr` over the pairs. */
export function meanApgr(ordered: readonly Example[], pairs: readonly Pair[]): number {
  const values = pairs.map((pair) => apgr(ordered, pair)).filter((value) => value !== undefined);
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Share of strong calls, 0 to 1, that recovers this part of the gap, averaged over the pairs. */
export function callShare(
  ordered: readonly Example[],
  pairs: readonly Pair[],
  part: number,
): number {
  const shares = pairs.flatMap((pair) => {
    const gains = gainsOf(ordered, pair);
    const total = gains.reduce((sum, gain) => sum + gain, 0);
    if (total < 0.03 * gains.length) return [];
    let sum = 0;
    const at = gains.findIndex((gain) => {
      sum += gain;
      return sum >= part * total;
    });
    return [(at + 1) / gains.length];
  });
  return shares.reduce((sum, share) => sum + share, 0) / shares.length;
}

const resamples = 200;

/** 95 % interval of `meanApgr` by bootstrap over the questions, with a fixed seed; at most 20 pairs are drawn on. */
export function interval(
  examples: readonly Example[],
  scores: Float64Array,
  pairs: readonly Pair[],
): [number, number] {
  const step = Math.max(1, Math.floor(pairs.length / 20));
  const some = pairs.filter((_, at) => at % step === 0);
  const centre = meanApgr(order(examples, scores), pairs);
  const random = createRandom(1);
  const values: number[] = [];
  for (let at = 0; at < resamples; at++) {
    const drawn = examples.map(() => Math.floor(random() * examples.length));
    const sample = drawn.flatMap((index) => examples[index] ?? []);
    const sampleScores = Float64Array.from(drawn, (index) => scores[index] ?? 0);
    values.push(meanApgr(order(sample, sampleScores), some));
  }
  values.sort((a, b) => a - b);
  const middle = values.reduce((sum, value) => sum + value, 0) / resamples;
  const shift = centre - middle;
  return [(values[4] ?? 0) + shift, (values[resamples - 5] ?? 0) + shift];
}

/** Numbers from 0 up to 1, the same for the same seed: mulberry32. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
