// The port behind `Idempotency-Key`: which requests were seen, and what they were answered.

/** How long an answer is remembered, milliseconds from its end: 24 hours, as clients know it from other APIs. */
export const answerLifeMs = 86_400_000;

/** Largest answer that is kept, bytes: 1 MiB, some 250,000 tokens in one piece. */
export const answerBytesMax = 1024 * 1024;

/** One try of a request that carries a key. */
export type KeyedTry = {
  readonly accountId: string;
  /** The client's key; keys of two accounts never meet. 1 to 255 printable ASCII characters. */
  readonly key: string;
  /** Tells requests apart: equal for equal ones only. */
  readonly bodyDigest: string;
  /** Id of its event if it runs; a UUID that no other try has: only who began a try can end it. */
  readonly eventId: string;
};

/** What is known of a key when a request with it comes in. */
export type Begun =
  /** Nothing: the request is to run, and to be ended by `finish` or `forget`. */
  | { readonly kind: "new" }
  /** The same request runs at the moment. */
  | { readonly kind: "running" }
  /** The key belongs to another request. */
  | { readonly kind: "mismatch" }
  /** The same request was answered; undefined: its answer was not kept. */
  | { readonly kind: "finished"; readonly answer: Uint8Array | undefined };

/** Remembers keyed requests. Answers are bytes that mean nothing to it. */
export interface Idempotency {
  /**
   * Claims the key for a try, unless it is taken; of several at once exactly one gets "new".
   * Throws `service_unavailable` when too many keys are claimed to take another.
   */
  begin(attempt: KeyedTry): Promise<Begun>;
  /**
   * Ends a try that must not run again. Undefined, or an answer above `answerBytesMax`, is remembered without
   * the answer. Resolves when a repeat, also after a crash, finds it. Does nothing for a try that does not run.
   * When it rejects, repeats find the key finished without an answer for as long as the store is open.
   */
  finish(attempt: KeyedTry, answer: Uint8Array | undefined): Promise<void>;
  /** Ends a try that may run again: the key is free. Does nothing for a try that does not run. */
  forget(attempt: KeyedTry): Promise<void>;
}
