// Disk space that is kept back, so that requests in flight can still be recorded when the disk is full.
import { closeSync, fsyncSync, openSync, rmSync, statfsSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { isNoSpace } from "../platform/lmdb-commit.ts";

/** A file that takes room until it is needed. */
export interface Reserve {
  /** Makes the file if it is missing; false if there is no room for it. */
  fill(): boolean;
  /** Deletes the file. */
  release(): void;
  /** Whether the disk has less room than the reserve itself. */
  diskIsFull(): boolean;
}

const chunkBytes = 1024 * 1024;

/** The reserve in a folder. */
export function createReserve(folder: string, sizeBytes: number): Reserve {
  const path = join(folder, "reserve");
  function fill(): boolean {
    if (statSync(path, { throwIfNoEntry: false })?.size === sizeBytes) return true;
    try {
      writeZeros(path, sizeBytes);
      return true;
    } catch (error) {
      rmSync(path, { force: true });
      if (isNoSpace(error)) return false;
      throw error;
    }
  }
  function diskIsFull(): boolean {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize < sizeBytes;
  }
  return { fill, release: () => rmSync(path, { force: true }), diskIsFull };
}

/** Zeros are written, as a file with a hole takes no room. */
function writeZeros(path: string, sizeBytes: number): void {
  const zeros = new Uint8Array(Math.min(chunkBytes, sizeBytes));
  const file = openSync(path, "w", 0o600);
  try {
    for (let left = sizeBytes; left > 0; ) {
      left -= writeSync(file, zeros, 0, Math.min(left, zeros.length));
    }
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
