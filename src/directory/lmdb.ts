// The directory of one machine: log and state in an LMDB environment that this process owns.
import type { DirectoryRecord } from "../gen/optamil/v1/directory_pb.ts";
import type { Clock } from "../platform/clock.ts";
import { OptamilError } from "../platform/errors.ts";
import type { Directory, DirectoryChange, DirectoryWrite } from "./directory.ts";
import { KeptState } from "./kept-state.ts";
import { LmdbTables } from "./lmdb-tables.ts";
import { createRecordSource } from "./record.ts";

/** How to open the directory. */
export type LmdbDirectoryOptions = {
  /** Folder of the environment; made if it is missing. */
  readonly path: string;
  /** Stamps the records. */
  readonly clock: Clock;
};

/** Records that share one commit: what a burst of changes waits for is one flush, not many. */
const roundRecordsMax = 1_000;

type Waiting = {
  readonly record: DirectoryRecord;
  resolve(): void;
  reject(reason: unknown): void;
};

/** Opens the directory; rebuilds the state from the log where it is missing or of another release. */
export function openLmdbDirectory(options: LmdbDirectoryOptions): Directory {
  return new LmdbDirectory(options);
}

class LmdbDirectory extends KeptState implements Directory {
  readonly #tables: LmdbTables;
  readonly #toRecord: ReturnType<typeof createRecordSource>;
  #waiting: Waiting[] = [];
  #writing: Promise<void> | undefined;

  constructor({ path, clock }: LmdbDirectoryOptions) {
    const tables = new LmdbTables(path);
    super(tables);
    this.#tables = tables;
    this.#toRecord = createRecordSource(clock);
  }

  append(change: DirectoryChange, write: DirectoryWrite): Promise<void> {
    const record = this.#toRecord(change, write);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ record, resolve, reject });
      this.#writing ??= this.#writeAll();
    });
  }

  async close(): Promise<void> {
    await this.#writing;
    await this.#tables.close();
  }

  async #writeAll(): Promise<void> {
    // Appends of the same turn of the event loop share the first round.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      await this.#writeRound(this.#waiting.splice(0, roundRecordsMax));
    }
    this.#writing = undefined;
  }

  /** Settles every append of the round; never throws. */
  async #writeRound(round: readonly Waiting[]): Promise<void> {
    const records = round.map(({ record }) => record);
    try {
      const refusals = await this.apply(records, false);
      for (const [at, { resolve, reject }] of round.entries()) {
        const refusal = refusals[at];
        if (refusal === undefined) resolve();
        else reject(refusal);
      }
    } catch (cause) {
      const message = "Changes cannot be saved.";
      const refusal = new OptamilError("service_unavailable", message, { cause });
      for (const { reject } of round) reject(refusal);
    }
  }
}
