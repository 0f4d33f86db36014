// Keyed requests in Redis: one hash for each key, which ends by itself.

import { OptamilError } from "../../platform/errors.ts";
import {
  answerBytesMax,
  answerLifeMs,
  type Begun,
  type Idempotency,
  type KeyedTry,
} from "../idempotency.ts";
import { CountersUnreachable } from "../shared-counters.ts";
import { type RedisConnection, type ReplyField, textAt } from "./connection.ts";
import { type Script, scripts } from "./scripts.ts";

/** How the store is made. */
export type RedisIdempotencyOptions = {
  readonly connection: RedisConnection;
  /** Begins every key. Default "optamil". */
  readonly keyPrefix?: string | undefined;
  /** Unix milliseconds. Default the server's own clock; tests move it by hand. */
  readonly wallMs?: (() => number) | undefined;
};

/** A try whose gateway died frees its key after an hour: longer than any answer may take. */
const runningLifeMs = 3_600_000;

/** Ends that the server did not take, remembered at most; beyond it the oldest go. */
const unsavedMax = 10_000;

/**
 * Remembers keyed requests for all gateways. Throws `service_unavailable` when the server does not answer.
 * An end that it did not take is remembered here; other gateways find the key running for an hour.
 */
export class RedisIdempotency implements Idempotency {
  readonly #connection: RedisConnection;
  readonly #prefix: string;
  readonly #wallMs: (() => number) | undefined;
  /** Digests of the bodies by name. */
  readonly #unsaved = new Map<string, string>();

  constructor({ connection, keyPrefix = "optamil", wallMs }: RedisIdempotencyOptions) {
    this.#connection = connection;
    this.#prefix = keyPrefix;
    this.#wallMs = wallMs;
  }

  async begin(attempt: KeyedTry): Promise<Begun> {
    const { bodyDigest, eventId } = attempt;
    const unsaved = this.#unsaved.get(this.#nameOf(attempt));
    if (unsaved !== undefined) {
      return unsaved === bodyDigest
        ? { kind: "finished", answer: undefined }
        : { kind: "mismatch" };
    }
    const args = [bodyDigest, eventId, this.#wallMs?.() ?? "", runningLifeMs];
    const reply = await this.#run(scripts.begin, attempt, args);
    const kind = textAt(reply, 0);
    if (kind === "new" || kind === "running" || kind === "mismatch") return { kind };
    const answer = reply[1];
    return { kind: "finished", answer: answer instanceof Uint8Array ? answer : undefined };
  }

  async finish(attempt: KeyedTry, answer: Uint8Array | undefined): Promise<void> {
    const kept = answer !== undefined && answer.byteLength <= answerBytesMax ? [answer] : [];
    const args = [attempt.eventId, this.#wallMs?.() ?? "", answerLifeMs, ...kept];
    try {
      await this.#run(scripts.finish, attempt, args);
    } catch (error) {
      this.#remember(attempt);
      throw error;
    }
  }

  async forget(attempt: KeyedTry): Promise<void> {
    await this.#run(scripts.forget, attempt, [attempt.eventId]);
  }

  async #run(
    script: Script,
    attempt: KeyedTry,
    args: readonly (string | number | Uint8Array)[],
  ): Promise<readonly ReplyField[]> {
    try {
      return await this.#connection.run(script, this.#nameOf(attempt), args);
    } catch (error) {
      if (!(error instanceof CountersUnreachable)) throw error;
      throw new OptamilError(
        "service_unavailable",
        "Requests with an Idempotency-Key cannot be told apart at the moment. Please try again.",
        { retryAfterMs: 2_000, cause: error },
      );
    }
  }

  #remember(attempt: KeyedTry): void {
    this.#unsaved.set(this.#nameOf(attempt), attempt.bodyDigest);
    const [oldest] = this.#unsaved.keys();
    if (this.#unsaved.size > unsavedMax && oldest !== undefined) this.#unsaved.delete(oldest);
  }

  /** Neither part holds a line feed. */
  #nameOf({ accountId, key }: KeyedTry): string {
    return `${this.#prefix}:keyed:${accountId}\n${key}`;
  }
}
