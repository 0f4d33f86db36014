// The directory of one machine as a process reads it that does not own it.
import type { DirectoryRecord } from "../gen/optamil/v1/directory_pb.ts";
import type { Directory } from "./directory.ts";
import { KeptState } from "./kept-state.ts";
import { LmdbTables } from "./lmdb-tables.ts";

/** How to follow a directory. */
export type LmdbFollowerOptions = {
  /** Folder of the environment, which its owner has opened before. */
  readonly path: string;
  /** Has the owner make a change. Resolves when `noted` was called with it. */
  readonly append: Directory["append"];
};

/** The directory of another process, which tells of each change by `noted`. */
export class LmdbFollower extends KeptState implements Directory {
  readonly append: Directory["append"];
  readonly #tables: LmdbTables;

  constructor({ path, append }: LmdbFollowerOptions) {
    const tables = new LmdbTables(path, { readOnly: true });
    super(tables);
    this.#tables = tables;
    this.append = append;
  }

  /** Takes over a change that the owner has written. */
  noted(record: DirectoryRecord): void {
    this.#tables.refresh();
    this.noteForeign(record);
  }

  close(): Promise<void> {
    return this.#tables.close();
  }
}
