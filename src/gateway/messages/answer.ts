// A chat answer as a message.
import { create, type JsonObject } from "@bufbuild/protobuf";
import type {
  AssistantMessage,
  ChatUsage,
  CreateChatCompletionResponse,
  ToolCall,
} from "../../gen/optamil/v1/chat_pb.ts";
import {
  type CreateMessageResponse,
  CreateMessageResponseSchema,
  type MessagesBlock,
  MessagesBlockSchema,
  type MessagesUsage,
  MessagesUsageSchema,
} from "../../gen/optamil/v1/messages_pb.ts";
import { isJsonObject } from "../../platform/json-path.ts";
import { readThoughts } from "../thinking-blocks.ts";

const stopReasons: Readonly<Record<string, string>> = {
  stop: "end_turn",
  length: "max_tokens",
  tool_calls: "tool_use",
  function_call: "tool_use",
  content_filter: "refusal",
};

/** The message that says what a chat answer's first choice says: a message has one. */
export function toMessage(answer: CreateChatCompletionResponse): CreateMessageResponse {
  const [choice] = answer.choices;
  return create(CreateMessageResponseSchema, {
    ...toFrame(answer),
    content: choice?.message === undefined ? [] : toBlocks(choice.message),
    ...toEnding(choice?.finishReason, choice?.extra),
    usage: toUsage(answer.usage),
  });
}

/** What all messages have, and the beginning of a stream shows. */
export function toFrame({ id, model }: { readonly id: string; readonly model: string }) {
  const own = id.startsWith("msg_") ? id : `msg_${id.replace(/^chatcmpl-/, "")}`;
  return { id: own, type: "message", role: "assistant", model };
}

/** Why a choice ended, in Anthropic's words; some providers tell the stop sequence in `stop_reason` of the choice. */
export function toEnding(
  finishReason: string | undefined,
  extra: JsonObject | undefined,
): { readonly stopReason: string; readonly stopSequence?: string } {
  const sequence = extra?.["stop_reason"];
  if (finishReason === "stop" && typeof sequence === "string" && sequence !== "") {
    return { stopReason: "stop_sequence", stopSequence: sequence };
  }
  return { stopReason: stopReasons[finishReason ?? "stop"] ?? "end_turn" };
}

/** Anthropic counts what the cache held apart from the input. Without the provider's counts all are 0. */
export function toUsage(usage: ChatUsage | undefined): MessagesUsage {
  const { promptTokens = 0, completionTokens: outputTokens = 0 } = usage ?? {};
  const { cachedTokens = 0, cacheWriteTokens = 0 } = usage?.promptTokensDetails ?? {};
  const read = Math.min(cachedTokens, promptTokens);
  const written = Math.min(cacheWriteTokens, promptTokens - read);
  return create(MessagesUsageSchema, {
    inputTokens: promptTokens - read - written,
    cacheCreationInputTokens: written,
    cacheReadInputTokens: read,
    outputTokens,
  });
}

function toBlocks(message: AssistantMessage): MessagesBlock[] {
  const { content, refusal, toolCalls, reasoningContent, extra } = message;
  const thoughts = readThoughts(extra).map(toThought);
  if (thoughts.length === 0 && reasoningContent) {
    thoughts.push(create(MessagesBlockSchema, unsigned(reasoningContent)));
  }
  const texts = [content, refusal]
    .filter((text) => text !== undefined && text !== "")
    .map((text) => create(MessagesBlockSchema, { type: "text", text: text ?? "" }));
  return [...thoughts, ...texts, ...toolCalls.map(toToolUse)];
}

/** Thinking of a provider that signs nothing. */
export function unsigned(thinking: string) {
  return { type: "thinking", thinking, signature: "" };
}

function toThought({ type, thinking, signature, data }: JsonObject): MessagesBlock {
  if (type === "redacted_thinking") {
    return create(MessagesBlockSchema, { type, data: String(data ?? "") });
  }
  const signed = { thinking: String(thinking ?? ""), signature: String(signature ?? "") };
  return create(MessagesBlockSchema, { type: "thinking", ...signed });
}

/** What a provider put on a call stays on it, such as Gemini's signature: clients send blocks back as they came. */
function toToolUse({ id, function: called, extra }: ToolCall): MessagesBlock {
  const input = parseInput(called?.arguments ?? "");
  const call = { id: id ?? "", name: called?.name ?? "", input };
  return create(MessagesBlockSchema, { type: "tool_use", ...call, ...(extra && { extra }) });
}

/** What is no JSON object goes on as a text in one: clients take nothing else for input. */
function parseInput(text: string): JsonObject {
  try {
    const value: unknown = JSON.parse(text === "" ? "{}" : text);
    if (isObject(value)) return value;
  } catch {
    // The model wrote what is no JSON.
  }
  return { text };
}

function isObject(value: unknown): value is JsonObject {
  return isJsonObject(value);
}
