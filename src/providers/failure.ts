// The failures that every provider has.

import type { CancelReason } from "../platform/cancellation.ts";
import { OptamilError } from "../platform/errors.ts";
import type { ProviderFailure } from "./provider.ts";

/** Longest time that a timer can wait, in milliseconds; a longer one would go off at once. */
export const timerMsMax = 2_147_483_647;

/** When to try again where the upstream does not say: soon, as most such failures pass in seconds. */
const retryAfterMsDefault = 1_000;

/** What is known of a failure beside its class. */
export type FailureDetails = {
  /** HTTP status of the upstream; 0: none came. */
  readonly status: number;
  /** For the log only. */
  readonly cause: Error;
  readonly retryAfterMs?: number | undefined;
};

/** A failure that another deployment may not have. The client is told only that the model is away. */
export function toUnavailableFailure(errorClass: string, details: FailureDetails): ProviderFailure {
  const { status, cause, retryAfterMs = retryAfterMsDefault } = details;
  const message = "The model is temporarily unavailable.";
  const error = new OptamilError("service_unavailable", message, { cause, retryAfterMs });
  return { ok: false, error, status, errorClass, tryNext: true };
}

/** Something did not come in its time, such as "first token" or "end". */
export function toTimeoutFailure(what: string, waitMs: number, status: number): ProviderFailure {
  const cause = new Error(`no ${what} after ${waitMs} ms`);
  return toUnavailableFailure("timeout", { status, cause });
}

/** Nobody waits for the answer any more. */
export function toCancelledFailure(
  reason: CancelReason | undefined,
  status: number,
): ProviderFailure {
  const error = toCancelledError(reason);
  return { ok: false, error, status, errorClass: "cancelled", tryNext: false };
}

function toCancelledError(reason: CancelReason | undefined): OptamilError {
  if (reason === "deadline") return new OptamilError("timeout", "The request's deadline passed.");
  if (reason === "revoked") return new OptamilError("unauthenticated", "The API key was revoked.");
  if (reason === "shutdown") {
    const message = "The gateway is being stopped. Please try again.";
    return new OptamilError("service_unavailable", message, { retryAfterMs: 1_000 });
  }
  return new OptamilError("service_unavailable", "The request was cancelled.");
}
