// Cross-origin calls from browsers (WHATWG Fetch, section 3.2 "CORS protocol").
import { requestIdHeader } from "./headers.ts";
import type { DoorRequest } from "./listen.ts";
import type { Reply } from "./reply.ts";

/** Headers that a page may read: those of ours that are not safe-listed. */
const exposedHeaders = [
  "x-request-id",
  "request-id",
  "x-optamil-model",
  "x-optamil-tier",
  "x-optamil-provider",
  "x-optamil-overhead-ms",
  "x-optamil-route",
  "x-optamil-credits",
  "x-optamil-dropped-params",
  "x-optamil-idempotent-replay",
  "x-should-retry",
  "retry-after",
  "x-ratelimit-limit",
  "x-ratelimit-remaining",
  "x-ratelimit-reset",
  "x-ratelimit-window",
  "x-ratelimit-limit-requests",
  "x-ratelimit-remaining-requests",
  "x-ratelimit-reset-requests",
  "x-ratelimit-limit-tokens",
  "x-ratelimit-remaining-tokens",
  "x-ratelimit-reset-tokens",
  "grpc-status",
  "grpc-message",
  "grpc-status-details-bin",
].join(", ");

/**
 * Adds the CORS headers that the request's origin is due, and answers a preflight request (204).
 * Origins must be listed or "*" be among them. Asked-for headers are reflected: SDKs add names of their own,
 * and the list grows. Returns true when the request is answered.
 */
export function handleCors(
  request: DoorRequest,
  response: Reply,
  origins: readonly string[],
  requestId: string,
): boolean {
  const { origin } = request.headers;
  if (origin !== undefined) {
    response.setHeader("vary", "Origin");
    if (origins.includes("*") || origins.includes(origin)) {
      response.setHeader("access-control-allow-origin", origin);
      response.setHeader("access-control-expose-headers", exposedHeaders);
    }
  }
  if (request.method !== "OPTIONS") return false;
  if (response.hasHeader("access-control-allow-origin")) allowPreflight(request, response);
  response.setHeader(requestIdHeader, requestId);
  response.writeHead(204);
  response.end();
  return true;
}

function allowPreflight(request: DoorRequest, response: Reply): void {
  const asked = request.headers["access-control-request-headers"];
  response.setHeader(
    "vary",
    "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
  );
  response.setHeader("access-control-allow-methods", "GET, HEAD, POST, DELETE, OPTIONS");
  if (asked !== undefined) response.setHeader("access-control-allow-headers", asked);
  response.setHeader("access-control-max-age", "7200");
}
