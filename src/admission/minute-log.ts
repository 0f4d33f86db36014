// A rolling minute: amounts by the instant at which they were taken, with their running sum.

const windowMs = 60_000;
const firstCapacity = 16;

/**
 * Amounts of the last 60 seconds. What was taken in the same slice of time is one entry, stamped with the
 * end of the slice: so the log never knows less than any 60 seconds up to now hold. Slices of 0 ms make it
 * exact; longer ones bound its entries to 60,000 ms / slice + 1. Instants are monotonic milliseconds.
 */
export class MinuteLog {
  #stamps = new Float64Array(firstCapacity);
  #amounts = new Float64Array(firstCapacity);
  #head = 0;
  #size = 0;
  #sum = 0;

  /** What counts now: an entry of exactly 60 seconds ago does not. */
  used(nowMs: number): number {
    while (this.#size > 0 && this.#stampAt(0) <= nowMs - windowMs) {
      this.#sum -= this.#amountAt(0);
      this.#head = this.#indexOf(1);
      this.#size -= 1;
    }
    return this.#sum;
  }

  /** Milliseconds until the amount fits under the limit; until the log is empty if it never will. */
  waitMs(nowMs: number, amount: number, limit: number): number {
    let over = this.used(nowMs) + amount - limit;
    if (over <= 0) return 0;
    let entry = 0;
    while (entry < this.#size - 1 && over > this.#amountAt(entry)) {
      over -= this.#amountAt(entry);
      entry += 1;
    }
    return this.#size === 0 ? windowMs : this.#stampAt(entry) + windowMs - nowMs;
  }

  /** Milliseconds until nothing counts. */
  resetAfterMs(nowMs: number): number {
    this.used(nowMs);
    return this.#size === 0 ? 0 : this.#stampAt(this.#size - 1) + windowMs - nowMs;
  }

  /** Adds an amount taken at an instant that is not before the last one's. */
  add(takenAtMs: number, amount: number, sliceMs: number): void {
    const last = this.#size - 1;
    const lastMs = last < 0 ? -Infinity : this.#stampAt(last);
    // Where slices were longer before, the last stamp may be yet to come: entries stay in order.
    const stampMs = Math.max(lastMs, endOfSlice(takenAtMs, sliceMs));
    if (stampMs === lastMs) this.#amounts[this.#indexOf(last)] = this.#amountAt(last) + amount;
    else this.#push(stampMs, amount);
    this.#sum += amount;
  }

  /** Changes what was taken at an instant, down to 0; after 60 seconds, nothing. */
  correct(nowMs: number, takenAtMs: number, difference: number): void {
    this.used(nowMs);
    if (this.#size === 0 || takenAtMs <= nowMs - windowMs) return;
    const entry = this.#entryOf(takenAtMs);
    const before = this.#amountAt(entry);
    const after = Math.max(0, before + difference);
    this.#amounts[this.#indexOf(entry)] = after;
    this.#sum += after - before;
  }

  /** The entry of an instant: the first that is not stamped before it. */
  #entryOf(takenAtMs: number): number {
    let [low, high] = [0, this.#size - 1];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#stampAt(middle) < takenAtMs) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #push(stampMs: number, amount: number): void {
    if (this.#size === this.#stamps.length) this.#grow();
    const index = this.#indexOf(this.#size);
    this.#stamps[index] = stampMs;
    this.#amounts[index] = amount;
    this.#size += 1;
  }

  #grow(): void {
    const [stamps, amounts] = [this.#stamps, this.#amounts];
    const order = Array.from(stamps, (_, entry) => this.#indexOf(entry));
    this.#stamps = new Float64Array(stamps.length * 2);
    this.#amounts = new Float64Array(stamps.length * 2);
    order.forEach((index, entry) => {
      this.#stamps[entry] = stamps[index] ?? 0;
      this.#amounts[entry] = amounts[index] ?? 0;
    });
    this.#head = 0;
  }

  #indexOf(entry: number): number {
    // The capacity is a power of 2.
    return (this.#head + entry) & (this.#stamps.length - 1);
  }

  #stampAt(entry: number): number {
    return this.#stamps[this.#indexOf(entry)] ?? 0;
  }

  #amountAt(entry: number): number {
    return this.#amounts[this.#indexOf(entry)] ?? 0;
  }
}

function endOfSlice(atMs: number, sliceMs: number): number {
  return sliceMs === 0 ? atMs : Math.ceil(atMs / sliceMs) * sliceMs;
}
