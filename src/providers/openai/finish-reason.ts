// Why a choice ended: OpenAI's five words, and what other providers call them.

/** OpenAI's words. Source: OpenAI API reference, the chat completion object. */
const finishReasons = ["stop", "length", "tool_calls", "content_filter", "function_call"] as const;

/** Why a choice ended. */
export type FinishReason = (typeof finishReasons)[number];

/** Other providers' words, in lower case. What is not here counts as `stop`: the model said its last word. */
const otherWords: ReadonlyMap<string, FinishReason> = new Map([
  ["max_tokens", "length"],
  ["max_output_tokens", "length"],
  ["model_length", "length"],
  ["tool_use", "tool_calls"],
  ["tool_call", "tool_calls"],
  ["safety", "content_filter"],
  ["content_filtered", "content_filter"],
  ["prohibited_content", "content_filter"],
  ["recitation", "content_filter"],
  ["blocklist", "content_filter"],
  ["sensitive", "content_filter"],
]);

/** Words that say that no answer was finished (OpenRouter, DeepSeek). */
const failures: ReadonlySet<string> = new Set([
  "error",
  "insufficient_system_resource",
  "network_error",
]);

const known: ReadonlySet<unknown> = new Set(finishReasons);

/** Whether the value is one of OpenAI's words. */
export function isFinishReason(value: unknown): value is FinishReason {
  return known.has(value);
}

/** OpenAI's word for a provider's; undefined while there is none; "failed" if the answer broke off. */
export function toFinishReason(value: unknown): FinishReason | "failed" | undefined {
  if (typeof value !== "string" || value === "") return undefined;
  const word = value.toLowerCase();
  if (isFinishReason(word)) return word;
  if (failures.has(word)) return "failed";
  return otherWords.get(word) ?? "stop";
}
