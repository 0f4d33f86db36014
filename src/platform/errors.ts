// The one table of refusals: every error that any door shows is a row of it.
import { Code } from "@connectrpc/connect";

/** One row: how a refusal looks from each door. */
export type ErrorRow = {
  /** HTTP status, and the integer `error.code` of the body. */
  readonly status: number;
  /** `error.type` of the body and reason of the `google.rpc.ErrorInfo`. */
  readonly type: string;
  /** Code in Connect, gRPC and gRPC-Web. */
  readonly connect: Code;
  /** Whether the same request may succeed a little later; sent as `x-should-retry`. */
  readonly retry: boolean;
  /** `error.type` of Anthropic's body. */
  readonly anthropicType: string;
};

const row = (
  status: number,
  type: string,
  connect: Code,
  retry: boolean,
  anthropicType: string,
): ErrorRow => ({ status, type, connect, retry, anthropicType });

/**
 * The rows by code. Source: DESIGN.md §3; types and statuses are the seed's where it names them, the last column
 * Anthropic API reference, "Errors".
 */
export const errorTable = {
  invalid_request: row(
    400,
    "invalid_request_error",
    Code.InvalidArgument,
    false,
    "invalid_request_error",
  ),
  context_length_exceeded: row(
    400,
    "context_length_exceeded",
    Code.InvalidArgument,
    false,
    "invalid_request_error",
  ),
  unauthenticated: row(
    401,
    "authentication_error",
    Code.Unauthenticated,
    false,
    "authentication_error",
  ),
  insufficient_credits: row(
    402,
    "insufficient_credits",
    Code.FailedPrecondition,
    false,
    "billing_error",
  ),
  permission_denied: row(403, "permission_error", Code.PermissionDenied, false, "permission_error"),
  model_not_found: row(404, "model_not_found", Code.NotFound, false, "not_found_error"),
  not_found: row(404, "not_found", Code.NotFound, false, "not_found_error"),
  method_not_allowed: row(
    405,
    "invalid_request_error",
    Code.Unimplemented,
    false,
    "invalid_request_error",
  ),
  timeout: row(408, "timeout", Code.DeadlineExceeded, true, "timeout_error"),
  conflict: row(409, "conflict", Code.Aborted, true, "invalid_request_error"),
  body_too_large: row(
    413,
    "invalid_request_error",
    Code.ResourceExhausted,
    false,
    "request_too_large",
  ),
  unsupported_media_type: row(
    415,
    "invalid_request_error",
    Code.Unimplemented,
    false,
    "invalid_request_error",
  ),
  idempotency_mismatch: row(
    422,
    "invalid_request_error",
    Code.InvalidArgument,
    false,
    "invalid_request_error",
  ),
  rate_limit_exceeded: row(
    429,
    "rate_limit_exceeded",
    Code.ResourceExhausted,
    true,
    "rate_limit_error",
  ),
  internal: row(500, "internal_error", Code.Internal, true, "api_error"),
  service_unavailable: row(503, "service_unavailable", Code.Unavailable, true, "overloaded_error"),
} as const satisfies Record<string, ErrorRow>;

/** Code of a row of the table. */
export type ErrorCode = keyof typeof errorTable;

/** What an error may carry beside its code and message. */
export type ErrorDetails = {
  /** JSON path of the offending part of the request, such as `messages[0].content`. */
  readonly param?: string | undefined;
  /** What went wrong underneath: for the log only, never shown. */
  readonly cause?: unknown;
  /** Milliseconds until a retry makes sense; sent as `Retry-After`, whole seconds, rounded up. */
  readonly retryAfterMs?: number | undefined;
  /** Overrides the row's `retry`. */
  readonly shouldRetry?: boolean | undefined;
  /** Methods that the path does take; sent as `Allow` with 405. */
  readonly allow?: string | undefined;
};

/** A refusal with a message that is safe to show. */
export class OptamilError extends Error {
  readonly code: ErrorCode;
  readonly param: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly shouldRetry: boolean;
  readonly allow: string | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "OptamilError";
    this.code = code;
    this.param = details.param;
    this.retryAfterMs = details.retryAfterMs;
    this.shouldRetry = details.shouldRetry ?? errorTable[code].retry;
    this.allow = details.allow;
  }

  /** The row of the error's code. */
  get row(): ErrorRow {
    return errorTable[this.code];
  }
}

/** A request that is malformed or out of range; `param` is the JSON path of the offending part. */
export function invalidRequest(message: string, param?: string): OptamilError {
  return new OptamilError("invalid_request", message, { param });
}

/** Any thrown value as a refusal: what is not one becomes `internal`, with the request id as its only message. */
export function toOptamilError(thrown: unknown, requestId: string): OptamilError {
  if (thrown instanceof OptamilError) return thrown;
  return new OptamilError("internal", `Internal error. Request id: ${requestId}`, {
    cause: thrown,
  });
}

/** The body of a refusal, in the seed's shape: all four keys, `param` null when there is none. */
export function toErrorBody(error: OptamilError): {
  error: { message: string; type: string; param: string | null; code: number };
} {
  const { type, status } = error.row;
  return { error: { message: error.message, type, param: error.param ?? null, code: status } };
}

/** The body of a refusal in the shape of Anthropic's API. */
export function toAnthropicErrorBody(
  error: OptamilError,
  requestId: string,
): { type: "error"; error: { type: string; message: string }; request_id: string } {
  const { anthropicType } = error.row;
  const inner = { type: anthropicType, message: error.message };
  return { type: "error", error: inner, request_id: requestId };
}

/** Whole seconds for a `Retry-After` header: rounded up, at least 1. */
export function retryAfterSeconds(retryAfterMs: number): number {
  return Math.max(1, Math.ceil(retryAfterMs / 1000));
}
