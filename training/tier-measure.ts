// Measures the choice among five tiers: what is saved at kept quality, and how true the chances are.
import { type TierName, tierNames, tiers } from "../src/catalogue/tiers.ts";
import { headInputCount, mixAxes, weighTiers } from "../src/router/network.ts";
import type { Example } from "./targets.ts";

/** What the tiers are measured with. */
export type TierParts = {
  readonly examples: readonly Example[];
  /** Held-out axes by row. */
  readonly held: ReadonlyMap<number, Float64Array>;
  readonly heads: Float64Array;
};

/** One point: mean cost a question, US$, and mean score. */
export type Point = { readonly cost: number; readonly score: number };

/** The points of one mix of questions. */
export type Mix = {
  readonly name: string;
  readonly tiers: readonly Point[];
  /** Each lambda's point, dearest first. */
  readonly router: readonly (Point & { readonly lambda: number })[];
  readonly oracle: readonly Point[];
};

/** Answers count 300 tokens: not all sources say how long theirs were. */
const answerTokens = 300;
const lambdas = Array.from({ length: 81 }, (_, at) => 10 ** (-1 + at / 16));

/** Chances of a row's tiers, never falling. */
function chancesOf(axes: Float64Array, chars: number, heads: Float64Array): Float64Array {
  const inputs = new Float64Array(headInputCount);
  const p = new Float64Array(tierNames.length);
  mixAxes(axes, chars, inputs);
  weighTiers(inputs, heads, p);
  return p;
}

function costOf(tier: TierName, prompt: string): number {
  const price = Number(tiers[tier].priceMicroUsdPerMillionTokens) / 1e12;
  return price * (prompt.length / 4 + answerTokens);
}

/** Measures a mix of questions whose sources have all five tiers. */
export function measureTiers(name: string, on: readonly number[], parts: TierParts): Mix {
  const questions = on.flatMap((row) => {
    const example = parts.examples[row];
    const axes = parts.held.get(row);
    if (example === undefined || axes === undefined) return [];
    if (example.tiers.some((score) => Number.isNaN(score))) return [];
    return [
      {
        p: chancesOf(axes, example.prompt.length, parts.heads),
        scores: example.tiers,
        costs: tierNames.map((tier) => costOf(tier, example.prompt)),
      },
    ];
  });
  const pointOf = (pick: (at: number) => number): Point => {
    let cost = 0;
    let score = 0;
    for (const [at, { costs, scores }] of questions.entries()) {
      cost += costs[pick(at)] ?? 0;
      score += scores[pick(at)] ?? 0;
    }
    return { cost: cost / questions.length, score: score / questions.length };
  };
  const best = (values: ArrayLike<number>, costs: readonly number[], lambda: number): number => {
    let at = 0;
    const worth = (tier: number): number => (values[tier] ?? 0) - lambda * (costs[tier] ?? 0);
    for (let tier = 1; tier < values.length; tier++) if (worth(tier) > worth(at)) at = tier;
    return at;
  };
  const swept = (read: "p" | "scores") =>
    lambdas.map((lambda) => ({
      lambda,
      ...pointOf((at) => best(questions[at]?.[read] ?? [], questions[at]?.costs ?? [], lambda)),
    }));
  return {
    name,
    tiers: tierNames.map((_, tier) => pointOf(() => tier)),
    router: swept("p"),
    oracle: swept("scores"),
  };
}

/** Least cost at which a line between these points reaches a score; undefined if none does. */
function costAt(points: readonly Point[], score: number): number | undefined {
  let least: number | undefined;
  for (const a of points) {
    for (const b of points) {
      if (b.score < score || a.score > b.score) continue;
      const share = a.score >= score ? 0 : (score - a.score) / Math.max(1e-12, b.score - a.score);
      const cost = a.score >= score ? a.cost : a.cost + share * (b.cost - a.cost);
      least = Math.min(least ?? cost, cost);
    }
  }
  return least;
}

/** The rows of all mixes. */
export function tierTable(mixes: readonly Mix[]): string {
  const lines = [
    "| questions | 95 % | 97 % | 99 % | strongest tier's score | lambda of 97 % |",
    "| --- | --- | --- | --- | --- | --- |",
  ];
  for (const mix of mixes) {
    const top = mix.tiers.at(-1) ?? { cost: 1, score: 1 };
    const saved = (points: readonly Point[], part: number): string => {
      const cost = costAt(points, part * top.score);
      return cost === undefined ? "–" : (100 * (1 - cost / top.cost)).toFixed(1);
    };
    // A router point may be mixed only with itself: no line to a constant tier is lent to it.
    const routed = (part: number): string => {
      const enough = mix.router.filter(({ score }) => score >= part * top.score);
      const cost = Math.min(...enough.map((point) => point.cost));
      return enough.length === 0 ? "–" : (100 * (1 - cost / top.cost)).toFixed(1);
    };
    const at97 = mix.router.findLast(({ score }) => score >= 0.97 * top.score)?.lambda;
    const columns = [0.95, 0.97, 0.99].map(
      (part) => `${routed(part)} \\| ${saved(mix.tiers, part)} \\| ${saved(mix.oracle, part)}`,
    );
    lines.push(
      `| ${mix.name} | ${columns.join(" | ")} | ${top.score.toFixed(3)} | ${at97?.toPrecision(2) ?? "–"} |`,
    );
  }
  return lines.join("\n");
}

/** Expected calibration error (ten equal bins) and Brier score by tier. */
export function calibrationTable(on: readonly number[], parts: TierParts): string {
  const lines = [
    "| tier | mean chance | mean score | ECE | Brier |",
    "| --- | --- | --- | --- | --- |",
  ];
  for (const [tier, name] of tierNames.entries()) {
    const pairs = on.flatMap((row) => {
      const example = parts.examples[row];
      const axes = parts.held.get(row);
      const score = example?.tiers[tier] ?? Number.NaN;
      if (example === undefined || axes === undefined || Number.isNaN(score)) return [];
      return [{ p: chancesOf(axes, example.prompt.length, parts.heads)[tier] ?? 0, score }];
    });
    const mean = (values: readonly number[]): number =>
      values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
    let error = 0;
    for (let bin = 0; bin < 10; bin++) {
      const inside = pairs.filter(({ p }) => Math.min(9, Math.floor(10 * p)) === bin);
      const off = mean(inside.map(({ p }) => p)) - mean(inside.map(({ score }) => score));
      error += (Math.abs(off) * inside.length) / pairs.length;
    }
    const brier = mean(pairs.map(({ p, score }) => (p - score) ** 2));
    const values = [
      mean(pairs.map(({ p }) => p)),
      mean(pairs.map(({ score }) => score)),
      error,
      brier,
    ];
    lines.push(`| ${name} | ${values.map((value) => value.toFixed(3)).join(" | ")} |`);
  }
  return lines.join("\n");
}
