// Things that end by themselves after a while unless they are renewed.

type Entry<Value> = { readonly value: Value; expiresAtMs: number };

/**
 * Values by id, each with a lease of one and the same length, so that the order of insertion is the order of
 * expiry and every operation is O(1). Times are monotonic milliseconds.
 */
export class LeaseMap<Value> {
  readonly #entries = new Map<string, Entry<Value>>();
  readonly #leaseMs: number;

  constructor(leaseMs: number) {
    this.#leaseMs = leaseMs;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(id: string): Value | undefined {
    return this.#entries.get(id)?.value;
  }

  set(id: string, value: Value, nowMs: number): void {
    this.#entries.delete(id);
    this.#entries.set(id, { value, expiresAtMs: nowMs + this.#leaseMs });
  }

  /** Lengthens a lease; an unknown id is left alone. */
  renew(id: string, nowMs: number): void {
    const entry = this.#entries.get(id);
    if (entry !== undefined) this.set(id, entry.value, nowMs);
  }

  /** Removes a value and gives it. */
  take(id: string): Value | undefined {
    const value = this.get(id);
    this.#entries.delete(id);
    return value;
  }

  /** Removes the values whose lease has ended, oldest first, and gives them. */
  takeExpired(nowMs: number, countMax: number): [string, Value][] {
    const expired: [string, Value][] = [];
    for (const [id, entry] of this.#entries) {
      if (entry.expiresAtMs > nowMs || expired.length === countMax) break;
      this.#entries.delete(id);
      expired.push([id, entry.value]);
    }
    return expired;
  }

  /** Removes the value that was set or renewed first, and gives it. */
  takeOldest(): Value | undefined {
    const first = this.#entries.entries().next();
    if (first.done) return undefined;
    const [id, { value }] = first.value;
    this.#entries.delete(id);
    return value;
  }
}
