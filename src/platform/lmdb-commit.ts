// Commits to LMDB environments without ever letting the disk fill up under them.
import { statfsSync } from "node:fs";

/** What is needed of an environment. */
type Batching = { batch(write: () => void): Promise<unknown> };

const enospc = 28;
const edquot = 122;
/** Pages that a commit copies whatever it writes: branches of every table, the list of free pages. */
const ownRoomBytes = 1024 * 1024;

/** Room of the commits that are on their way, as if they all went to one disk. */
let promisedBytes = 0;

/** Like the file system's own error, but before anything was written. */
class NoRoom extends Error {
  override readonly name = "NoRoom";
  readonly code = "ENOSPC";
}

/**
 * Writes in one transaction; resolves when it is on disk. Throws what it failed of, ENOSPC before the disk is
 * full: lmdb 3.5.6 corrupts its heap, one time in four, when a write of a commit finds no room.
 *
 * @param roomBytes what the written rows may take at most, pages that are split for them included
 */
export async function commit(
  env: Batching,
  folder: string,
  roomBytes: number,
  write: () => void,
): Promise<void> {
  requireRoom(folder, roomBytes);
  promisedBytes += roomBytes;
  try {
    await env.batch(write);
  } catch (error) {
    throw await causeOf(error);
  } finally {
    promisedBytes -= roomBytes;
  }
}

/** Whether a commit of so many bytes fits. Costs 2 µs. */
export function hasRoom(folder: string, roomBytes: number): boolean {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize >= promisedBytes + roomBytes + ownRoomBytes;
}

/** Throws ENOSPC unless a commit of so many bytes fits. */
export function requireRoom(folder: string, roomBytes: number): void {
  if (!hasRoom(folder, roomBytes)) throw new NoRoom(`no room on the disk of ${folder}: free some`);
}

/** Whether an error of LMDB or of the file system says that there is no room. */
export function isNoSpace(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === enospc || code === edquot || code === "ENOSPC" || code === "EDQUOT";
}

/** lmdb rejects a failed commit with a second promise in the error, which rejects with the reason a little later. */
async function causeOf(error: unknown): Promise<unknown> {
  const below = error instanceof Error && "commitError" in error ? error.commitError : undefined;
  if (!(below instanceof Promise)) return error;
  return below.then(
    () => error,
    (cause: unknown) => cause,
  );
}
