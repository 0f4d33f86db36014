// Reads the training data: outcomes of models on public questions, checked against the committed manifest.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

/** One question and what models made of it. */
export type Outcome = {
  readonly prompt: string;
  /** Its subject or task, as the source has it; empty where it has none. */
  readonly group: string;
  /** Mean score of the models of each fifth, weakest first; 0 to 1. */
  readonly fifths: readonly number[];
  /** Mean score of the stronger third less that of the weaker one. */
  readonly gap: number;
  /** Scores of the weaker and the stronger third. */
  readonly weak: number;
  readonly strong: number;
  /** Mean score of all models. */
  readonly ease: number;
  /** Logarithm of the answers' mean characters; undefined where nobody counted. */
  readonly logLength: number | undefined;
};

/** The outcomes of one source. */
export type Source = { readonly name: string; readonly outcomes: readonly Outcome[] };

/** One row of the manifest. */
export type ManifestFile = {
  readonly file: string;
  readonly rows: number;
  readonly sha256: string;
  readonly repository: string;
  readonly path: string;
  readonly commit: string;
  readonly licence: string;
};

type Row = {
  readonly prompt: string;
  readonly group?: string;
  readonly s: Readonly<Record<string, number>>;
  readonly len?: Readonly<Record<string, number>>;
};

const fifthsCount = 5;

/** The committed manifest. */
export function readManifest(): { files: readonly ManifestFile[]; sha256: string } {
  const text = readFileSync(new URL("./manifest.json", import.meta.url), "utf8");
  const files: ManifestFile[] = JSON.parse(text).files;
  return { files, sha256: createHash("sha256").update(text).digest("hex") };
}

/** Reads the manifest's files from a folder; throws with the name of one that is missing or another. */
export function readSources(folder: string, files: readonly ManifestFile[]): Source[] {
  return files.map(({ file, rows, sha256 }) => {
    const bytes = readNamed(folder, file);
    const found = createHash("sha256").update(bytes).digest("hex");
    if (found !== sha256) {
      throw new Error(`${file} is not the file of the manifest: its SHA-256 is ${found}`);
    }
    const lines = gunzipSync(bytes).toString("utf8").split("\n").filter(Boolean);
    if (lines.length !== rows) throw new Error(`${file} has ${lines.length} rows, not ${rows}`);
    return toSource(file.replace(/\.jsonl\.gz$/, ""), lines);
  });
}

/** A source that only measures, outside of the manifest. */
export function readMeasured(folder: string, file: string): Source {
  const lines = gunzipSync(readNamed(folder, file)).toString("utf8").split("\n").filter(Boolean);
  return toSource(file.replace(/\.jsonl\.gz$/, ""), lines);
}

function readNamed(folder: string, file: string): Buffer {
  try {
    return readFileSync(join(folder, file));
  } catch (cause) {
    throw new Error(
      `${file} is missing in ${folder}: src/router/training/manifest.json says where it comes from`,
      { cause },
    );
  }
}

function toSource(name: string, lines: readonly string[]): Source {
  const rows = lines.map((line): Row => JSON.parse(line));
  const strength = new Map<string, { sum: number; count: number }>();
  for (const { s } of rows) {
    for (const [model, score] of Object.entries(s)) {
      const entry = strength.get(model) ?? { sum: 0, count: 0 };
      strength.set(model, { sum: entry.sum + score, count: entry.count + 1 });
    }
  }
  const models = [...strength]
    .map(([model, { sum, count }]) => ({ model, mean: sum / count }))
    .toSorted((one, other) => one.mean - other.mean || (one.model < other.model ? -1 : 1))
    .map(({ model }) => model);
  return { name, outcomes: rows.flatMap((row) => toOutcome(row, models)) };
}

/** Nothing for a question that no weak or no strong model has answered. */
function toOutcome({ prompt, group = "", s, len }: Row, models: readonly string[]): Outcome[] {
  const [weak, strong] = [weakOf(models), strongOf(models)].map((some) => meanOf(s, some));
  const ease = meanOf(s, models);
  if (weak === undefined || strong === undefined || ease === undefined) return [];
  const fifths = Array.from({ length: fifthsCount }, (_, fifth) => {
    const start = Math.floor((fifth * models.length) / fifthsCount);
    const end = Math.ceil(((fifth + 1) * models.length) / fifthsCount);
    const own = models.length < fifthsCount ? undefined : meanOf(s, models.slice(start, end));
    return own ?? weak + ((strong - weak) * fifth) / (fifthsCount - 1);
  });
  const lengths = Object.values(len ?? {}).filter((length) => length > 0);
  const meanLength = lengths.reduce((sum, length) => sum + length, 0) / lengths.length;
  const logLength = lengths.length > 0 ? Math.log(meanLength) : undefined;
  return [{ prompt, group, fifths, gap: strong - weak, weak, strong, ease, logLength }];
}

/** The models that a cheap tier has: neither the weakest quarter, which nobody would ask, nor the strong ones. */
function weakOf(models: readonly string[]): readonly string[] {
  if (models.length === 2) return models.slice(0, 1);
  return models.slice(Math.floor(models.length * 0.25), Math.floor(models.length * 0.6));
}

/** The strongest three tenths. */
function strongOf(models: readonly string[]): readonly string[] {
  return models.slice(models.length === 2 ? 1 : Math.floor(models.length * 0.7));
}

function meanOf(scores: Row["s"], models: readonly string[]): number | undefined {
  const known = models.flatMap((model) => scores[model] ?? []);
  return known.length === 0
    ? undefined
    : known.reduce((sum, score) => sum + score, 0) / known.length;
}
