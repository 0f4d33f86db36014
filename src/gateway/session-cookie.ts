// The cookie that stands for a session (RFC 6265), and who may send it.
import type { DoorRequest } from "./listen.ts";

/** Name of the cookie. */
export const cookieName = "optamil_session";

/** Name of the request header in which the front door tells RPC of `isOwnOrigin`; a client's own is overwritten. */
export const ownOriginHeader = "x-optamil-own-origin";

/** Value of `set-cookie` for a session. Over plain HTTP, as on loopback, it cannot be `Secure`. */
export function toSessionCookie(token: string, lifeSeconds: number, secure: boolean): string {
  const attributes = `Path=/; Max-Age=${lifeSeconds}; HttpOnly; SameSite=Strict`;
  return `${cookieName}=${token}; ${attributes}${secure ? "; Secure" : ""}`;
}

/** The session's token among the cookies of a request; undefined if there is none. */
export function readSessionCookie(cookies: string | undefined): string | undefined {
  if (cookies === undefined) return undefined;
  for (const cookie of cookies.split(";")) {
    const [name, value] = cookie.trim().split("=", 2);
    if (name === cookieName && value !== undefined) return value;
  }
  return undefined;
}

/**
 * Whether a page of the gateway's own origin, or no page at all, makes the request: only then its cookie counts.
 * `SameSite=Strict` keeps other sites from sending it; this keeps out other ports and subdomains too
 * (Fetch Metadata; OWASP, "Cross-Site Request Forgery Prevention").
 */
export function isOwnOrigin({ headers }: Pick<DoorRequest, "headers">): boolean {
  const site = headers["sec-fetch-site"];
  if (site !== undefined && site !== "same-origin" && site !== "none") return false;
  const { origin } = headers;
  if (origin === undefined) return true;
  const authority = headers[":authority"] ?? headers.host;
  return URL.canParse(origin) && new URL(origin).host === authority;
}
