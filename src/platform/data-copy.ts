// Copies a folder of state so that the copy can be checked file by file, and comes into being whole or not at all.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { copyFile, mkdir, open, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { OptamilError } from "./errors.ts";

/** What a copy holds; the file `manifest.json` beside the copied ones. */
export type Manifest = {
  /** Shape of the manifest. */
  readonly format: 1;
  /** Version of the program that made the copy. */
  readonly program: string;
  /** When, ISO 8601. */
  readonly madeAt: string;
  readonly files: readonly CopiedFile[];
};

/** A file of a copy. */
export type CopiedFile = {
  /** Relative, with slashes. */
  readonly path: string;
  readonly bytes: number;
  /** Hexadecimal. */
  readonly sha256: string;
};

const manifestName = "manifest.json";
const unfinished = ".unfinished";
/** LMDB makes its lock files anew, and where a gateway listens is true of one moment. */
const passing = /(^|\/)(lock\.mdb|serving\.json)$/;

/** Copies a folder to one that is not there yet or is empty. Throws `invalid_request`, with the remedy. */
export async function copyOut(from: string, to: string, program: string): Promise<Manifest> {
  if (!relative(from, resolve(to)).startsWith("..")) {
    throw invalid(`${to} lies in ${from}: name a folder outside of it`);
  }
  const paths = (await filesOf(from)).filter((path) => !passing.test(path));
  if (paths.length === 0) throw invalid(`${from} is empty: there is nothing to copy`);
  return whole(to, async (folder) => {
    const files: CopiedFile[] = [];
    for (const path of paths) files.push(await copyOne(join(from, path), folder, path));
    const manifest: Manifest = { format: 1, program, madeAt: new Date().toISOString(), files };
    await writeFile(join(folder, manifestName), `${JSON.stringify(manifest, null, 1)}\n`);
    return manifest;
  });
}

/** Copies what `copyOut` made to a folder that is not there yet or is empty. Throws `invalid_request` if a file differs. */
export async function copyBack(from: string, to: string): Promise<Manifest> {
  const manifest = await readManifest(from);
  return whole(to, async (folder) => {
    for (const { path, sha256 } of manifest.files) {
      const copied = await copyOne(join(from, path), folder, path);
      if (copied.sha256 !== sha256) throw invalid(`${join(from, path)} is not what was copied`);
    }
    return manifest;
  });
}

async function readManifest(from: string): Promise<Manifest> {
  const text = await readFile(join(from, manifestName), "utf8").catch(() => undefined);
  if (text === undefined) throw invalid(`${from} holds no ${manifestName}: it is no whole backup`);
  const manifest: Manifest = JSON.parse(text);
  if (manifest.format !== 1) throw invalid(`${from} was made by a newer program: use that one`);
  const outside = manifest.files.find(({ path }) => path.split("/").includes(".."));
  if (outside !== undefined) throw invalid(`${from} names a file outside of it: ${outside.path}`);
  return manifest;
}

/** Fills a folder beside the one that is wanted, and gives it that name at the end. */
async function whole<Result>(
  to: string,
  fill: (folder: string) => Promise<Result>,
): Promise<Result> {
  const present = await readdir(to).catch(() => []);
  if (present.length > 0) throw invalid(`${to} is not empty: name another folder, or move it away`);
  const folder = resolve(to) + unfinished;
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  try {
    const result = await fill(folder);
    await rm(to, { recursive: true, force: true });
    await rename(folder, to);
    await sync(dirname(resolve(to)));
    return result;
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

async function filesOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll("\\", "/"))
    .toSorted();
}

async function copyOne(source: string, folder: string, path: string): Promise<CopiedFile> {
  const target = join(folder, path);
  await mkdir(dirname(target), { recursive: true, mode: 0o700 });
  await copyFile(source, target);
  await sync(target);
  const hash = createHash("sha256");
  let bytes = 0;
  // What was written is hashed, not what was read: a copy that went wrong is noticed.
  for await (const piece of createReadStream(target)) {
    hash.update(piece);
    bytes += piece.length;
  }
  return { path, bytes, sha256: hash.digest("hex") };
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function invalid(message: string): OptamilError {
  return new OptamilError("invalid_request", message);
}
