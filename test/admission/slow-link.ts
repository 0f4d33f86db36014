/** A connection to a real Redis on which commands stay under way for as long as a test wants. */
import type { RedisConnection } from "../../src/admission/redis/connection.ts";

/** Commands arrive in the order of their sending, whenever that is. */
export class SlowLink implements RedisConnection {
  readonly #connection: RedisConnection;
  #open: Promise<void> | undefined;
  #arrive: () => void = () => undefined;

  constructor(connection: RedisConnection) {
    this.#connection = connection;
  }

  /** From now on nothing arrives. */
  hold(): void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#open = promise;
    this.#arrive = resolve;
  }

  /** All that is under way arrives, and what is sent from now on at once. */
  release(): void {
    this.#open = undefined;
    this.#arrive();
  }

  async run(...command: Parameters<RedisConnection["run"]>) {
    if (this.#open) await this.#open;
    return this.#connection.run(...command);
  }

  async set(key: string, value: string): Promise<void> {
    if (this.#open) await this.#open;
    await this.#connection.set(key, value);
  }

  ready(): Promise<void> {
    return this.#connection.ready();
  }

  sessions(): number {
    return this.#connection.sessions();
  }

  lastRoundTripMs(): number | undefined {
    return this.#open ? undefined : this.#connection.lastRoundTripMs();
  }

  silentMs(): number {
    return this.#open ? Number.POSITIVE_INFINITY : this.#connection.silentMs();
  }

  close(): void {
    this.#connection.close();
  }
}
