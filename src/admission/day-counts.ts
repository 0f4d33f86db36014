// Requests in a UTC day, of all accounts or of all keys.

const dayMs = 86_400_000;

/** Counts by id for the current UTC day; at midnight all of them are gone. One entry an id, whoever is idle. */
export class DayCounts {
  #day = Number.NEGATIVE_INFINITY;
  #counts = new Map<string, number>();

  used(wallMs: number, id: string): number {
    this.#advance(wallMs);
    return this.#counts.get(id) ?? 0;
  }

  add(wallMs: number, id: string): void {
    // First: at midnight it begins a new map.
    const used = this.used(wallMs, id);
    this.#counts.set(id, used + 1);
  }

  /** Takes over a count from before a restart, unless more is known. */
  restore(wallMs: number, id: string, count: number): void {
    if (count > this.used(wallMs, id)) this.#counts.set(id, count);
  }

  /** Milliseconds until one more fits under the limit. */
  waitMs(wallMs: number, id: string, limit: number): number {
    return this.used(wallMs, id) < limit ? 0 : this.#endMs() - wallMs;
  }

  /** Milliseconds until the count of the id is 0. */
  resetAfterMs(wallMs: number, id: string): number {
    return this.used(wallMs, id) === 0 ? 0 : this.#endMs() - wallMs;
  }

  #endMs(): number {
    return (this.#day + 1) * dayMs;
  }

  #advance(wallMs: number): void {
    const day = Math.floor(wallMs / dayMs);
    // A clock set back over midnight must not give the day's requests twice; one set back by more than
    // a day was wrong before.
    if (day === this.#day || day === this.#day - 1) return;
    this.#day = day;
    this.#counts = new Map();
  }
}
