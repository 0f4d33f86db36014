/** Looks for secrets where none may be: in what a gateway logs, and in what it leaves on disk. */
import { closeSync, openSync, readSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join, relative } from "node:path";

const piece = Buffer.alloc(4 << 20);

/** Secrets by what they are. */
export type Canaries = ReadonlyMap<string, string>;

/** The parts of a key that nobody can do without: a hit of either is a leak. */
export function partsOfKey(name: string, key: string): [string, string][] {
  const [, payload = "", signature = ""] = key.split(".");
  return [
    [`${name} (claims)`, payload],
    // Four of its characters are shown on purpose.
    [`${name} (signature)`, signature.slice(0, -4)],
  ];
}

/** The names of the canaries in a text. */
export function hitsIn(text: string, canaries: Canaries): string[] {
  return [...canaries].flatMap(([name, canary]) => (text.includes(canary) ? [name] : []));
}

/** The lines of JSON in what a process has written: its log, without what a first start prints for its owner. */
export function logLines(written: string): string[] {
  return written.split("\n").filter((line) => line.startsWith("{"));
}

/** Each canary in each file of a folder, as "file: name". A file of an insert that was moved meanwhile is looked at where it is now. */
export async function hitsOnDisk(folder: string, canaries: Canaries): Promise<string[]> {
  const looked = new Set<string>();
  const hits: string[] = [];
  for (let moved = true; moved; ) {
    moved = false;
    const files = await readdir(folder, { recursive: true, withFileTypes: true }).catch(toGone);
    if (files === undefined) {
      moved = true;
      continue;
    }
    const paths = files
      .filter((entry) => entry.isFile())
      .map((file) => join(file.parentPath, file.name));
    for (const path of paths.filter((one) => !looked.has(one))) {
      const names = hitsInFile(path, canaries);
      moved ||= names === undefined;
      if (names === undefined) continue;
      looked.add(path);
      hits.push(...names.map((name) => `${relative(folder, path)}: ${name}`));
    }
  }
  return hits;
}

/**
 * As `hitsIn`, a piece at a time: a log may be larger than the longest text. Without turns of the event loop, as a
 * warehouse has thousands of small files.
 */
function hitsInFile(path: string, canaries: Canaries): string[] | undefined {
  const longest = Math.max(1, ...[...canaries.values()].map((canary) => canary.length));
  const hits = new Set<string>();
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (error) {
    return toGone(error);
  }
  try {
    let end = "";
    for (let size = readSync(file, piece); size > 0; size = readSync(file, piece)) {
      const text = end + piece.toString("latin1", 0, size);
      for (const name of hitsIn(text, canaries)) hits.add(name);
      // What the next piece may be the rest of.
      end = text.slice(-longest);
    }
  } finally {
    closeSync(file);
  }
  return [...hits];
}

function toGone(error: unknown): undefined {
  if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
}
