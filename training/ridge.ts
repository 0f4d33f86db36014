// Ridge regression over hashed n-grams and dense measures, by conjugate gradients.
import { bucketCount, createPromptReader, denseNames } from "../src/router/prompt-reader.ts";

/** Prompts as sparse rows: binary n-grams divided by the root of their number, and dense columns. */
export type Matrix = {
  readonly rowCount: number;
  readonly starts: Int32Array;
  readonly columns: Uint16Array;
  readonly scales: Float64Array;
  readonly dense: Float64Array;
  /** Weight of each n-gram: rarer ones count more. */
  readonly idf: Float64Array;
};

const denseCount = denseNames.length;
/** How much the dense columns count beside the n-grams. */
const denseScale = 1;

/** The matrix of these prompts. */
export function toMatrix(prompts: readonly string[]): Matrix {
  const reader = createPromptReader();
  const rows: Uint16Array[] = [];
  const dense = new Float64Array(prompts.length * denseCount);
  const seen = new Float64Array(bucketCount);
  for (const [index, prompt] of prompts.entries()) {
    reader.read(prompt);
    const row = reader.grams.slice(0, reader.gramCount).sort();
    for (const column of row) seen[column] = (seen[column] ?? 0) + 1;
    rows.push(row);
    dense.set(reader.dense, index * denseCount);
  }
  const starts = new Int32Array(rows.length + 1);
  for (const [index, row] of rows.entries()) starts[index + 1] = (starts[index] ?? 0) + row.length;
  const columns = new Uint16Array(starts[rows.length] ?? 0);
  for (const [index, row] of rows.entries()) columns.set(row, starts[index] ?? 0);
  const scales = Float64Array.from(rows, (row) => 1 / Math.sqrt(Math.max(1, row.length)));
  const idf = seen.map((count) => Math.log((1 + rows.length) / (1 + count)) / 3);
  return { rowCount: rows.length, starts, columns, scales, dense, idf };
}

/** Weights of one axis: n-grams, then dense columns. */
export type Axis = Float64Array;

/** What an axis says of the rows given. */
export function project(matrix: Matrix, axis: Axis, rows: Int32Array): Float64Array {
  const { starts, columns, scales, dense, idf } = matrix;
  const out = new Float64Array(rows.length);
  for (let at = 0; at < rows.length; at++) {
    const row = rows[at] ?? 0;
    let sum = 0;
    for (let index = starts[row] ?? 0; index < (starts[row + 1] ?? 0); index++) {
      const column = columns[index] ?? 0;
      sum += (axis[column] ?? 0) * (idf[column] ?? 0);
    }
    sum *= scales[row] ?? 0;
    for (let d = 0; d < denseCount; d++) {
      sum += (axis[bucketCount + d] ?? 0) * (dense[row * denseCount + d] ?? 0) * denseScale;
    }
    out[at] = sum;
  }
  return out;
}

function addTransposed(matrix: Matrix, rows: Int32Array, values: Float64Array, out: Axis): void {
  const { starts, columns, scales, dense, idf } = matrix;
  for (let at = 0; at < rows.length; at++) {
    const row = rows[at] ?? 0;
    const value = values[at] ?? 0;
    const scaled = value * (scales[row] ?? 0);
    for (let index = starts[row] ?? 0; index < (starts[row + 1] ?? 0); index++) {
      const column = columns[index] ?? 0;
      out[column] = (out[column] ?? 0) + scaled * (idf[column] ?? 0);
    }
    for (let d = 0; d < denseCount; d++) {
      const column = bucketCount + d;
      out[column] = (out[column] ?? 0) + value * (dense[row * denseCount + d] ?? 0) * denseScale;
    }
  }
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let at = 0; at < a.length; at++) sum += (a[at] ?? 0) * (b[at] ?? 0);
  return sum;
}

/** What a fit needs: the rows, a target and a weight for each of them, and the penalty. */
export type Fit = {
  readonly rows: Int32Array;
  readonly targets: Float64Array;
  readonly weights?: Float64Array;
  readonly penalty: number;
};

const stepsMax = 25;

/** The axis that minimises Σ weight·(axis·row − target)² + penalty·|axis|². */
export function fitRidge(matrix: Matrix, fit: Fit): Axis {
  const { rows, targets, weights, penalty } = fit;
  const size = bucketCount + denseCount;
  const axis = new Float64Array(size);
  const residual = new Float64Array(size);
  const weigh = (values: Float64Array): Float64Array =>
    weights === undefined ? values : values.map((value, at) => value * (weights[at] ?? 0));
  addTransposed(matrix, rows, weigh(targets), residual);
  const direction = residual.slice();
  let size2 = dot(residual, residual);
  const enough = size2 * 1e-8;
  for (let step = 0; step < stepsMax && size2 > enough; step++) {
    const image = direction.map((value, at) => value * (at < bucketCount ? penalty : penalty / 10));
    addTransposed(matrix, rows, weigh(project(matrix, direction, rows)), image);
    const length = size2 / dot(direction, image);
    for (let at = 0; at < size; at++) {
      axis[at] = (axis[at] ?? 0) + length * (direction[at] ?? 0);
      residual[at] = (residual[at] ?? 0) - length * (image[at] ?? 0);
    }
    const next = dot(residual, residual);
    const turn = next / size2;
    for (let at = 0; at < size; at++) {
      direction[at] = (residual[at] ?? 0) + turn * (direction[at] ?? 0);
    }
    size2 = next;
  }
  return axis;
}
