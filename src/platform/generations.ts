// A value that is exchanged while work goes on: what began with the old one ends with it.

type Generation<Value> = {
  readonly value: Value;
  users: number;
  patience?: ReturnType<typeof setTimeout>;
};

/** How values go out of use. */
export type GenerationsOptions<Value> = {
  /** Called once for each value that nobody uses any more, with those that are still in use. */
  readonly retire: (value: Value, inUse: readonly Value[]) => Promise<void>;
  /** A replaced value is retired after this, milliseconds, even if somebody still uses it. */
  readonly patienceMs: number;
};

/** The current value, and older ones for as long as they are used. */
export class Generations<Value> {
  readonly #options: GenerationsOptions<Value>;
  readonly #old = new Set<Generation<Value>>();
  #current: Generation<Value>;

  constructor(first: Value, options: GenerationsOptions<Value>) {
    this.#options = options;
    this.#current = { value: first, users: 0 };
  }

  /** The newest value, for what is done with it at once. */
  get current(): Value {
    return this.#current.value;
  }

  /** Runs something with the newest value, which is not retired before its end. */
  async use<Result>(run: (value: Value) => Promise<Result>): Promise<Result> {
    const generation = this.#current;
    generation.users += 1;
    try {
      return await run(generation.value);
    } finally {
      generation.users -= 1;
      if (generation.users === 0) void this.#retire(generation);
    }
  }

  /** Puts a value in place of the current one. */
  replace(value: Value): void {
    const replaced = this.#current;
    this.#current = { value, users: 0 };
    this.#old.add(replaced);
    if (replaced.users === 0) void this.#retire(replaced);
    else {
      replaced.patience = setTimeout(() => void this.#retire(replaced), this.#options.patienceMs);
      replaced.patience.unref();
    }
  }

  /** Retires every value, the current one too. */
  async close(): Promise<void> {
    this.#old.add(this.#current);
    await Promise.all([...this.#old].map((generation) => this.#retire(generation)));
  }

  async #retire(generation: Generation<Value>): Promise<void> {
    // The current one stays, and of the others each goes once.
    if (!this.#old.delete(generation)) return;
    clearTimeout(generation.patience);
    const inUse = new Set([this.#current, ...this.#old]);
    inUse.delete(generation);
    await this.#options.retire(
      generation.value,
      [...inUse].map(({ value }) => value),
    );
  }
}
