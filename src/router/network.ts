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

  /** `table`: weights by bucket, then axis. */
  constructor(header: NetworkHeader, table: Int8Array, id = "") {
    this.header = header;
    this.id = id;
    this.#table = table;
    this.#axes = header.scales.length;
    this.#sums = new Int32Array(this.#axes);
    this.#values = new Float64Array(this.#axes);
    if (table.length !== bucketCount * this.#axes) throw new Error("the weights are cut off");
  }

  /** Assesses a prompt: some 25 µs for 2 kB. */
  assess(text: string): Assessment {
    this.#features.read(text);
    this.#run();
    const values = this.#values;
    const shares = toShares(this.header, values);
    let need = this.header.lengthWeight * (this.#shape[0] ?? 0);
    for (const [source, share] of shares.entries()) {
      need += share * (values[source * axesPerSource] ?? 0);
    }
    const outputChars = Math.exp(Math.min(12, values[this.#axes - 1] ?? 0));
    return {
      need,
      chances: calibrateChances(this.header.calibration, mixChances(this.header, values, shares)),
      outputTokens: Math.ceil(outputChars / charsPerToken),
      reasons: this.#reasons(shares),
    };
  }

  #reasons(shares: readonly number[]): string {
    const { shape, lengthWeight } = this.header;
    const moved = reasonNames.map((name, place) => {
      const weight = shares.reduce(
        (sum, share, source) => sum + share * (shape[source * axesPerSource]?.[place] ?? 0),
        place === 0 ? lengthWeight : 0,
      );
      return { name, by: weight * (this.#shape[place] ?? 0) };
    });
    moved.sort((one, other) => Math.abs(other.by) - Math.abs(one.by));
    const most = moved.slice(0, reasonsMax);
    return most.map(({ name, by }) => `${by < 0 ? "-" : "+"}${name}`).join(" ");
  }

  /** The price of cost for a quality of 0 to 1: never rising, 0 at 1; between two steps on the line between them. */
  lambdaOf(quality: number): number {
    const { lambdas } = this.header;
    const place = Math.max(0, Math.min(1, quality)) * (lambdas.length - 1);
    const step = Math.floor(place);
    const [low = 0, high = low] = [lambdas[step], lambdas[step + 1]];
    return low + (place - step) * (high - low);
  }

  #run(): void {
    const { ids, count } = this.#features;
    const { scales, biases, shape, shapeMeans, shapeDeviations } = this.header;
    for (const [place, value] of this.#features.shape.entries()) {
      this.#shape[place] = standardise(value, shapeMeans[place] ?? 0, shapeDeviations[place] ?? 1);
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
      let value = (biases[axis] ?? 0) + (sums[axis] ?? 0) * (scales[axis] ?? 0) * norm;
      const weights = shape[axis] ?? [];
      for (let place = 0; place < shapeNames.length; place += 1) {
        value += (weights[place] ?? 0) * (this.#shape[place] ?? 0);
      }
      this.#values[axis] = value;
    }
  }
}

/** A number about a prompt's shape in standard deviations, four at most. */
export function standardise(value: number, mean: number, deviation: number): number {
  return Math.max(-4, Math.min(4, (value - mean) / deviation));
}

/** How like each source a prompt looks, of these values of the axes; they add up to 1. */
export function toShares(
  { sources, sharpness }: Pick<NetworkHeader, "sources" | "sharpness">,
  values: Float64Array,
): number[] {
  const weights = sources.map((_, source) => {
    const likeness = values[source * axesPerSource + 2] ?? 0;
    return Math.exp(sharpness * Math.max(-0.2, Math.min(1.2, likeness)));
  });
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

/** The chance of a good answer by tier as the sources see it, mixed by their shares. */
export function mixChances(
  { tiers, calibration }: Pick<NetworkHeader, "tiers" | "calibration">,
  values: Float64Array,
  shares: readonly number[],
): number[] {
  return calibration.map((_, tier) =>
    shares.reduce((sum, share, source) => {
      const [base, ofEase, ofNeed] = tiers[source]?.[tier] ?? [0, 0, 0];
      const place = source * axesPerSource;
      const logit = base + ofEase * (values[place + 1] ?? 0) + ofNeed * (values[place] ?? 0);
      return sum + share * sigmoid(logit);
    }, 0),
  );
}

/** Mixed chances as they turned out, never falling with the tier. */
export function calibrateChances(
  calibration: NetworkHeader["calibration"],
  mixed: readonly number[],
): number[] {
  let highest = 0;
  return mixed.map((chance, tier) => {
    const [intercept, slope] = calibration[tier] ?? [0, 1];
    highest = Math.max(highest, sigmoid(intercept + slope * logitOf(chance)));
    return highest;
  });
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

const tierCount = 5;

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
