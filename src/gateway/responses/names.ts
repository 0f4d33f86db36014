// The names of a chat request's parameters as the clients of Responses know them.
import { createChatNames } from "../chat-names.ts";

/** What a chat parameter is called in a request for a response. */
export const responsesNames = createChatNames([
  ["logprobs", "include"],
  ["max_completion_tokens", "max_output_tokens"],
  ["messages", "input"],
  ["reasoning_effort", "reasoning.effort"],
  ["response_format", "text.format"],
  ["thinking_blocks", "input.encrypted_content"],
  ["verbosity", "text.verbosity"],
]);
