import { expect, it } from "vitest";
import {
  type ErrorCode,
  errorTable,
  OptamilError,
  toAnthropicErrorBody,
} from "../../src/platform/errors.ts";

/** Anthropic API reference, "Errors"; what it has no type for is the request's fault. */
const anthropicTypes = {
  invalid_request: [400, "invalid_request_error"],
  context_length_exceeded: [400, "invalid_request_error"],
  unauthenticated: [401, "authentication_error"],
  insufficient_credits: [402, "billing_error"],
  permission_denied: [403, "permission_error"],
  model_not_found: [404, "not_found_error"],
  not_found: [404, "not_found_error"],
  method_not_allowed: [405, "invalid_request_error"],
  timeout: [408, "timeout_error"],
  conflict: [409, "invalid_request_error"],
  body_too_large: [413, "request_too_large"],
  unsupported_media_type: [415, "invalid_request_error"],
  idempotency_mismatch: [422, "invalid_request_error"],
  rate_limit_exceeded: [429, "rate_limit_error"],
  internal: [500, "api_error"],
  service_unavailable: [503, "overloaded_error"],
} as const satisfies Record<ErrorCode, readonly [number, string]>;

const codes = Object.keys(errorTable) as ErrorCode[];

it.each(codes)("%s has its status and its type in Anthropic's body", (code) => {
  const error = new OptamilError(code, "No.", { param: "model" });
  const [status, type] = anthropicTypes[code];
  expect(error.row.status).toBe(status);
  expect(toAnthropicErrorBody(error, "req-1")).toEqual({
    type: "error",
    error: { type, message: "No." },
    request_id: "req-1",
  });
});
