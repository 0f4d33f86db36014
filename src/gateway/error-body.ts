// The body of a refusal over REST, in the shape that its route has.
import { ErrorStyle } from "../gen/optamil/options/v1/options_pb.ts";
import { type OptamilError, toAnthropicErrorBody, toErrorBody } from "../platform/errors.ts";

/** The JSON text of a refusal. */
export function toErrorText(error: OptamilError, style: ErrorStyle, requestId: string): string {
  return JSON.stringify(
    style === ErrorStyle.ANTHROPIC ? toAnthropicErrorBody(error, requestId) : toErrorBody(error),
  );
}
