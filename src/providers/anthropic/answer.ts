// Anthropic's messages and events as OpenAI's completions and chunks.
// Source: Anthropic API reference, "Create a Message" and "Streaming messages" (anthropic-version 2023-06-01).
import type { DialectEvents, JsonObject } from "../dialect.ts";
import { toCount, toObject, toObjects } from "../json-values.ts";
import { isSigned } from "./thinking.ts";

const finishReasons: Readonly<Record<string, string>> = {
  end_turn: "stop",
  stop_sequence: "stop",
  pause_turn: "stop",
  max_tokens: "length",
  model_context_window_exceeded: "length",
  tool_use: "tool_calls",
  refusal: "content_filter",
};

/** A message as a completion. What was written into the cache and read from it was part of the prompt. */
export function toCompletion(value: JsonObject): JsonObject {
  const blocks = toObjects(value["content"]);
  const textOf = (type: string, member: string) =>
    blocks.filter((block) => block["type"] === type).map((block) => String(block[member] ?? ""));
  const calls = blocks
    .filter(({ type }) => type === "tool_use")
    .map(({ id, name, input }) => ({
      ...{ id, type: "function" },
      function: { name, arguments: JSON.stringify(input ?? {}) },
    }));
  const texts = textOf("text", "text");
  const thoughts = textOf("thinking", "thinking");
  const signed = blocks.filter(isSigned);
  return {
    id: value["id"],
    // No content is no answer: the reader of OpenAI's form says so.
    choices: [
      {
        index: 0,
        message: {
          role: "assistant",
          content: texts.length === 0 ? null : texts.join(""),
          ...(thoughts.length > 0 && { reasoning_content: thoughts.join("") }),
          // Signed: whoever asks on sends it back as it is.
          ...(signed.length > 0 && { thinking_blocks: signed }),
          ...(calls.length > 0 && { tool_calls: calls }),
        },
        ...toFinish(value),
      },
    ].slice(0, Array.isArray(value["content"]) ? 1 : 0),
    usage: toUsage(toObject(value["usage"])),
  };
}

/** Translates the events of one stream. */
export function createEvents(): DialectEvents {
  /** Position among the tool calls, by content block. */
  const calls = new Map<unknown, number>();
  let usage: JsonObject = {};
  let id: unknown;
  const chunk = (delta: JsonObject, finish: JsonObject = { finish_reason: null }): JsonObject => ({
    ...{ id, object: "chat.completion.chunk" },
    choices: [{ index: 0, delta, ...finish }],
  });
  const start = ({ index, content_block: given }: JsonObject): JsonObject[] => {
    const block = toObject(given);
    if (block["type"] === "redacted_thinking") return [chunk({ thinking_blocks: [block] })];
    if (block["type"] !== "tool_use") return [];
    const place = calls.size;
    calls.set(index, place);
    const call = { name: block["name"], arguments: "" };
    return [
      chunk({ tool_calls: [{ index: place, id: block["id"], type: "function", function: call }] }),
    ];
  };
  const advance = ({ index, delta: given }: JsonObject): JsonObject[] => {
    const delta = toObject(given);
    if (delta["type"] !== "input_json_delta") return toDeltas(delta).map((one) => chunk(one));
    const text = { arguments: delta["partial_json"] };
    return [chunk({ tool_calls: [{ index: calls.get(index) ?? 0, function: text }] })];
  };
  return {
    push(type, value) {
      switch (value["type"] ?? type) {
        case "message_start": {
          const message = toObject(value["message"]);
          id = message["id"];
          usage = toObject(message["usage"]);
          return [chunk({ role: "assistant", content: "" })];
        }
        case "content_block_start":
          return start(value);
        case "content_block_delta":
          return advance(value);
        case "message_delta": {
          usage = { ...usage, ...known(toObject(value["usage"])) };
          const ending = toObject(value["delta"]);
          return typeof ending["stop_reason"] === "string" ? [chunk({}, toFinish(ending))] : [];
        }
        case "message_stop":
          return [
            { id, object: "chat.completion.chunk", choices: [], usage: toUsage(usage) },
            "done",
          ];
        case "error":
          return [{ error: value["error"] }];
        default:
          return [];
      }
    },
  };
}

/** What was said or thought; citations have no place in OpenAI's form. */
function toDeltas({ type, text, thinking, signature }: JsonObject): JsonObject[] {
  switch (type) {
    case "text_delta":
      return [{ content: text }];
    case "thinking_delta":
      return [{ reasoning_content: thinking }];
    case "signature_delta":
      return [{ thinking_blocks: [{ type: "thinking", thinking: "", signature }] }];
    default:
      return [];
  }
}

/** Why it ended; OpenAI's form has no word for the stop sequence, so it stands beside, as vLLM writes it. */
function toFinish({ stop_reason: reason, stop_sequence: sequence }: JsonObject): JsonObject {
  return {
    finish_reason: finishReasons[String(reason)] ?? "stop",
    ...(typeof sequence === "string" && { stop_reason: sequence }),
  };
}

/** Undefined where the upstream counted nothing: absent is not zero. */
function toUsage(usage: JsonObject): JsonObject | undefined {
  const { input_tokens: input, output_tokens: output } = usage;
  if (typeof input !== "number" || typeof output !== "number") return undefined;
  const written = toCount(usage["cache_creation_input_tokens"]) ?? 0;
  const read = toCount(usage["cache_read_input_tokens"]) ?? 0;
  const prompt = input + written + read;
  return {
    prompt_tokens: prompt,
    completion_tokens: output,
    total_tokens: prompt + output,
    prompt_tokens_details: {
      cached_tokens: read,
      ...(written > 0 && { cache_write_tokens: written }),
    },
  };
}

/** Without members that say nothing, which would hide what the start of the stream said. */
function known(usage: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(usage).filter(([, value]) => typeof value === "number"));
}
