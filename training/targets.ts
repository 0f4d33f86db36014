// Turns outcomes into what the router learns: the gain of strong models over weak ones, and each tier's score.
import { tierNames } from "../src/catalogue/tiers.ts";
import type { Row, Source } from "./data.ts";

/** One question with its targets. */
export type Example = {
  readonly prompt: string;
  /** Position of its source. */
  readonly source: number;
  readonly group: string;
  /** Mean score of the strong models less that of the weak ones. */
  readonly gain: number;
  /** Mean score of all models. */
  readonly level: number;
  /** Mean score of each tier's models; NaN where the source has none. */
  readonly tiers: readonly number[];
  /** Natural logarithm of the mean answer's characters; NaN where unknown. */
  readonly answerLog: number;
  readonly scores: Readonly<Record<string, number>>;
};

/** A source's models, weakest first. */
export type Ranking = readonly { readonly model: string; readonly mean: number }[];

/** The models of a source by their mean score, weakest first. */
export function rankModels(source: Source): Ranking {
  const sums = new Map<string, { sum: number; count: number }>();
  for (const { s } of source.rows) {
    for (const [model, score] of Object.entries(s)) {
      const entry = sums.get(model) ?? { sum: 0, count: 0 };
      entry.sum += score;
      entry.count++;
      sums.set(model, entry);
    }
  }
  return [...sums]
    .map(([model, { sum, count }]) => ({ model, mean: sum / count }))
    .sort((a, b) => a.mean - b.mean || (a.model < b.model ? -1 : 1));
}

/** Tier that stands for a model's place in its source: fifths of the ranking, of a pair budget and premium. */
function tierOfRank(rank: number, count: number): number {
  if (count === 2) return rank === 0 ? 1 : 3;
  return Math.floor((rank * tierNames.length) / count);
}

/** All examples of the sources, in order. */
export function toExamples(sources: readonly Source[]): Example[] {
  return sources.flatMap((source, index) => {
    const ranking = rankModels(source);
    const count = ranking.length;
    const names = ranking.map(({ model }) => model);
    const strong = count === 2 ? names.slice(1) : names.slice(Math.floor(count * 0.7));
    const weak =
      count === 2
        ? names.slice(0, 1)
        : names.slice(Math.floor(count * 0.25), Math.floor(count * 0.6));
    const bands = tierNames.map((_, tier) =>
      names.filter((_name, rank) => tierOfRank(rank, count) === tier),
    );
    return source.rows.map((row) => toExample(row, index, { names, strong, weak, bands }));
  });
}

type Bands = {
  readonly names: readonly string[];
  readonly strong: readonly string[];
  readonly weak: readonly string[];
  readonly bands: readonly (readonly string[])[];
};

function toExample(row: Row, source: number, { names, strong, weak, bands }: Bands): Example {
  const lengths = Object.values(row.len ?? {});
  const gain = meanOf(row.s, strong) - meanOf(row.s, weak);
  return {
    prompt: row.prompt,
    source,
    group: row.group,
    gain: Number.isNaN(gain) ? 0 : gain,
    level: meanOf(row.s, names),
    tiers: bands.map((models) => meanOf(row.s, models)),
    answerLog:
      lengths.length === 0
        ? Number.NaN
        : Math.log1p(lengths.reduce((sum, length) => sum + length, 0) / lengths.length),
    scores: row.s,
  };
}

function meanOf(scores: Readonly<Record<string, number>>, models: readonly string[]): number {
  let sum = 0;
  let count = 0;
  for (const model of models) {
    const score = scores[model];
    if (score === undefined) continue;
    sum += score;
    count++;
  }
  return count === 0 ? Number.NaN : sum / count;
}
