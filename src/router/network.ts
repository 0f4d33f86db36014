// The Neural Router's network: from what a prompt looks like to the chance of a good answer in each tier.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { bucketCount, shapeNames, TextFeatures } from "./text-features.ts";

/** What the weights file says of itself, beside the weights. */
export type NetworkHeader = {
  /** Names of the training sources: each has three axes, need, ease and likeness, then there is one for length. */
  readonly sources: readonly string[];
  /** What a weight of 1 in the table stands for, by axis. */
  readonly scales: readonly number[];
  readonly biases: readonly number[];
  /** Weights of the shape's numbers, by axis. */
  readonly shape: readonly (readonly number[])[];
  readonly shapeMeans: readonly number[];
  readonly shapeDeviations: readonly number[];
  /** Of each source and tier: the logit's intercept and its slopes along ease and need. */
  readonly tiers: readonly (readonly (readonly [number, number, number])[])[];
  /** Of each tier: intercept and slope that calibrate the mixed logit. */
  readonly calibration: readonly (readonly [number, number])[];
  /** How sharply likeness decides between sources. */
  readonly sharpness: number;
  /** What length adds to the need of a strong model. */
  readonly lengthWeight: number;
  /** Price of a point of cost, in chance of a good answer, at quality 0, 0.05, … 1. */
  readonly lambdas: readonly number[];
  /** SHA-256 of the training manifest. */
  readonly manifest: string;
};

/** What the network says of a prompt. */
export type Assessment = {
  /** How much a strong model would do better than a weak one: 0 on average, in standard deviations. */
  readonly need: number;
  /** Chance of a good answer by tier, free to ultra; never falling. */
  readonly chances: readonly number[];
  /** Expected length of the answer, tokens. */
  readonly outputTokens: number;
  /** The numbers about the prompt's shape that moved its need most, with their sign: "+digits -options". */
  readonly reasons: string;
};

const magic = "ONR1";
const charsPerToken = 4;
const reasonsMax = 3;
const tierCount = 5;
const flat = [0, 0, 0] as const;
const unchanged = [0, 1] as const;
const reasonNames = shapeNames.map((name) => name.replace(" ", "-"));
/** Need, ease and likeness, in this order. */
export const axesPerSource = 3;

/** The network; one thread uses it at a time. */
export class Network {
  readonly header: NetworkHeader;
  /** The first 12 hexadecimal digits of its file's SHA-256; empty: it has no file. */
  readonly id: string;
  readonly #table: Int8Array;
  readonly #axes: number;
  readonly #features = new TextFeatures();
  readonly #sums: Int32Array;
  readonly #values: Float64Array;
  /** The numbers about the prompt's shape, standardised. */
  readonly #shape = new Float64Array(shapeNames.length);
  /** How much each of them moved the need. */
  readonly #moved = new Float64Array(shapeNames.length);
  /** Weights of the shape's numbers, by axis, then number. */
  readonly #shapeWeights: Float64Array;
  readonly #shapeMeans: Float64Array;
  readonly #shapeDeviations: Float64Array;
  readonly #biases: Float64Array;
  readonly #scales: Float64Array;
  readonly #shares: Float64Array;
  /** Chance of a good answer by tier, free to ultra, for the prompt that was read last; never falling. */
  readonly chances = new Float64Array(tierCount);
  /** Need and length of the answer: in an array, as a number in a field is an object of its own. */
  readonly #said = new Float64Array(2);

