// Scores a prompt with the learned weights: its need of a strong model and each tier's chance of a good answer.
import { readFileSync } from "node:fs";
import { type TierName, tierNames } from "../catalogue/tiers.ts";
import { bucketCount, createPromptReader, denseNames, type PromptReader } from "./prompt-reader.ts";

/** Sources of outcomes that have axes of their own. */
export const sourceCount = 5;

/** Where the axes stand: of each source its gain, level and gate, then the pooled ones. */
export const axisPlaces = {
  gain: 0,
  level: sourceCount,
  gate: 2 * sourceCount,
  pooledGain: 3 * sourceCount,
  pooledLevel: 3 * sourceCount + 1,
  answerLog: 3 * sourceCount + 2,
} as const;

/** Axes of the network. */
export const axisCount = 3 * sourceCount + 3;

/** Inputs of a tier's head: the bias, four mixed axes, the length, and a weight for each source. */
export const headInputCount = 6 + sourceCount;

/** Everything that was learned. */
export type Weights = {
  /** Factor of each axis' n-gram weights. */
  readonly scales: Float32Array;
  /** Weights of the dense measures, axis by axis. */
  readonly dense: Float32Array;
  /** Weights of the tiers' heads, tier by tier. */
  readonly heads: Float32Array;
  /** Weights of the n-grams, bucket by bucket. */
  readonly grams: Int8Array;
};

const magic = 0x314e524f;
const floatCount = axisCount * (1 + denseNames.length) + tierNames.length * headInputCount;

/** Bytes of a weights file. */
export const weightsSizeBytes = 4 + 4 * floatCount + axisCount * bucketCount;

/** The committed weights. */
export const weightsUrl = new URL("./weights.bin", import.meta.url);

/** The weights in a file's bytes; throws if the file is of another form. */
export function parseWeights(bytes: Uint8Array): Weights {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.byteLength !== weightsSizeBytes || view.getUint32(0, true) !== magic) {
    throw new Error("the router's weights file is not of this version: run router:train");
  }
  let at = 4;
  const floats = (count: number): Float32Array => {
    const values = Float32Array.from({ length: count }, (_, index) =>
      view.getFloat32(at + 4 * index, true),
    );
    at += 4 * count;
    return values;
  };
  return {
    scales: floats(axisCount),
    dense: floats(axisCount * denseNames.length),
    heads: floats(tierNames.length * headInputCount),
    grams: new Int8Array(bytes.buffer, bytes.byteOffset + at, axisCount * bucketCount),
  };
}

/** The bytes of a weights file, little-endian on every machine. */
export function formatWeights({ scales, dense, heads, grams }: Weights): Uint8Array {
  const bytes = new Uint8Array(weightsSizeBytes);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, magic, true);
  let at = 4;
  for (const part of [scales, dense, heads]) {
    for (const value of part) {
      view.setFloat32(at, value, true);
      at += 4;
    }
  }
  bytes.set(new Uint8Array(grams.buffer, grams.byteOffset, grams.byteLength), at);
  return bytes;
}

/** What the network says of the last prompt; the arrays are used again for the next one. */
export type Network = {
  /** Chance of a good answer by tier, 0 to 1, never falling towards stronger tiers. */
  readonly p: Float64Array;
  /** Need of a strong model: what premium and ultra are expected to gain over budget and mid. */
  need: number;
  /** Characters that the answer is expected to have. */
  answerChars: number;
  /** Scores a prompt. */
  score(prompt: string): void;
  /** The dense measures that moved the need of the last prompt most, as "+length -digits". */
  reasons(): string;
};

/** Sharpness of the guess of the source; of 3, 8 and 20 the best one where a source was left out. */
const gateSharpness = 3;
/** Share of the pooled gain beside the mixed one in the reasons. */
const pooledGainWeight = 0.5;

/** Mixes the axes of a prompt to the heads' inputs; without `skip`, a source that is left out. */
export function mixAxes(axes: Float64Array, chars: number, inputs: Float64Array, skip = -1): void {
  let highest = Number.NEGATIVE_INFINITY;
  for (let source = 0; source < sourceCount; source++) {
    const gate = axes[axisPlaces.gate + source] ?? 0;
    if (source !== skip && gate > highest) highest = gate;
  }
  let total = 0;
  let gain = 0;
  let level = 0;
  for (let source = 0; source < sourceCount; source++) {
    const gate = axes[axisPlaces.gate + source] ?? 0;
    const weight = source === skip ? 0 : Math.exp(gateSharpness * (gate - highest));
    inputs[6 + source] = weight;
    total += weight;
    gain += weight * (axes[axisPlaces.gain + source] ?? 0);
    level += weight * (axes[axisPlaces.level + source] ?? 0);
  }
  for (let source = 0; source < sourceCount; source++) {
    inputs[6 + source] = (inputs[6 + source] ?? 0) / total;
  }
  gain /= total;
  level /= total;
  inputs[0] = 1;
  inputs[1] = gain;
  inputs[2] = level;
  inputs[3] = axes[axisPlaces.pooledGain] ?? 0;
  inputs[4] = axes[axisPlaces.pooledLevel] ?? 0;
  inputs[5] = Math.log1p(chars) / 8;
}

