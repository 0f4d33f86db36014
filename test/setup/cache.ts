/** The cache of fetched test tools, shared by all clones of the project on a machine. */
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";

const running = new Map<string, Promise<string>>();

/**
 * The folder of the cache: `OPTAMIL_TEST_CACHE`, else `optamil-tests` in `XDG_CACHE_HOME`, else
 * `~/.cache/optamil-tests`.
 */
export function cacheFolder(): string {
  const { OPTAMIL_TEST_CACHE: own, XDG_CACHE_HOME: xdg } = process.env;
  return own || join(xdg || join(homedir(), ".cache"), "optamil-tests");
}

/**
 * The path of one entry of the cache, filled on first use. `fill` works in a temporary folder that
 * is renamed when it is complete, so that two processes may fill the same entry at once: the second
 * one's work is thrown away, and nobody ever sees half an entry.
 */
export function cached(key: string, fill: (folder: string) => Promise<void>): Promise<string> {
  // A home folder may be shared by machines of several kinds.
  const path = join(cacheFolder(), `${process.platform}-${process.arch}`, key);
  const known = running.get(path);
  if (known) return known;
  const entry = existsSync(path) ? Promise.resolve(path) : fillEntry(path, fill);
  running.set(path, entry);
  return entry;
}

async function fillEntry(path: string, fill: (folder: string) => Promise<void>): Promise<string> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = await mkdtemp(`${path}.partial-`);
  try {
    await fill(temporary);
    await rename(temporary, path).catch((error: unknown) => {
      // Another process was faster: its entry is as good as ours.
      if (!existsSync(path)) throw error;
    });
    return path;
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}
