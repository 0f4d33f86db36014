// The names of a chat request's parameters as Anthropic's clients know them.
import { invalidRequest, OptamilError } from "../../platform/errors.ts";

const names: ReadonlyMap<string, string> = new Map([
  ["max_completion_tokens", "max_tokens"],
  ["parallel_tool_calls", "tool_choice.disable_parallel_tool_use"],
  ["reasoning_effort", "thinking"],
  ["response_format", "output_config.format"],
  ["stop", "stop_sequences"],
  ["user", "metadata.user_id"],
]);

/** What a chat parameter is called in a request for a message. */
export function toMessagesName(name: string): string {
  return names.get(name) ?? name;
}

/** A refusal of a chat parameter by the name that the client used; any other thrown value as it is. */
export function toMessagesRefusal(thrown: unknown): unknown {
  if (!(thrown instanceof OptamilError) || thrown.code !== "invalid_request") return thrown;
  const { param = "", message } = thrown;
  const name = names.get(param);
  return name === undefined
    ? thrown
    : invalidRequest(message.replaceAll(`'${param}'`, `'${name}'`), name);
}
