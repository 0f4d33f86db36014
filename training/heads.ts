// Fits the tiers' heads on held-out axes, so that their chances are calibrated, and packs the weights.
import { tierNames } from "../src/catalogue/tiers.ts";
import { axisCount, headInputCount, mixAxes, type Weights } from "../src/router/network.ts";
import { bucketCount, denseNames } from "../src/router/prompt-reader.ts";
import { fitAxes } from "./axes.ts";
import { type Axis, type Matrix, project } from "./ridge.ts";
import type { Example } from "./targets.ts";

/** Folds of the held-out axes. */
export const foldCount = 4;

/** Fold of a row: fixed, and the same for each run. */
function foldOf(row: number): number {
  return (Math.imul(row + 1, 2654435761) >>> 8) % foldCount;
}

/** What axes say of rows, as one vector a row. */
export function projectAll(
  matrix: Matrix,
  axes: readonly Axis[],
  rows: readonly number[],
): Float64Array[] {
  const on = Int32Array.from(rows);
  const columns = axes.map((axis) => project(matrix, axis, on));
  return rows.map((_, at) => Float64Array.from(columns, (column) => column[at] ?? 0));
}

/** For each row what axes say that never saw its fold. */
export function heldOutAxes(
  matrix: Matrix,
  examples: readonly Example[],
  rows: readonly number[],
  tick: () => void,
): Map<number, Float64Array> {
  const held = new Map<number, Float64Array>();
  for (let fold = 0; fold < foldCount; fold++) {
    const learnt = rows.filter((row) => foldOf(row) !== fold);
    const asked = rows.filter((row) => foldOf(row) === fold);
    const values = projectAll(matrix, fitAxes(matrix, examples, learnt, tick), asked);
    for (const [at, row] of asked.entries())
      held.set(row, values[at] ?? new Float64Array(axisCount));
  }
  return held;
}

/** Steps of the heads' descent: they converge well before. */
const headSteps = 600;
const headRate = 2;
const headPenalty = 1e-4;

/** Logistic heads, tier by tier, on what the held-out axes say. */
export function fitHeads(
  examples: readonly Example[],
  held: ReadonlyMap<number, Float64Array>,
): Float64Array {
  const heads = new Float64Array(tierNames.length * headInputCount);
  const rows = [...held].map(([row, axes]) => {
    const inputs = new Float64Array(headInputCount);
    const example = examples[row];
    mixAxes(axes, example?.prompt.length ?? 0, inputs);
    return { inputs, tiers: example?.tiers ?? [] };
  });
  for (let tier = 0; tier < tierNames.length; tier++) {
    const known = rows.filter(({ tiers }) => !Number.isNaN(tiers[tier] ?? Number.NaN));
    const head = descend(known.map(({ inputs, tiers }) => ({ inputs, target: tiers[tier] ?? 0 })));
    heads.set(head, tier * headInputCount);
  }
  return heads;
}

function descend(rows: readonly { inputs: Float64Array; target: number }[]): Float64Array {
  const head = new Float64Array(headInputCount);
  for (let step = 0; step < headSteps; step++) {
    const slope = new Float64Array(headInputCount);
    for (const { inputs, target } of rows) {
      const error = 1 / (1 + Math.exp(-dot(head, inputs))) - target;
      for (let at = 0; at < headInputCount; at++) {
        slope[at] = (slope[at] ?? 0) + error * (inputs[at] ?? 0);
      }
    }
    for (let at = 0; at < headInputCount; at++) {
      const pull = (slope[at] ?? 0) / rows.length + headPenalty * (head[at] ?? 0);
      head[at] = (head[at] ?? 0) - headRate * pull;
    }
  }
  return head;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let at = 0; at < a.length; at++) sum += (a[at] ?? 0) * (b[at] ?? 0);
  return sum;
}

/** Weights above this many root mean squares are cut: one rare word must not coarsen all others. */
const cutRms = 8;

/** The axes as bytes, the rarity of each n-gram folded in. */
export function packWeights(matrix: Matrix, axes: readonly Axis[], heads: Float64Array): Weights {
  const scales = new Float32Array(axisCount);
  const dense = new Float32Array(axisCount * denseNames.length);
  const grams = new Int8Array(axisCount * bucketCount);
  for (const [at, axis] of axes.entries()) {
    const folded = axis
      .subarray(0, bucketCount)
      .map((weight, bucket) => weight * (matrix.idf[bucket] ?? 0));
    const rms = Math.sqrt(dot(folded, folded) / bucketCount);
    const most = folded.reduce((max, weight) => Math.max(max, Math.abs(weight)), 0);
    const scale = Math.fround(Math.max(1e-9, Math.min(most, cutRms * rms)) / 127);
    scales[at] = scale;
    for (let bucket = 0; bucket < bucketCount; bucket++) {
      const step = Math.round((folded[bucket] ?? 0) / scale);
      grams[bucket * axisCount + at] = Math.max(-127, Math.min(127, step));
    }
    dense.set(axis.subarray(bucketCount), at * denseNames.length);
  }
  return { scales, dense, heads: Float32Array.from(heads), grams };
}
