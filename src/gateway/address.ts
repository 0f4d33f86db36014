// Where a request comes from, and the guard against addresses that keep trying bad credentials.
import type { Attempts } from "../platform/attempts.ts";
import { OptamilError } from "../platform/errors.ts";
import type { DoorRequest } from "./listen.ts";

/** Name of the request header in which the front door hands the address on to RPC; a client's own is overwritten. */
export const addressHeader = "x-optamil-client-address";

/**
 * The network that a request comes from: an IPv4 address, or the first 64 bits of an IPv6 one, as a single
 * customer has that many of them (RFC 6177 §2). Empty where the runtime does not say. Behind a proxy it is the proxy's.
 */
export function readAddress({ socket }: Pick<DoorRequest, "socket">): string {
  return toNetwork(socket?.remoteAddress ?? "");
}

/** The network of an address as sockets spell it. */
export function toNetwork(address: string): string {
  const [bare = ""] = address.split("%");
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare)?.[1];
  if (mapped !== undefined) return mapped;
  if (!bare.includes(":")) return bare;
  const [head = "", tail = ""] = bare.split("::");
  const first = head === "" ? [] : head.split(":");
  const last = tail === "" ? [] : tail.split(":");
  const zeros = bare.includes("::") ? Math.max(0, 8 - first.length - last.length) : 0;
  const groups = [...first, ...Array<string>(zeros).fill("0"), ...last];
  return `${groups.slice(0, 4).join(":")}::/64`;
}

/**
 * What a bad credential is answered with: the refusal itself, or, for an address that has sent too many of them
 * this minute, `rate_limit_exceeded`. Good ones are never held up: whoever shares an address with a broken client,
 * or a proxy with a stranger, must not pay for it.
 */
export function guardAddress(address: string, refusal: unknown, failures: Attempts): unknown {
  if (!(refusal instanceof OptamilError) || refusal.code !== "unauthenticated") return refusal;
  const retryAfterMs = failures.waitMs(address);
  failures.note(address);
  if (retryAfterMs === 0) return refusal;
  const message = "Too many requests without a valid API key from this address. Check the key.";
  return new OptamilError("rate_limit_exceeded", message, { retryAfterMs, cause: refusal });
}
