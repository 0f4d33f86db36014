// Kept content of one machine, in an LMDB environment of its own.
import { type Database, open, type RootDatabase } from "lmdb";
import type { Clock } from "../platform/clock.ts";
import { commit } from "../platform/lmdb-commit.ts";
import { type ContentStore, contentBytesMax, type RequestContent } from "./content-store.ts";

/** How to open the store. */
export type LmdbContentOptions = {
  /** Folder of the environment; made if it is missing. */
  readonly path: string;
  readonly clock: Pick<Clock, "wallMs">;
  /** Bytes of all that is kept; beyond, what expires first goes. Default 1 GiB: 100,000 requests of 10 kB. */
  readonly sizeBytesMax?: number | undefined;
};

/** Whose request it is. */
type Name = [accountId: string, requestId: string];
/** When it expires, and whose it is: the order in which requests are deleted. */
type Place = [expiresAtMs: number, ...Name];

/** Requests that one step of `sweep` deletes. */
const sweepRowsMax = 1_000;
/** What the rows of a request take at most, pages that are split for them included. */
const roomPerRowBytes = 4 * contentBytesMax;

/** Opens the store. */
export function openLmdbContent(options: LmdbContentOptions): LmdbContent {
  return new LmdbContent(options);
}

/** The store of one process. */
export class LmdbContent implements ContentStore {
  readonly #path: string;
  readonly #clock: Pick<Clock, "wallMs">;
  readonly #sizeBytesMax: number;
  readonly #env: RootDatabase;
  readonly #contents: Database<RequestContent, Name>;
  /** Place → bytes. */
  readonly #places: Database<number, Place>;
  #sizeBytes = 0;

  constructor({ path, clock, sizeBytesMax = 1024 ** 3 }: LmdbContentOptions) {
    this.#path = path;
    this.#clock = clock;
    this.#sizeBytesMax = sizeBytesMax;
    this.#env = open({ path, maxDbs: 2, overlappingSync: false, eventTurnBatching: false });
    this.#contents = this.#env.openDB({ name: "contents" });
    this.#places = this.#env.openDB({ name: "places" });
    for (const { value } of this.#places.getRange()) this.#sizeBytes += value;
  }

  async put(accountId: string, content: RequestContent): Promise<void> {
    await commit(this.#env, this.#path, roomPerRowBytes, () => {
      this.#delete([accountId, content.requestId]);
      void this.#contents.put([accountId, content.requestId], content);
      const bytes = sizeOf(content);
      void this.#places.put([content.expiresAtMs, accountId, content.requestId], bytes);
      this.#sizeBytes += bytes;
      if (this.#sizeBytes <= this.#sizeBytesMax) return;
      for (const [, ...name] of this.#places.getKeys()) {
        this.#delete(name);
        if (this.#sizeBytes <= this.#sizeBytesMax) break;
      }
    });
  }

  get(accountId: string, requestId: string): RequestContent | undefined {
    const found = this.#contents.get([accountId, requestId]);
    return found !== undefined && found.expiresAtMs > this.#clock.wallMs() ? found : undefined;
  }

  remove(accountId: string, requestId: string): Promise<void> {
    return this.#change(() => this.#delete([accountId, requestId]));
  }

  accountIds(): string[] {
    return [...new Set([...this.#contents.getKeys()].map(([accountId]) => accountId))];
  }

  removeAll(accountId: string): Promise<void> {
    return this.#change(() => {
      // Arrays sort element by element: all names of the account lie between these.
      const range = { start: [accountId] as never, end: [accountId, "\u{10ffff}"] as Name };
      for (const name of [...this.#contents.getKeys(range)]) this.#delete(name);
    });
  }

  async sweep(): Promise<boolean> {
    const end: Place = [this.#clock.wallMs() + 1, "", ""];
    const expired = [...this.#places.getKeys({ end, limit: sweepRowsMax })];
    if (expired.length === 0) return false;
    await this.#change(() => {
      for (const [, ...name] of expired) this.#delete(name);
    });
    return expired.length === sweepRowsMax;
  }

  async close(): Promise<void> {
    await this.#env.close();
  }

  #change(write: () => void): Promise<void> {
    return commit(this.#env, this.#path, roomPerRowBytes, write);
  }

  /** Within a transaction. */
  #delete(name: Name): void {
    const content = this.#contents.get(name);
    if (content === undefined) return;
    void this.#contents.remove(name);
    void this.#places.remove([content.expiresAtMs, ...name]);
    this.#sizeBytes -= sizeOf(content);
  }
}

function sizeOf({ prompt, answer }: RequestContent): number {
  return Buffer.byteLength(prompt) + Buffer.byteLength(answer);
}
