// Files that hold a secret: written whole or not at all, and for their owner only.
import { randomUUID } from "node:crypto";
import { link, mkdir, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";

/** Puts a file of mode 0600 in place, durable when this resolves; a crash leaves the old one or none. */
export async function writeSecretFile(path: string, text: string): Promise<void> {
  const unfinished = `${path}.unfinished`;
  await writeUnfinished(unfinished, text);
  await rename(unfinished, path);
  await syncFolder(dirname(path));
}

/** The same where there is no file yet; false if there is one, which stays. */
export async function createSecretFile(path: string, text: string): Promise<boolean> {
  const unfinished = `${path}.${randomUUID()}.unfinished`;
  await writeUnfinished(unfinished, text);
  try {
    // A link, unlike a renaming, does not replace what another process has put there.
    await link(unfinished, path);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  } finally {
    await rm(unfinished, { force: true });
  }
  await syncFolder(dirname(path));
  return true;
}

async function writeUnfinished(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  // What an earlier crash left may have another mode, which opening would keep.
  await rm(path, { force: true });
  const file = await open(path, "wx", 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncFolder(folder: string): Promise<void> {
  const entry = await open(folder, "r");
  try {
    await entry.sync();
  } finally {
    await entry.close();
  }
}

/**
 * The text of a secret file, undefined if there is none.
 *
 * Throws if others can read it. As PostgreSQL has it for `ssl_key_file`, a file of root may be read by
 * its group: so do orchestrators mount secrets.
 */
export async function readSecretFile(path: string): Promise<string | undefined> {
  let file: Awaited<ReturnType<typeof open>>;
  try {
    file = await open(path, "r");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
  try {
    const { mode, uid } = await file.stat();
    if ((mode & (uid === 0 ? 0o037 : 0o077)) !== 0) {
      throw new Error(`${path} can be read by others: chmod 600 ${path}`);
    }
    return await file.readFile("utf8");
  } finally {
    await file.close();
  }
}
