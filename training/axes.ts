// Fits the network's axes: per source a gain and a level, a guess of the source, and pooled ones.
import { axisCount, axisPlaces, sourceCount } from "../src/router/network.ts";
import { type Axis, fitRidge, type Matrix } from "./ridge.ts";
import type { Example } from "./targets.ts";

/** Penalty of the ridge: of 0.3 to 300 the best on the folds, and flat around it. */
const penalty = 3;
/** How much of an example's own outcome stays beside its group's mean. */
const ownShare = 0.25;
/** Examples of the source's mean that are added to each group. */
const groupPrior = 20;

/** All axes, fitted on these rows; a source without rows gets zeros. */
export function fitAxes(
  matrix: Matrix,
  examples: readonly Example[],
  rows: readonly number[],
  tick: () => void = () => {},
): Axis[] {
  const empty = new Float64Array(0);
  const axes: Axis[] = Array.from({ length: axisCount }, () => empty);
  const fitAt = (place: number, on: readonly number[], targets: Float64Array): void => {
    axes[place] = fitRidge(matrix, { rows: Int32Array.from(on), targets, penalty });
    tick();
  };
  const gain = (row: number): number => examples[row]?.gain ?? 0;
  const level = (row: number): number => examples[row]?.level ?? 0;
  for (let source = 0; source < sourceCount; source++) {
    const own = rows.filter((row) => examples[row]?.source === source);
    fitAt(axisPlaces.gain + source, own, smooth(examples, own, gain, true));
    fitAt(axisPlaces.level + source, own, smooth(examples, own, level, true));
    const isOwn = rows.map((row) => (examples[row]?.source === source ? 1 : 0));
    fitAt(axisPlaces.gate + source, rows, Float64Array.from(isOwn));
  }
  fitAt(axisPlaces.pooledGain, rows, smooth(examples, rows, gain, false));
  fitAt(axisPlaces.pooledLevel, rows, smooth(examples, rows, level, false));
  const measured = rows.filter((row) => !Number.isNaN(examples[row]?.answerLog ?? Number.NaN));
  const logs = Float64Array.from(measured, (row) => examples[row]?.answerLog ?? 0);
  fitAt(axisPlaces.answerLog, measured, logs);
  return axes;
}

/** Targets drawn towards their group's mean; with `keepMean` the source's mean stays in. */
function smooth(
  examples: readonly Example[],
  rows: readonly number[],
  read: (row: number) => number,
  keepMean: boolean,
): Float64Array {
  const groups = new Map<string, { sum: number; count: number }>();
  const keysOf = (row: number): [string, string] => {
    const { source = 0, group = "" } = examples[row] ?? {};
    return [`${source}`, `${source} ${group}`];
  };
  for (const row of rows) {
    for (const key of keysOf(row)) {
      const entry = groups.get(key) ?? { sum: 0, count: 0 };
      entry.sum += read(row);
      entry.count++;
      groups.set(key, entry);
    }
  }
  return Float64Array.from(rows, (row) => {
    const [sourceKey, groupKey] = keysOf(row);
    const source = groups.get(sourceKey) ?? { sum: 0, count: 1 };
    const group = groups.get(groupKey) ?? { sum: 0, count: 1 };
    const mean = source.sum / source.count;
    const groupGain = (group.sum + groupPrior * mean) / (group.count + groupPrior) - mean;
    const value = groupGain + ownShare * (read(row) - mean - groupGain);
    return keepMean ? value + mean : value;
  });
}
