// Ridge regression on hashed words and shapes, by conjugate gradients: the same bytes on every run.
import { standardise } from "../network.ts";
import { bucketCount, shapeNames, TextFeatures } from "../text-features.ts";

/** The features of many prompts, one after the other. */
export type Design = {
  readonly rows: number;
  /** Where each row's buckets begin; one more than rows. */
  readonly starts: Int32Array;
  readonly ids: Int32Array;
  /** Standardised shapes, row by row. */
  readonly shapes: Float64Array;
};

/** A linear function of features. */
export type Linear = {
  /** By bucket, for a prompt's distinct buckets, each with the weight 1 / √count. */
  readonly buckets: Float64Array;
  readonly shape: Float64Array;
  readonly bias: number;
};

/** How the shape's numbers are standardised. */
export type ShapeScale = {
  readonly means: readonly number[];
  readonly deviations: readonly number[];
};

/** What weights cost. */
export type RidgeOptions = {
  /** Price of the squares of bucket weights. */
  readonly penalty: number;
  /** Shape weights are had in this unit at the same price: the smaller, the dearer; default 0.3. */
  readonly shapeUnit?: number;
};

const iterationsMax = 16;
const shapeCount = shapeNames.length;
const defaultShapeUnit = 0.3;

/** Means and deviations of the shapes of prompts. */
export function scaleShapes(prompts: readonly string[]): ShapeScale {
  const features = new TextFeatures();
  const sums = new Float64Array(shapeCount);
  const squares = new Float64Array(shapeCount);
  for (const prompt of prompts) {
    features.read(prompt);
    for (const [place, value] of features.shape.entries()) {
      sums[place] = (sums[place] ?? 0) + value;
      squares[place] = (squares[place] ?? 0) + value * value;
    }
  }
  const means = Array.from(sums, (sum) => sum / prompts.length);
  const deviations = Array.from(squares, (square, place) => {
    const mean = means[place] ?? 0;
    return Math.sqrt(Math.max(1e-6, square / prompts.length - mean * mean));
  });
  return { means, deviations };
}

/** Reads the features of prompts. */
export function createDesign(prompts: readonly string[], scale: ShapeScale): Design {
  const features = new TextFeatures();
  const starts = new Int32Array(prompts.length + 1);
  const shapes = new Float64Array(prompts.length * shapeCount);
  const parts: Int32Array[] = [];
  for (const [row, prompt] of prompts.entries()) {
    features.read(prompt);
    parts.push(features.ids.slice(0, features.count));
    starts[row + 1] = (starts[row] ?? 0) + features.count;
    for (const [place, value] of features.shape.entries()) {
      const [mean = 0, deviation = 1] = [scale.means[place], scale.deviations[place]];
      shapes[row * shapeCount + place] = standardise(value, mean, deviation);
    }
  }
  const ids = new Int32Array(starts[prompts.length] ?? 0);
  for (const [row, part] of parts.entries()) ids.set(part, starts[row]);
  return { rows: prompts.length, starts, ids, shapes };
}

/** The function with the least weighted squares of errors plus penalty. */
export function fitRidge(
  design: Design,
  targets: Float64Array,
  weights: Float64Array,
  { penalty, shapeUnit = defaultShapeUnit }: RidgeOptions,
): Linear {
  const size = bucketCount + shapeCount + 1;
  const solution = new Float64Array(size);
  const residual = new Float64Array(size);
  addRows(design, multiply(weights, targets), residual, shapeUnit);
  const direction = residual.slice();
  let norm = dot(residual, residual);
  for (let round = 0; round < iterationsMax && norm > 1e-9; round += 1) {
    const image = new Float64Array(size);
    const errors = multiply(weights, predict(design, direction, shapeUnit));
    addRows(design, errors, image, shapeUnit);
    for (let at = 0; at < size - 1; at += 1) {
      image[at] = (image[at] ?? 0) + penalty * (direction[at] ?? 0);
    }
    const step = norm / dot(direction, image);
    for (let at = 0; at < size; at += 1) {
      solution[at] = (solution[at] ?? 0) + step * (direction[at] ?? 0);
      residual[at] = (residual[at] ?? 0) - step * (image[at] ?? 0);
    }
    const next = dot(residual, residual);
    for (let at = 0; at < size; at += 1) {
      direction[at] = (residual[at] ?? 0) + (next / norm) * (direction[at] ?? 0);
    }
    norm = next;
  }
  return {
    buckets: solution.slice(0, bucketCount),
    shape: solution.slice(bucketCount, size - 1).map((weight) => weight * shapeUnit),
    bias: solution[size - 1] ?? 0,
  };
}

/** What a function gives for each row. */
export function evaluate(design: Design, { buckets, shape, bias }: Linear): Float64Array {
  const flat = new Float64Array(bucketCount + shapeCount + 1);
  flat.set(buckets);
  flat.set(shape, bucketCount);
  flat[bucketCount + shapeCount] = bias;
  return predict(design, flat, 1);
}

/** one + factor · other. */
export function addLinear(one: Linear, other: Linear, factor: number): Linear {
  const add = (left: Float64Array, right: Float64Array) =>
    left.map((weight, at) => weight + factor * (right[at] ?? 0));
  return {
    buckets: add(one.buckets, other.buckets),
    shape: add(one.shape, other.shape),
    bias: one.bias + factor * other.bias,
  };
}

function predict(
  { rows, starts, ids, shapes }: Design,
  flat: Float64Array,
  shapeUnit: number,
): Float64Array {
  const values = new Float64Array(rows);
  for (let row = 0; row < rows; row += 1) {
    const [start, end] = [starts[row] ?? 0, starts[row + 1] ?? 0];
    let sum = 0;
    for (let at = start; at < end; at += 1) sum += flat[ids[at] ?? 0] ?? 0;
    let value = sum / Math.sqrt(Math.max(1, end - start)) + (flat[bucketCount + shapeCount] ?? 0);
    for (let place = 0; place < shapeCount; place += 1) {
      value +=
        shapeUnit * (shapes[row * shapeCount + place] ?? 0) * (flat[bucketCount + place] ?? 0);
    }
    values[row] = value;
  }
  return values;
}

/** Adds each row's features, times its factor. */
function addRows(
  { rows, starts, ids, shapes }: Design,
  factors: Float64Array,
  into: Float64Array,
  shapeUnit: number,
): void {
  for (let row = 0; row < rows; row += 1) {
    const factor = factors[row] ?? 0;
    const [start, end] = [starts[row] ?? 0, starts[row + 1] ?? 0];
    const share = factor / Math.sqrt(Math.max(1, end - start));
    for (let at = start; at < end; at += 1) {
      const id = ids[at] ?? 0;
      into[id] = (into[id] ?? 0) + share;
    }
    for (let place = 0; place < shapeCount; place += 1) {
      const target = bucketCount + place;
      into[target] =
        (into[target] ?? 0) + shapeUnit * factor * (shapes[row * shapeCount + place] ?? 0);
    }
    into[bucketCount + shapeCount] = (into[bucketCount + shapeCount] ?? 0) + factor;
  }
}

function multiply(one: Float64Array, other: Float64Array): Float64Array {
  return one.map((value, at) => value * (other[at] ?? 0));
}

function dot(one: Float64Array, other: Float64Array): number {
  let sum = 0;
  for (let at = 0; at < one.length; at += 1) sum += (one[at] ?? 0) * (other[at] ?? 0);
  return sum;
}
