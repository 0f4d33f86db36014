/** A folder with an LMDB directory in it, for one test. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openLmdbDirectory } from "../../src/directory/lmdb.ts";
import type { DirectoryHome } from "../contracts/directory.ts";

/** A new folder with no directory in it yet. */
export async function createLmdbHome(): Promise<DirectoryHome & { readonly path: string }> {
  const folder = await mkdtemp(join(tmpdir(), "optamil-directory-"));
  const path = join(folder, "directory");
  return {
    path,
    open: async (clock) => openLmdbDirectory({ path, clock }),
    remove: () => rm(folder, { recursive: true }),
  };
}
