// Builds the network from outcomes: axes by ridge regression, tiers and calibration on folds that were held out.
import {
  axesPerSource,
  calibrateChances,
  logitOf,
  mixChances,
  Network,
  type NetworkHeader,
  toShares,
} from "../network.ts";
import { bucketCount } from "../text-features.ts";
import { fitLogistic } from "./logistic.ts";
import { lambdaGrid, meanOf, routeTiers } from "./metrics.ts";
import type { Outcome, Source } from "./outcomes.ts";
import {
  addLinear,
  createDesign,
  type Design,
  evaluate,
  fitRidge,
  type Linear,
  type ShapeScale,
  scaleShapes,
} from "./ridge.ts";

/** A network as its file holds it. */
export type Built = { readonly header: NetworkHeader; readonly table: Int8Array };

/** What may differ between builds; the defaults were chosen on folds (docs/router.md). */
export type BuildOptions = {
  readonly manifest: string;
  /** Told what is done, for a progress line. */
  readonly onProgress?: ((done: number, of: number) => void) | undefined;
};

type Row = {
  readonly outcome: Outcome;
  readonly source: number;
  readonly need: number;
  readonly ease: number;
};

const folds = 4;
const penalties = { pooled: 5, own: 3, likeness: 1, length: 5 };
/** How much of what all sources share an axis of one source takes over. */
const pooledShares = { need: 0.25, ease: 0.5 };
/** The shape's part in a need is dear: words say more, and say it elsewhere too. */
const shapeUnits = { need: 0.03, ease: 0.3 };
/** A group's mean stands for so many of its questions as if all were like the source. */
const groupPrior = 5;
const sharpness = 8;
const lengthWeight = 0.15;
const tierCount = 5;
const qualitySteps = 20;
/** A price at which no chance is worth any cost. */
const cheapestOnly = 1_000;
const tableMax = 127;

/** The fold of a row, which depends on its place alone. */
export function foldOf(place: number): number {
  return (Math.imul(place + 1, 0x9e3779b1) >>> 0) % folds;
}

/** Trains a network. */
export function buildNetwork(sources: readonly Source[], options: BuildOptions): Built {
  const rows = sources.flatMap((source, at) => toRows(source, at));
  const scale = scaleShapes(rows.map(({ outcome }) => outcome.prompt));
  const held = new Array<Float64Array>(rows.length);
  for (let fold = 0; fold < folds; fold += 1) {
    options.onProgress?.(fold, folds + 1);
    const others = rows.filter((_, at) => foldOf(at) !== fold);
    const axes = fitAxes(others, sources.length, scale);
    const own = rows.flatMap((_, at) => (foldOf(at) === fold ? [at] : []));
    const design = createDesign(
      own.map((at) => rows[at]?.outcome.prompt ?? ""),
      scale,
    );
    const values = axes.map((axis) => evaluate(design, axis));
    for (const [place, at] of own.entries()) {
      held[at] = Float64Array.from(values, (value) => value[place] ?? 0);
    }
  }
  options.onProgress?.(folds, folds + 1);
  const axes = fitAxes(rows, sources.length, scale);
  const { scales, table } = quantise(axes);
  const untuned: NetworkHeader = {
    sources: sources.map(({ name }) => name),
    scales,
    biases: axes.map(({ bias }) => bias),
    shape: axes.map(({ shape }) => [...shape]),
    shapeMeans: scale.means,
    shapeDeviations: scale.deviations,
    tiers: fitTiers(rows, held, sources.length),
    calibration: Array.from({ length: tierCount }, () => [0, 1] as const),
    sharpness,
    lengthWeight,
    lambdas: [],
    manifest: options.manifest,
  };
  options.onProgress?.(folds + 1, folds + 1);
  return { header: calibrate(untuned, rows, held), table };
}

/** A network that is not written anywhere. */
export function toNetwork({ header, table }: Built): Network {
  return new Network(header, table);
}

function toRows({ outcomes }: Source, source: number): Row[] {
  const need = standardised(outcomes.map(({ gap }) => gap));
  const ease = standardised(outcomes.map((outcome) => outcome.ease));
  return outcomes.map((outcome, at) => ({
    ...{ outcome, source },
    need: need[at] ?? 0,
    ease: ease[at] ?? 0,
  }));
}

function standardised(values: readonly number[]): number[] {
  const mean = meanOf(values);
  const deviation = Math.sqrt(meanOf(values.map((value) => (value - mean) ** 2)));
  return values.map((value) => (value - mean) / Math.max(1e-9, deviation));
}

/** Need, ease and likeness of each source, then the length of answers. */
function fitAxes(rows: readonly Row[], sourceCount: number, scale: ShapeScale): Linear[] {
  const bySource = Array.from({ length: sourceCount }, (_, source) =>
    rows.filter((row) => row.source === source),
  );
  const all = toDesign(rows, scale);
  const counts = bySource.map(({ length }) => Math.max(1, length));
  const weights = Float64Array.from(rows, ({ source }) => Math.sqrt(1_000 / (counts[source] ?? 1)));
  const balanced = Float64Array.from(
    rows,
    ({ source }) => rows.length / sourceCount / (counts[source] ?? 1),
  );
  const [pooledNeed, pooledEase] = (["need", "ease"] as const).map((kind) => {
    const targets = Float64Array.from(rows, (row) => row[kind]);
    const options = { penalty: penalties.pooled, shapeUnit: shapeUnits[kind] };
    return fitRidge(all, targets, weights, options);
  });
  const axes = bySource.flatMap((own, source) => {
    const design = toDesign(own, scale);
    const isOwn = Float64Array.from(rows, (row) => (row.source === source ? 1 : 0));
    const likeness = fitRidge(all, isOwn, balanced, { penalty: penalties.likeness });
    const need = fitOwn(design, addGroupMeans(own), pooledNeed, "need");
    const eases = Float64Array.from(own, ({ ease }) => ease);
    return [need, fitOwn(design, eases, pooledEase, "ease"), likeness];
  });
  const measured = rows.filter(({ outcome }) => outcome.logLength !== undefined);
  const lengths = Float64Array.from(measured, ({ outcome }) => outcome.logLength ?? 0);
  const even = new Float64Array(measured.length).fill(1);
  const length = fitRidge(toDesign(measured, scale), lengths, even, { penalty: penalties.length });
  return [...axes, length];
}

