// Reads the outcome data that the router learns from and refuses what the manifest does not name.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

/** One question with the outcome of each model that answered it. */
export type Row = {
  readonly prompt: string;
  /** Task or subject inside the source. */
  readonly group: string;
  /** Score by model, 0 to 1. */
  readonly s: Readonly<Record<string, number>>;
  /** Characters of the answer by model. */
  readonly len?: Readonly<Record<string, number>>;
};

/** One file of rows. */
export type Source = { readonly name: string; readonly rows: readonly Row[] };

/** What the manifest says of one file. */
export type ManifestEntry = {
  readonly file: string;
  readonly rows: number;
  readonly sha256: string;
  readonly repository: string;
  readonly path: string;
  readonly commit: string;
  readonly licence: string;
};

/** The committed manifest. */
const manifestUrl = new URL("../src/router/data-manifest.json", import.meta.url);

/** Entries of a manifest file. */
export function readManifest(url: URL = manifestUrl): readonly ManifestEntry[] {
  // The file is committed beside this program, and a wrong one fails at its first field.
  return JSON.parse(readFileSync(url, "utf8")) as ManifestEntry[];
}

/** The sources in the manifest's order; throws an error that names the first missing or altered file. */
export function readSources(directory: string, manifest = readManifest()): Source[] {
  return manifest.map((entry) => readSource(directory, entry));
}

function readSource(directory: string, entry: ManifestEntry): Source {
  let bytes: Buffer;
  try {
    bytes = readFileSync(join(directory, entry.file));
  } catch (cause) {
    throw new Error(`${entry.file} is missing: it comes from ${entry.repository}, ${entry.path}`, {
      cause,
    });
  }
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  if (sha256 !== entry.sha256) {
    throw new Error(`${entry.file} is altered: its sha256 is ${sha256}, not ${entry.sha256}`);
  }
  const rows = gunzipSync(bytes)
    .toString("utf8")
    .split("\n")
    .filter((line) => line !== "")
    // The hash above says that this is the file whose form is known.
    .map((line) => JSON.parse(line) as Row);
  if (rows.length !== entry.rows) {
    throw new Error(`${entry.file} has ${rows.length} rows, not ${entry.rows}`);
  }
  return { name: entry.file.replace(/\.jsonl\.gz$/, ""), rows };
}