  /** `table`: weights by bucket, then axis. */
  constructor(header: NetworkHeader, table: Int8Array, id = "") {
    this.header = header;
    this.id = id;
    this.#table = table;
    this.#axes = header.scales.length;
    this.#sums = new Int32Array(this.#axes);
    this.#values = new Float64Array(this.#axes);
    this.#shapeWeights = Float64Array.from(header.shape.flat());
    this.#shapeMeans = Float64Array.from(header.shapeMeans);
    this.#shapeDeviations = Float64Array.from(header.shapeDeviations);
    this.#biases = Float64Array.from(header.biases);
    this.#scales = Float64Array.from(header.scales);
    this.#shares = new Float64Array(header.sources.length);
    if (table.length !== bucketCount * this.#axes) throw new Error("the weights are cut off");
  }

  /** Assesses a prompt, for who keeps what is said. */
  assess(text: string): Assessment {
    this.read(text);
    const { need, chances, outputTokens } = this;
    return { need, chances: [...chances], outputTokens, reasons: this.reasons() };
  }

  /** Reads a prompt: some 20 µs for 2 kB, and nothing is allocated. The next one overwrites what it says. */
  read(text: string): void {
    this.#features.read(text);
    this.#run();
    const values = this.#values;
    const shares = toShares(this.header, values, this.#shares);
    let need = this.header.lengthWeight * (this.#shape[0] ?? 0);
    for (let source = 0; source < shares.length; source += 1) {
      need += (shares[source] ?? 0) * (values[source * axesPerSource] ?? 0);
    }
    const outputChars = Math.exp(Math.min(12, values[this.#axes - 1] ?? 0));
    mixChances(this.header, values, shares, this.chances);
    calibrateChances(this.header.calibration, this.chances, this.chances);
    this.#said[0] = need;
    this.#said[1] = Math.ceil(outputChars / charsPerToken);
  }

  /** Of the prompt that was read last, as all that follows: how much a strong model would do better than a weak one. */
  get need(): number {
    return this.#said[0] ?? 0;
  }

  /** Expected length of the answer, tokens. */
  get outputTokens(): number {
    return this.#said[1] ?? 0;
  }

  /** The numbers about its shape that moved its need most, with their sign. */
  reasons(): string {
    const shares = this.#shares;
    const { lengthWeight } = this.header;
    const moved = this.#moved;
    const weights = this.#shapeWeights;
    for (let place = 0; place < moved.length; place += 1) {
      let weight = place === 0 ? lengthWeight : 0;
      for (let source = 0; source < shares.length; source += 1) {
        const at = source * axesPerSource * moved.length + place;
        weight += (shares[source] ?? 0) * (weights[at] ?? 0);
      }
      moved[place] = weight * (this.#shape[place] ?? 0);
    }
    let reasons = "";
    for (let rank = 0; rank < reasonsMax; rank += 1) {
      const place = largestOf(moved);
      const sign = (moved[place] ?? 0) < 0 ? "-" : "+";
      reasons += `${rank === 0 ? "" : " "}${sign}${reasonNames[place]}`;
      moved[place] = 0;
    }
    return reasons;
  }

  /** The price of cost for a quality of 0 to 1: never rising, 0 at 1; between two steps on the line between them. */
  lambdaOf(quality: number): number {
    const { lambdas } = this.header;
    const place = Math.max(0, Math.min(1, quality)) * (lambdas.length - 1);
    const step = Math.floor(place);
    const low = lambdas[step] ?? 0;
    const high = lambdas[step + 1] ?? low;
    return low + (place - step) * (high - low);
  }

  #run(): void {
    const { ids, count } = this.#features;
    const means = this.#shapeMeans;
    const deviations = this.#shapeDeviations;
    const { shape: read } = this.#features;
    for (let place = 0; place < read.length; place += 1) {
      const mean = means[place] ?? 0;
      this.#shape[place] = standardise(read[place] ?? 0, mean, deviations[place] ?? 1);
    }
    const table = this.#table;
    const sums = this.#sums;
    const axes = this.#axes;
    sums.fill(0);
    for (let at = 0; at < count; at += 1) {
      const row = (ids[at] ?? 0) * axes;
      for (let axis = 0; axis < axes; axis += 1) {
        sums[axis] = (sums[axis] ?? 0) + (table[row + axis] ?? 0);
      }
    }
    const norm = 1 / Math.sqrt(Math.max(1, count));
    for (let axis = 0; axis < axes; axis += 1) {
      let value = (this.#biases[axis] ?? 0) + (sums[axis] ?? 0) * (this.#scales[axis] ?? 0) * norm;
      const first = axis * shapeNames.length;
      for (let place = 0; place < shapeNames.length; place += 1) {
        value += (this.#shapeWeights[first + place] ?? 0) * (this.#shape[place] ?? 0);
      }
      this.#values[axis] = value;
    }
  }
}

/** A number about a prompt's shape in standard deviations, four at most. */
export function standardise(value: number, mean: number, deviation: number): number {
  return Math.max(-4, Math.min(4, (value - mean) / deviation));
}

/** How like each source a prompt looks, of these values of the axes, written into `into`; they add up to 1. */
export function toShares(
  { sources, sharpness }: Pick<NetworkHeader, "sources" | "sharpness">,
  values: Float64Array,
  into: Float64Array = new Float64Array(sources.length),
): Float64Array {
  let total = 0;
  for (let source = 0; source < into.length; source += 1) {
    const likeness = values[source * axesPerSource + 2] ?? 0;
    const weight = Math.exp(sharpness * Math.max(-0.2, Math.min(1.2, likeness)));
    into[source] = weight;
    total += weight;
  }
  for (let source = 0; source < into.length; source += 1) {
    into[source] = (into[source] ?? 0) / total;
  }
  return into;
}

/** The chance of a good answer by tier as the sources see it, mixed by their shares, written into `into`. */
export function mixChances(
  { tiers }: Pick<NetworkHeader, "tiers">,
  values: Float64Array,
  shares: Float64Array,
  into: Float64Array = new Float64Array(tierCount),
): Float64Array {
  for (let tier = 0; tier < into.length; tier += 1) {
    let sum = 0;
    for (let source = 0; source < shares.length; source += 1) {
      const slopes = tiers[source]?.[tier] ?? flat;
      const place = source * axesPerSource;
      const ease = slopes[1] * (values[place + 1] ?? 0);
      const need = slopes[2] * (values[place] ?? 0);
      sum += (shares[source] ?? 0) * sigmoid(slopes[0] + ease + need);
    }
    into[tier] = sum;
  }
  return into;
}

function largestOf(moved: Float64Array): number {
  let largest = 0;
  for (let place = 1; place < moved.length; place += 1) {
    if (Math.abs(moved[place] ?? 0) > Math.abs(moved[largest] ?? 0)) largest = place;
  }
  return largest;
}

/** Mixed chances as they turned out, never falling with the tier, written into `into`, which may be the same. */
export function calibrateChances(
  calibration: NetworkHeader["calibration"],
  mixed: Float64Array,
  into: Float64Array = new Float64Array(mixed.length),
): Float64Array {
  let highest = 0;
  for (let tier = 0; tier < mixed.length; tier += 1) {
    const line = calibration[tier] ?? unchanged;
    const logit = line[0] + line[1] * logitOf(mixed[tier] ?? 0);
    highest = Math.max(highest, sigmoid(logit));
    into[tier] = highest;
  }
  return into;
}

/** Reads a weights file; throws where it has no weights, or none that work. */
export function openNetwork(
  file: URL | string = new URL("./weights.bin", import.meta.url),
): Network {
  const bytes = readFileSync(file);
  if (bytes.subarray(0, 4).toString("latin1") !== magic) throw new Error(`${file} has no weights`);
  const headerBytes = bytes.readUInt32LE(4);
  const id = createHash("sha256").update(bytes).digest("hex").slice(0, 12);
  try {
    const header: NetworkHeader = JSON.parse(bytes.subarray(8, 8 + headerBytes).toString("utf8"));
    const network = new Network(header, new Int8Array(bytes.subarray(8 + headerBytes)), id);
    if (isWhole(header) && isSane(network)) return network;
  } catch (cause) {
    throw new Error(`${file} has weights that do not work: ${cause}`, { cause });
  }
  throw new Error(`${file} has weights that do not work: they are not whole`);
}

function isWhole({ sources, scales, biases, shape, tiers, calibration, lambdas }: NetworkHeader) {
  const axes = sources.length * axesPerSource + 1;
  return (
    [scales, biases, shape].every(({ length }) => length === axes) &&
    tiers.length === sources.length &&
    [...tiers, calibration].every(({ length }) => length === tierCount) &&
    lambdas.length > 1
  );
}

function isSane(network: Network): boolean {
  const { need, chances, outputTokens } = network.assess("Why?");
  return [need, outputTokens, ...chances, ...network.header.lambdas].every(Number.isFinite);
}

/** The bytes of a weights file. */
export function encodeNetwork(header: NetworkHeader, table: Int8Array): Uint8Array {
  const text = Buffer.from(JSON.stringify(header));
  const head = Buffer.alloc(8);
  head.write(magic, "latin1");
  head.writeUInt32LE(text.byteLength, 4);
  return Buffer.concat([head, text, Buffer.from(table.buffer, table.byteOffset, table.byteLength)]);
}

/** The logistic function. */
export function sigmoid(value: number): number {
  return 1 / (1 + Math.exp(-value));
}

/** Its inverse, of chances kept off 0 and 1. */
export function logitOf(chance: number): number {
  const kept = Math.max(1e-4, Math.min(1 - 1e-4, chance));
  return Math.log(kept / (1 - kept));
}
