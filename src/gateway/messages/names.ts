// The names of a chat request's parameters as Anthropic's clients know them.
import { createChatNames } from "../chat-names.ts";

/** What a chat parameter is called in a request for a message. */
export const messagesNames = createChatNames([
  ["max_completion_tokens", "max_tokens"],
  ["parallel_tool_calls", "tool_choice.disable_parallel_tool_use"],
  ["reasoning_effort", "thinking"],
  ["response_format", "output_config.format"],
  ["stop", "stop_sequences"],
  ["user", "metadata.user_id"],
]);
