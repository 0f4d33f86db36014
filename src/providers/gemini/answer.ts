// Gemini's responses as OpenAI's completions and chunks.
// Source: Gemini API reference, GenerateContentResponse, v1beta.
import type { DialectEvents, JsonObject } from "../dialect.ts";
import { toCount, toObject, toObjects } from "../json-values.ts";
import { toExtraContent } from "./signature.ts";

const finishReasons: Readonly<Record<string, string>> = {
  STOP: "stop",
  MAX_TOKENS: "length",
  SAFETY: "content_filter",
  RECITATION: "content_filter",
  LANGUAGE: "content_filter",
  BLOCKLIST: "content_filter",
  PROHIBITED_CONTENT: "content_filter",
  SPII: "content_filter",
  IMAGE_SAFETY: "content_filter",
  MALFORMED_FUNCTION_CALL: "error",
  OTHER: "error",
};

/** What the parts of a candidate say. */
type Said = {
  readonly text: string;
  readonly thought: string;
  readonly calls: readonly JsonObject[];
};

/** A response as a completion. A prompt that was blocked is an answer without content. */
export function toCompletion(value: JsonObject): JsonObject {
  const candidates = toObjects(value["candidates"]);
  const choices = candidates.map((candidate, at) => {
    const index = toIndex(candidate, at);
    const { text, thought, calls } = readParts(candidate, value["responseId"], index, 0);
    return {
      index,
      message: {
        role: "assistant",
        content: text === "" && calls.length > 0 ? null : text,
        ...(thought !== "" && { reasoning_content: thought }),
        ...(calls.length > 0 && { tool_calls: calls }),
      },
      finish_reason: toFinish(candidate["finishReason"], calls.length > 0),
    };
  });
  return {
    id: value["responseId"],
    choices: choices.length === 0 && isBlocked(value) ? [blocked("message")] : choices,
    usage: toUsage(value["usageMetadata"]),
  };
}

/** Translates the events of one stream: each is a response with what is new. */
export function createEvents(): DialectEvents {
  const begun = new Set<number>();
  const calls = new Map<number, number>();
  return {
    push(_type, value) {
      if (value["error"] !== undefined) return [{ error: value["error"] }];
      const frame = { id: value["responseId"], object: "chat.completion.chunk" };
      const candidates = toObjects(value["candidates"]);
      if (candidates.length === 0 && isBlocked(value)) {
        return [{ ...frame, choices: [blocked("delta")], usage: toUsage(value["usageMetadata"]) }];
      }
      const chunks: JsonObject[] = candidates.map((candidate, at) => {
        const index = toIndex(candidate, at);
        const before = calls.get(index) ?? 0;
        const said = readParts(candidate, value["responseId"], index, before);
        calls.set(index, before + said.calls.length);
        const delta = {
          ...(!begun.has(index) && { role: "assistant", content: "" }),
          ...(said.text !== "" && { content: said.text }),
          ...(said.thought !== "" && { reasoning_content: said.thought }),
          ...(said.calls.length > 0 && { tool_calls: said.calls }),
        };
        begun.add(index);
        const hasCalls = before + said.calls.length > 0;
        const finishReason = hasFinished(candidate)
          ? toFinish(candidate["finishReason"], hasCalls)
          : null;
        return { ...frame, choices: [{ index, delta, finish_reason: finishReason }] };
      });
      // Counts grow from event to event; those of the last one stand.
      const usage = candidates.some(hasFinished) ? toUsage(value["usageMetadata"]) : undefined;
      return usage === undefined ? chunks : [...chunks, { ...frame, choices: [], usage }];
    },
  };
}

/** Servers that speak Gemini's language for others say null where Google says nothing. */
function hasFinished({ finishReason }: JsonObject): boolean {
  return finishReason !== undefined && finishReason !== null;
}

function readParts(candidate: JsonObject, id: unknown, index: number, before: number): Said {
  const parts = toObjects(toObject(candidate["content"])["parts"]);
  const textOf = (isThought: boolean) =>
    parts
      .filter(
        (part) => typeof part["text"] === "string" && (part["thought"] === true) === isThought,
      )
      .map(({ text }) => String(text))
      .join("");
  const called = parts.filter((part) => part["functionCall"] !== undefined);
  const calls = called.map((part, at) => {
    const { id: own, name, args } = toObject(part["functionCall"]);
    const place = before + at;
    return {
      index: place,
      // The API need not name calls; ours must be unlike those of other answers.
      id: own ?? `call_${id ?? "gemini"}_${index}_${place}`,
      type: "function",
      function: { name, arguments: JSON.stringify(args ?? {}) },
      ...toExtraContent(part),
    };
  });
  return { text: textOf(false), thought: textOf(true), calls };
}

function toFinish(reason: unknown, hasCalls: boolean): string {
  const finish = finishReasons[String(reason)] ?? "stop";
  return finish === "stop" && hasCalls ? "tool_calls" : finish;
}

function isBlocked(value: JsonObject): boolean {
  return toObject(value["promptFeedback"])["blockReason"] !== undefined;
}

function blocked(member: "message" | "delta"): JsonObject {
  const said = { role: "assistant", content: "" };
  return { index: 0, [member]: said, finish_reason: "content_filter" };
}

/** Thoughts are part of the completion, what was cached is part of the prompt; absent is not zero. */
function toUsage(value: unknown): JsonObject | undefined {
  const usage = toObject(value);
  const { promptTokenCount: prompt, candidatesTokenCount: candidates } = usage;
  if (typeof prompt !== "number") return undefined;
  const thoughts = toCount(usage["thoughtsTokenCount"]) ?? 0;
  const completion = (toCount(candidates) ?? 0) + thoughts;
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: toCount(usage["cachedContentTokenCount"]) ?? 0 },
    completion_tokens_details: { reasoning_tokens: thoughts },
  };
}

function toIndex({ index }: JsonObject, at: number): number {
  return typeof index === "number" ? index : at;
}
