// Files whose content is read again and again, because it may change while the process runs.
import { readFile, stat } from "node:fs/promises";

/** What a file holds: its text, or why there is none. */
export type FileContent = { readonly text: string } | { readonly problem: string };

/** What files hold, by their paths. */
export type FileContents = ReadonlyMap<string, FileContent>;

/** Most bytes of a file. */
const fileBytesMax = 4 * 1024 * 1024;

/** Reads files; what cannot be read says why. */
export async function readFiles(paths: readonly string[]): Promise<FileContents> {
  return new Map(await Promise.all(paths.map(async (path) => [path, await read(path)] as const)));
}

async function read(path: string): Promise<FileContent> {
  try {
    const status = await stat(path);
    // A pipe would be waited for, for ever.
    if (!status.isFile()) return { problem: "it is not a regular file" };
    if (status.size > fileBytesMax) return { problem: `it is larger than ${fileBytesMax} bytes` };
    return { text: await readFile(path, "utf8") };
  } catch (cause) {
    return { problem: cause instanceof Error ? cause.message : String(cause) };
  }
}

/**
 * Notices that files hold something new.
 *
 * It compares what they hold, not when they were written or which file a name leads to: an editor that puts
 * another file in place, and a volume of Kubernetes whose symbolic link is turned, look like any other change.
 */
export class WatchedFiles {
  #known: FileContents;
  #seen: FileContents;

  constructor(known: FileContents) {
    this.#known = known;
    this.#seen = known;
  }

  /** What is taken for known from here on; these files are watched. */
  know(contents: FileContents): void {
    this.#known = contents;
    this.#seen = contents;
  }

  /** What the watched files hold now. */
  read(): Promise<FileContents> {
    return readFiles([...this.#known.keys()]);
  }

  /**
   * Looks at the files; to be called every so often. Gives what they hold if that is new and was the same at the last
   * call, lest a file is taken that is half written.
   */
  async poll(): Promise<FileContents | undefined> {
    const before = this.#seen;
    const now = await this.read();
    this.#seen = now;
    return !isSame(now, this.#known) && isSame(now, before) ? now : undefined;
  }
}

function isSame(one: FileContents, other: FileContents): boolean {
  return [...one].every(([path, content]) => toText(content) === toText(other.get(path)));
}

function toText(content: FileContent | undefined): string {
  return JSON.stringify(content) ?? "";
}
