// Where a request carries its API key.
import { unauthenticated } from "./unauthenticated.ts";

/** RFC 6750 §2.1 with the token68 characters of RFC 9110 §11.2; the scheme's letter case is free. */
const bearer = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i;

/**
 * The credential of a request, from `Authorization: Bearer` or `X-API-Key`; not verified yet.
 *
 * Throws `unauthenticated` when there is none, when `Authorization` has another scheme, and when both
 * headers are there and differ: nobody shall guess which one counts.
 *
 * @param get gives a header by its lower-case name.
 */
export function readCredential(get: (name: string) => string | undefined): string {
  const authorization = get("authorization");
  const apiKey = get("x-api-key");
  if (authorization === undefined) {
    if (apiKey === undefined) throw unauthenticated("no credential");
    return apiKey;
  }
  const token = bearer.exec(authorization)?.[1];
  if (token === undefined) throw unauthenticated("authorization header is not Bearer");
  if (apiKey !== undefined && apiKey !== token) throw unauthenticated("two different credentials");
  return token;
}