function toDesign(rows: readonly Row[], scale: ShapeScale): Design {
  return createDesign(
    rows.map(({ outcome }) => outcome.prompt),
    scale,
  );
}

/** Outcomes are noisy, means of a subject or task less so: of the need their sum is learned. */
function addGroupMeans(own: readonly Row[]): Float64Array {
  const groups = new Map<string, { sum: number; count: number }>();
  for (const { need, outcome } of own) {
    const { sum, count } = groups.get(outcome.group) ?? { sum: 0, count: 0 };
    groups.set(outcome.group, { sum: sum + need, count: count + 1 });
  }
  return Float64Array.from(own, ({ need, outcome }) => {
    const { sum, count } = groups.get(outcome.group) ?? { sum: 0, count: 0 };
    return need + sum / (count + groupPrior);
  });
}

/** What a source has of its own, on top of its share of what all have. */
function fitOwn(
  design: Design,
  targets: Float64Array,
  pooled: Linear | undefined,
  kind: "need" | "ease",
): Linear {
  if (pooled === undefined) throw new Error("nothing is pooled");
  const share = pooledShares[kind];
  const known = evaluate(design, pooled);
  const rest = targets.map((target, at) => target - share * (known[at] ?? 0));
  const even = new Float64Array(design.rows).fill(1);
  const fitted = fitRidge(design, rest, even, {
    ...{ penalty: penalties.own, shapeUnit: shapeUnits[kind] },
  });
  return addLinear(fitted, pooled, share);
}

/** Integers of 8 bits by bucket, then axis, and what 1 stands for. */
function quantise(axes: readonly Linear[]): { scales: number[]; table: Int8Array } {
  const table = new Int8Array(bucketCount * axes.length);
  const scales = axes.map(({ buckets }, axis) => {
    const largest = buckets.reduce((most, weight) => Math.max(most, Math.abs(weight)), 0);
    const scale = Math.max(1e-12, largest / tableMax);
    for (const [bucket, weight] of buckets.entries()) {
      table[bucket * axes.length + axis] = Math.round(weight / scale);
    }
    return scale;
  });
  return { scales, table };
}

function fitTiers(
  rows: readonly Row[],
  held: readonly Float64Array[],
  sourceCount: number,
): [number, number, number][][] {
  return Array.from({ length: sourceCount }, (_, source) => {
    const own = rows.flatMap((row, at) => (row.source === source ? [{ row, at }] : []));
    const inputs = own.map(({ at }) => [
      held[at]?.[axesPerSource * source + 1] ?? 0,
      held[at]?.[axesPerSource * source] ?? 0,
    ]);
    return Array.from({ length: tierCount }, (_unused, tier): [number, number, number] => {
      const targets = own.map(({ row }) => row.outcome.fifths[tier] ?? 0);
      const [base = 0, ease = 0, need = 0] = fitLogistic(
        inputs,
        targets,
        own.map(() => 1),
      );
      return [base, ease, need];
    });
  });
}

/** Fits the last step of the chances, and the prices of cost, on what was held out. */
function calibrate(
  header: NetworkHeader,
  rows: readonly Row[],
  held: readonly Float64Array[],
): NetworkHeader {
  const mixed = held.map((values) => mixChances(header, values, toShares(header, values)));
  const counts = header.sources.map(
    (_, source) => rows.filter((row) => row.source === source).length,
  );
  const weights = rows.map(({ source }) => rows.length / (counts[source] ?? 1));
  const calibration = Array.from({ length: tierCount }, (_, tier): [number, number] => {
    const inputs = mixed.map((chances) => [logitOf(chances[tier] ?? 0)]);
    const targets = rows.map(({ outcome }) => outcome.fifths[tier] ?? 0);
    const [intercept = 0, slope = 1] = fitLogistic(inputs, targets, weights);
    return [intercept, slope];
  });
  const chances = mixed.map((row) => [...calibrateChances(calibration, row)]);
  return { ...header, calibration, lambdas: fitLambdas(chances) };
}

/** For quality 0, 0.05, … 1 the highest price of cost that keeps so much of the way from all free to all best. */
function fitLambdas(chances: readonly (readonly number[])[]): number[] {
  const questions = chances.map((fifths) => ({ weak: 0, strong: 1, fifths }));
  const points = lambdaGrid.map((lambda) => ({
    lambda,
    ...routeTiers(questions, chances, lambda),
  }));
  const lowest = meanOf(chances.map(([first = 0]) => first));
  const highest = Math.max(...points.map(({ quality }) => quality));
  return Array.from({ length: qualitySteps + 1 }, (_, step) => {
    const wanted = lowest + (step / qualitySteps) * (highest - lowest);
    if (step === 0) return cheapestOnly;
    const kept = points.filter(({ quality }) => quality >= wanted - 1e-12);
    return Math.max(0, ...kept.map(({ lambda }) => lambda));
  });
}
