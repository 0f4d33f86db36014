// A map that forgets what was not asked for lately.

/**
 * A bounded map: about the most recently used entries, never more than `entriesMax`.
 *
 * Two generations instead of one map in order of use: taking a key out of a Map leaves a hole, and
 * finding the oldest among tens of thousands of holes costs more than what the cache saves.
 */
export class RecentMap<Key, Value> {
  readonly #generationMax: number;
  #young = new Map<Key, Value>();
  #old = new Map<Key, Value>();

  /** @param entriesMax at least 2. */
  constructor(entriesMax: number) {
    this.#generationMax = Math.floor(entriesMax / 2);
  }

  /** The value, undefined if it is not there any more; makes it recent. */
  get(key: Key): Value | undefined {
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const old = this.#old.get(key);
    if (old !== undefined) this.set(key, old);
    return old;
  }

  /** Keeps a value; when the young generation is full, the old one is forgotten. */
  set(key: Key, value: Value): void {
    if (this.#young.size >= this.#generationMax && !this.#young.has(key)) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
  }

  /** Forgets an entry. */
  delete(key: Key): void {
    this.#young.delete(key);
    this.#old.delete(key);
  }

  /** Forgets everything. */
  clear(): void {
    this.#young = new Map();
    this.#old = new Map();
  }
}
