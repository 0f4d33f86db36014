// Runs a request that carries an `Idempotency-Key` once, whatever it asks for.
import { createHash } from "node:crypto";
import type { Idempotency, KeyedTry } from "../admission/idempotency.ts";
import type { Caller } from "../keys/verify.ts";
import { OptamilError } from "../platform/errors.ts";
import type { UuidSource } from "../platform/uuid.ts";
import { decodeKeptAnswer, encodeKeptAnswer, type KeptAnswer } from "./kept-answer.ts";

/** What running once needs; made once at start. */
export type KeyedParts = {
  readonly idempotency: Idempotency;
  readonly uuids: UuidSource;
  /** Told that the end of a keyed request could not be remembered: its answer goes out all the same. */
  readonly onUnremembered: (error: unknown, requestId: string) => void;
};

/** Which request it is. */
export type KeyedRequest = {
  readonly caller: Caller;
  /** The client's mark. */
  readonly key: string;
  /** Equal for equal requests of an account, whichever door they came by. */
  readonly bodyDigest: string;
};

/** What to do with it. */
export type KeyedRun = {
  /** The request is new: it runs with the try's event id, and `remember`s its end. */
  readonly first: (attempt: KeyedTry) => Promise<void>;
  /** It was answered before. */
  readonly again: (kept: KeptAnswer) => void;
};

/**
 * Runs a request, or gives its answer again.
 *
 * Throws what `run` throws, `conflict` (the first request still runs; or, with x-should-retry: false, its
 * answer was not kept), `idempotency_mismatch`, `service_unavailable` (the key cannot be claimed).
 */
export async function runKeyed(
  { caller, key, bodyDigest }: KeyedRequest,
  { idempotency, uuids }: KeyedParts,
  run: KeyedRun,
): Promise<void> {
  const attempt = { accountId: caller.accountId, key, bodyDigest, eventId: uuids.text() };
  const begun = await idempotency.begin(attempt);
  if (begun.kind === "new") return run.first(attempt);
  if (begun.kind === "running") throw stillRunning();
  if (begun.kind === "mismatch") throw otherRequest();
  const kept = begun.answer && decodeKeptAnswer(begun.answer);
  if (kept === undefined) throw notKept();
  run.again(kept);
}

/** How a first run ended. */
export type KeyedResult = {
  /** 0: it was free, and may run again. */
  readonly chargeMicro: bigint;
  /** What can be given again; undefined: nothing. */
  readonly answer: () => KeptAnswer | undefined;
};

/** Ends a try by what it cost. Never throws: the charge is made, so the client gets its answer. */
export async function remember(
  attempt: KeyedTry,
  { chargeMicro, answer }: KeyedResult,
  requestId: string,
  { idempotency, onUnremembered }: KeyedParts,
): Promise<void> {
  try {
    if (chargeMicro === 0n) {
      await idempotency.forget(attempt);
      return;
    }
    const kept = answer();
    await idempotency.finish(attempt, kept && encodeKeptAnswer(kept));
  } catch (error) {
    onUnremembered(error, requestId);
  }
}

/** The digest of a request of an account; `kind` tells those apart that are not for the same thing. */
export function digestOf({ accountId }: Caller, kind: string, canonical: Uint8Array): string {
  const hash = createHash("sha256").update(`${kind}${accountId}\n`);
  return hash.update(canonical).digest("base64url");
}

function stillRunning(): OptamilError {
  return new OptamilError(
    "conflict",
    "A request with this Idempotency-Key is still running. Try again in a moment.",
    { retryAfterMs: 1_000 },
  );
}

function otherRequest(): OptamilError {
  return new OptamilError(
    "idempotency_mismatch",
    "This Idempotency-Key was used for another request. Use a new key for each request.",
  );
}

function notKept(): OptamilError {
  return new OptamilError(
    "conflict",
    "The request with this Idempotency-Key was answered and charged, but its answer was not kept: it is " +
      "too large, or the connection was closed before its end. Use a new key to ask again.",
    { shouldRetry: false },
  );
}
