/** Refusals as any door shows them, in one shape, so that one table can speak of all doors. */
import { Code, ConnectError } from "@connectrpc/connect";
import { expect } from "vitest";
import { ErrorInfoSchema } from "../../src/gen/google/rpc/error_details_pb.ts";
import { type HeaderMap, RestRefusal } from "./doors.ts";
import type { RestReply } from "./rest-client.ts";

/** A refusal. */
export interface Refusal {
  /** HTTP status in REST, Connect code in the others. */
  code: number;
  type: string;
  message: string;
  /** JSON path of what is at fault. */
  param: string | null;
  headers: HeaderMap;
}

/** A row of the table of DESIGN.md §3: HTTP status, type, Connect code, `x-should-retry`. */
export type Row = readonly [status: number, type: string, connect: Code, retry: "true" | "false"];

/** The rows that can be provoked from outside, by the name of their cause. */
export const rows = {
  invalid: [400, "invalid_request_error", Code.InvalidArgument, "false"],
  tooLong: [400, "context_length_exceeded", Code.InvalidArgument, "false"],
  unauthenticated: [401, "authentication_error", Code.Unauthenticated, "false"],
  noCredits: [402, "insufficient_credits", Code.FailedPrecondition, "false"],
  tooMany: [429, "rate_limit_exceeded", Code.ResourceExhausted, "true"],
  forbidden: [403, "permission_error", Code.PermissionDenied, "false"],
  noModel: [404, "model_not_found", Code.NotFound, "false"],
  noPath: [404, "not_found", Code.NotFound, "false"],
  method: [405, "invalid_request_error", Code.Unimplemented, "false"],
  deadline: [408, "timeout", Code.DeadlineExceeded, "true"],
  tooLarge: [413, "invalid_request_error", Code.ResourceExhausted, "false"],
  mediaType: [415, "invalid_request_error", Code.Unimplemented, "false"],
  notConfigured: [503, "service_unavailable", Code.Unavailable, "false"],
  down: [503, "service_unavailable", Code.Unavailable, "true"],
} as const satisfies Record<string, Row>;

/** The refusal that a call ends with; a call that succeeds fails the test. */
export async function refusalOf(call: Promise<unknown>): Promise<Refusal> {
  const thrown: unknown = await call.then(
    (answer) => expect.unreachable(`answered ${JSON.stringify(answer)}`),
    (error: unknown) => error,
  );
  if (thrown instanceof RestRefusal) return readRefusal(thrown.reply);
  if (thrown instanceof ConnectError) return readConnectRefusal(thrown);
  throw thrown;
}

/** The refusal in a REST answer, whose bytes must be exactly the table's, in OpenAI's shape or in Anthropic's. */
export function readRefusal(reply: RestReply): Refusal {
  const { status, headers, text } = reply;
  expect(headers["content-type"]).toBe("application/json");
  if (JSON.parse(text).type === "error") return readAnthropicRefusal(reply);
  const { message, type, param, code } = JSON.parse(text).error;
  // The key order and the absence of anything else are part of the contract.
  expect(text).toBe(JSON.stringify({ error: { message, type, param, code } }));
  expect(code).toBe(status);
  return { code, type, message, param, headers };
}

function readAnthropicRefusal({ status, headers, text }: RestReply): Refusal {
  const { type, message } = JSON.parse(text).error;
  const request_id = headers["x-request-id"];
  expect(text).toBe(JSON.stringify({ type: "error", error: { type, message }, request_id }));
  expect(headers["request-id"]).toBe(request_id);
  return { code: status, type, message, param: null, headers };
}

/** The refusal in an RPC's error, which has exactly one `google.rpc.ErrorInfo`. */
export function readConnectRefusal(error: ConnectError): Refusal {
  const details = error.findDetails(ErrorInfoSchema);
  expect(details, error.message).toHaveLength(1);
  const { reason: type = "", metadata = {} } = details[0] ?? {};
  return {
    code: error.code,
    type,
    message: error.rawMessage,
    param: metadata["param"] ?? null,
    headers: Object.fromEntries(error.metadata),
  };
}

/** What a row lets expect of a refusal at a door. */
export function fromRow(
  [status, type, connect, retry]: Row,
  kind: "rest" | "rpc",
): Pick<Refusal, "code" | "type" | "headers"> {
  return {
    code: kind === "rest" ? status : connect,
    type,
    headers: { "x-request-id": expect.stringMatching(/./), "x-should-retry": retry },
  };
}