/** What a tier counts for the need: premium and ultra against budget and mid. */
const needWeights = [0, -0.5, -0.5, 0.5, 0.5];

/** Writes each tier's chance, never falling towards stronger ones, and returns the need of a strong model. */
export function weighTiers(
  inputs: Float64Array,
  heads: Float32Array | Float64Array,
  p: Float64Array,
): number {
  let least = 0;
  let need = 0;
  for (let tier = 0; tier < p.length; tier++) {
    let logit = 0;
    for (let input = 0; input < headInputCount; input++) {
      logit += (heads[tier * headInputCount + input] ?? 0) * (inputs[input] ?? 0);
    }
    const chance = 1 / (1 + Math.exp(-logit));
    need += (needWeights[tier] ?? 0) * chance;
    least = Math.max(least, chance);
    p[tier] = least;
  }
  return need;
}

/** A network with these weights. Default: the committed ones. */
export function createNetwork(weights: Weights = parseWeights(readFileSync(weightsUrl))): Network {
  return new LearnedNetwork(weights);
}

class LearnedNetwork implements Network {
  readonly p = new Float64Array(tierNames.length);
  need = 0;
  answerChars = 0;
  readonly #weights: Weights;
  readonly #reader: PromptReader = createPromptReader();
  readonly #axes = new Float64Array(axisCount);
  readonly #sums = new Int32Array(axisCount);
  readonly #inputs = new Float64Array(headInputCount);

  constructor(weights: Weights) {
    this.#weights = weights;
  }

  score(prompt: string): void {
    this.#reader.read(prompt);
    this.#project();
    mixAxes(this.#axes, prompt.length, this.#inputs);
    this.need = weighTiers(this.#inputs, this.#weights.heads, this.p);
    const log = this.#axes[axisPlaces.answerLog] ?? 0;
    this.answerChars = Math.expm1(Math.min(9, Math.max(4, log)));
  }

  #project(): void {
    const { grams: weights, scales, dense: denseWeights } = this.#weights;
    const { grams, gramCount, dense } = this.#reader;
    const sums = this.#sums;
    sums.fill(0);
    for (let at = 0; at < gramCount; at++) {
      const base = (grams[at] ?? 0) * axisCount;
      for (let axis = 0; axis < axisCount; axis++) {
        sums[axis] = (sums[axis] ?? 0) + (weights[base + axis] ?? 0);
      }
    }
    const scale = 1 / Math.sqrt(Math.max(1, gramCount));
    for (let axis = 0; axis < axisCount; axis++) {
      let value = (sums[axis] ?? 0) * (scales[axis] ?? 0) * scale;
      const base = axis * dense.length;
      for (let d = 0; d < dense.length; d++) {
        value += (denseWeights[base + d] ?? 0) * (dense[d] ?? 0);
      }
      this.#axes[axis] = value;
    }
  }

  reasons(): string {
    const { dense } = this.#reader;
    const { dense: weights } = this.#weights;
    let first = 1;
    let second = 2;
    const effectOf = (d: number): number => {
      let effect = pooledGainWeight * (weights[axisPlaces.pooledGain * dense.length + d] ?? 0);
      for (let source = 0; source < sourceCount; source++) {
        const weight = weights[(axisPlaces.gain + source) * dense.length + d] ?? 0;
        effect += (this.#inputs[6 + source] ?? 0) * weight;
      }
      return effect * (dense[d] ?? 0);
    };
    for (let d = 1; d < dense.length; d++) {
      const effect = Math.abs(effectOf(d));
      if (effect > Math.abs(effectOf(first))) {
        second = first;
        first = d;
      } else if (d !== first && effect > Math.abs(effectOf(second))) second = d;
    }
    return [first, second].map((d) => `${effectOf(d) < 0 ? "-" : "+"}${denseNames[d]}`).join(" ");
  }
}

/** A tier's chances by name, as the last `score` left them. */
export function chancesOf(network: Network): Record<TierName, number> {
  const [free = 0, budget = 0, mid = 0, premium = 0, ultra = 0] = network.p;
  return { free, budget, mid, premium, ultra };
}
