// Refusals of credentials are told at one time, so that no clock tells why one was refused.
import { OptamilError } from "../platform/errors.ts";

/**
 * Milliseconds that the refusal of a credential is held. The check takes a few tenths of one: what differs there
 * between the reasons is lost in the timer, which counts whole milliseconds from the turn of the loop in which the
 * request was read.
 */
export const refusalHeldMs = 20;

/** Waits before a credential's refusal is told; returns nothing to wait for with any other error. */
export function holdRefusal(error: OptamilError): Promise<void> | undefined {
  if (!isOfCredential(error)) return undefined;
  return new Promise((resolve) => setTimeout(resolve, refusalHeldMs));
}

/** Also what the guard of addresses made of one. */
function isOfCredential({ code, cause }: OptamilError): boolean {
  return (
    code === "unauthenticated" ||
    (cause instanceof OptamilError && cause.code === "unauthenticated")
  );
}
