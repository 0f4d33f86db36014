// Logistic regression on a few numbers, by Newton's method; targets are chances, 0 to 1.
import { sigmoid } from "../network.ts";

const roundsMax = 25;
/** Keeps coefficients finite where the data say nothing. */
const penalty = 1e-2;

/** Coefficients, the intercept first, of the chances that `targets` are means of. */
export function fitLogistic(
  inputs: readonly (readonly number[])[],
  targets: readonly number[],
  weights: readonly number[],
): number[] {
  const size = (inputs[0]?.length ?? 0) + 1;
  let coefficients = new Array<number>(size).fill(0);
  for (let round = 0; round < roundsMax; round += 1) {
    const gradient = coefficients.map((value, at) => (at === 0 ? 0 : -penalty * value));
    const curvature = Array.from({ length: size }, (_, row) => {
      const line = new Array<number>(size).fill(0);
      line[row] = penalty;
      return line;
    });
    for (const [at, input] of inputs.entries()) {
      const row = [1, ...input];
      const chance = sigmoid(
        row.reduce((sum, x, place) => sum + x * (coefficients[place] ?? 0), 0),
      );
      const weight = weights[at] ?? 0;
      const spread = weight * Math.max(1e-6, chance * (1 - chance));
      for (let one = 0; one < size; one += 1) {
        const value = row[one] ?? 0;
        gradient[one] = (gradient[one] ?? 0) + weight * ((targets[at] ?? 0) - chance) * value;
        const line = curvature[one] ?? [];
        for (let other = 0; other < size; other += 1) {
          line[other] = (line[other] ?? 0) + spread * value * (row[other] ?? 0);
        }
      }
    }
    const step = solve(curvature, gradient);
    coefficients = coefficients.map((value, at) => value + (step[at] ?? 0));
    if (Math.max(...step.map(Math.abs)) < 1e-9) break;
  }
  return coefficients;
}

/** Gauss's elimination with the largest pivot. */
function solve(matrix: readonly (readonly number[])[], vector: readonly number[]): number[] {
  const rows = matrix.map((line, at) => [...line, vector[at] ?? 0]);
  const size = rows.length;
  for (let column = 0; column < size; column += 1) {
    const rest = rows.slice(column);
    const best = rest.reduce((top, row) =>
      Math.abs(row[column] ?? 0) > Math.abs(top[column] ?? 0) ? row : top,
    );
    const place = rows.indexOf(best);
    [rows[column], rows[place]] = [best, rows[column] ?? best];
    const pivot = best[column] ?? 1;
    for (const [at, row] of rows.entries()) {
      if (at === column) continue;
      const factor = (row[column] ?? 0) / pivot;
      for (let to = column; to <= size; to += 1)
        row[to] = (row[to] ?? 0) - factor * (best[to] ?? 0);
    }
  }
  return rows.map((row, at) => (row[size] ?? 0) / (row[at] ?? 1));
}
