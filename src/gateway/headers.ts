// The headers that Optamil adds to answers: the same names from every door.
import type { AnswerHead } from "../chat/call.ts";
import { type OptamilError, retryAfterSeconds } from "../platform/errors.ts";

/** Name of the header that carries the request id, in requests and in every answer. */
export const requestIdHeader = "x-request-id";

/** A header of a request by its lower-case name; one that came several times as one. */
export function readHeader(
  headers: Readonly<Record<string, string | string[] | undefined>>,
  name: string,
): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value.join(", ") : value;
}

/** Sets one header; REST and RPC have their own way to do it. */
export type SetHeader = (name: string, value: string) => void;

/**
 * The headers of a chat answer: leading metadata in gRPC.
 *
 * @param dropped Names of the parameters as the client calls them. Default: the head's.
 */
export function setAnswerHeaders(
  head: AnswerHead,
  set: SetHeader,
  dropped: readonly string[] | undefined = head.dropped,
): void {
  set("x-optamil-model", head.model);
  set("x-optamil-tier", head.tier);
  set("x-optamil-provider", head.provider);
  set("x-optamil-overhead-ms", head.overheadMs.toFixed(2));
  set("x-optamil-credits", toCredits(head.creditsMicro));
  if (head.route !== undefined) set("x-optamil-route", head.route);
  if (dropped?.length) set("x-optamil-dropped-params", toHeaderText(dropped));
  if (head.replayed) set("x-optamil-idempotent-replay", "true");
}

/** Names are the client's own: what no header can carry becomes "?", and 1 kB is enough to see what is wrong. */
function toHeaderText(names: readonly string[]): string {
  return names
    .join(",")
    .replace(/[^\x21-\x7e]/g, "?")
    .slice(0, 1_024);
}

/** Micro-credits as an exact decimal of credits: 1000000 is "1", 342250 is "0.34225". */
export function toCredits(micro: bigint): string {
  if (micro % 1_000_000n === 0n) return String(micro / 1_000_000n);
  const digits = String(micro).padStart(7, "0");
  const decimals = digits.slice(-6).replace(/0+$/, "");
  return decimals === "" ? digits.slice(0, -6) : `${digits.slice(0, -6)}.${decimals}`;
}

/** The headers of a refusal: whether and when to try again. */
export function setErrorHeaders(error: OptamilError, set: SetHeader): void {
  set("x-should-retry", error.shouldRetry ? "true" : "false");
  if (error.retryAfterMs !== undefined)
    set("retry-after", `${retryAfterSeconds(error.retryAfterMs)}`);
  if (error.allow !== undefined) set("allow", error.allow);
}
