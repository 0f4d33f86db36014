// A chat request in the words of Anthropic's Messages API.
// Source: Anthropic API reference, "Create a Message" (anthropic-version 2023-06-01).
import { invalidRequest } from "../../platform/errors.ts";
import type { JsonObject } from "../dialect.ts";
import { namesBeyond, namesIn, toObject, toObjects } from "../json-values.ts";
import { isSigned, toThinking } from "./thinking.ts";

type Block = Record<string, unknown>;
type Turn = { role: "user" | "assistant"; content: Block[] };

/** The API wants a bound always; what OpenAI's clients leave out gets this one. */
const maxTokensDefault = 4_096;
const dataUrl = /^data:([\w.+-]+\/[\w.+-]+);base64,(.*)$/s;

/** Members that have a counterpart, or are the gateway's own affair. */
const carried: ReadonlySet<string> = new Set([
  ...["model", "messages", "stream", "stream_options", "n", "max_tokens", "max_completion_tokens"],
  ...[
    "reasoning_effort",
    "response_format",
    "stop",
    "temperature",
    "top_k",
    "top_p",
    "user",
    "safety_identifier",
  ],
  ...["tools", "tool_choice", "parallel_tool_calls"],
]);

/** The members that the API cannot be told; while it thinks, how to sample is not ours to say. */
export function toDropped(request: JsonObject, upstreamModel: string): readonly string[] {
  const { reasoning_effort: effort } = request;
  const thinks = toThinking(request, toMaxTokens(request), upstreamModel) !== undefined;
  const sampling = thinks ? namesIn(request, ["temperature", "top_k", "top_p"]) : [];
  const ignored = thinks || effort === "none" ? [] : namesIn(request, ["reasoning_effort"]);
  return [...namesBeyond(request, carried), ...sampling, ...ignored];
}

/** The body of the upstream request. Throws `invalid_request` for sounds, and for more than one choice. */
export function toMessagesRequest(
  request: JsonObject,
  upstreamModel: string,
  isStream: boolean,
): JsonObject {
  if (Number(request["n"] ?? 1) > 1) {
    throw invalidRequest("This model gives one choice: n must be 1.", "n");
  }
  const messages = toObjects(request["messages"]);
  const maxTokens = toMaxTokens(request);
  const thinking = toThinking(request, maxTokens, upstreamModel);
  const system = toSystem(messages, request["response_format"]);
  const stop = request["stop"];
  return {
    model: upstreamModel,
    max_tokens: maxTokens,
    ...(system.length > 0 && { system }),
    messages: toTurns(messages),
    ...(isStream && { stream: true }),
    ...(stop !== undefined && stop !== null && { stop_sequences: [stop].flat() }),
    ...toSampling(request, thinking !== undefined),
    ...thinking,
    ...toTools(request),
    ...toMetadata(request),
  };
}

function toMaxTokens(request: JsonObject): number {
  return Number(request["max_completion_tokens"] ?? request["max_tokens"] ?? maxTokensDefault);
}

/** One id of the end user: OpenAI's newer member goes before its older one. */
function toMetadata({ safety_identifier: identifier, user }: JsonObject): JsonObject {
  const id = identifier ?? user;
  return typeof id === "string" ? { metadata: { user_id: id } } : {};
}

/** Thinking goes with the API's own temperature only; OpenAI's reaches to 2, this one's to 1. */
function toSampling(request: JsonObject, thinks: boolean): JsonObject {
  const { temperature, top_p: topP, top_k: topK } = request;
  if (thinks) return {};
  return {
    ...(typeof topK === "number" && { top_k: topK }),
    ...(typeof temperature === "number" && { temperature: Math.min(1, temperature) }),
    ...(typeof topP === "number" && { top_p: topP }),
  };
}

/**
 * System and developer messages stand apart; a wanted form of the answer is said there too. One text, or blocks where
 * one of them is marked.
 */
function toSystem(messages: readonly JsonObject[], format: unknown): string | Block[] {
  const contents = messages
    .filter(({ role }) => role === "system" || role === "developer")
    .map(({ content }) => content);
  const texts = toFormTexts(format);
  const parts = contents.flatMap((content) => toObjects(content));
  if (!parts.some((part) => Object.hasOwn(part, "cache_control"))) {
    return [...contents.flatMap(toTexts), ...texts].join("\n\n");
  }
  const blocks = contents.flatMap((content) => toTextBlocks(content));
  return [...blocks, ...texts.map((text) => ({ type: "text", text }))];
}

/** What the model is told of the form of its answer. */
function toFormTexts(format: unknown): string[] {
  const texts: string[] = [];
  const { type, json_schema: schema } = toObject(format);
  if (type === "json_object") texts.push("Answer with one JSON object and nothing else.");
  if (type === "json_schema") {
    const text = JSON.stringify(toObject(schema)["schema"] ?? {});
    texts.push(`Answer with JSON of this schema and nothing else: ${text}`);
  }
  return texts;
}

/** Members that Anthropic's clients put on their own API's blocks, as they are. */
function marksOf(value: JsonObject): Block {
  const names = namesIn(value, ["cache_control", "citations", "context", "is_error"]);
  return Object.fromEntries(names.map((name) => [name, value[name]]));
}

/** A text or the text parts of a content as blocks; empty ones the API refuses. */
function toTextBlocks(content: unknown): Block[] {
  if (typeof content === "string") return content === "" ? [] : [{ type: "text", text: content }];
  return toObjects(content).flatMap((part) =>
    toTexts([part])
      .filter((text) => text !== "")
      .map((text) => ({ type: "text", text, ...marksOf(part) })),
  );
}

/** Turns in order; what follows with the same role, as results of several tools, is one turn. */
function toTurns(messages: readonly JsonObject[]): Turn[] {
  const turns: Turn[] = [];
  for (const message of messages) {
    const { role } = message;
    if (role === "system" || role === "developer") continue;
    const speaker = role === "assistant" ? "assistant" : "user";
    const content = speaker === "assistant" ? toAnswer(message) : toQuestion(message);
    const last = turns.at(-1);
    if (content.length === 0) continue;
    if (last?.role === speaker) last.content.push(...content);
    else turns.push({ role: speaker, content });
  }
  return turns;
}

/** What was thought goes back as it came, before all else: the API checks its signatures. */
function toAnswer(message: JsonObject): Block[] {
  const { content, refusal, tool_calls: calls, thinking_blocks: thoughts } = message;
  const uses = toObjects(calls).map((call) => {
    const { name, arguments: text } = toObject(call["function"]);
    const input = parseArguments(text);
    return { type: "tool_use", id: call["id"], name, input, ...marksOf(call) };
  });
  const signed = toObjects(thoughts).filter(isSigned);
  return [...signed, ...toTextBlocks(content), ...toTextBlocks(refusal), ...uses];
}

function toQuestion(message: JsonObject): Block[] {
  const { role, content, tool_call_id: id } = message;
  const blocks =
    typeof content === "string"
      ? [{ type: "text", text: content }]
      : toObjects(content).map((part) => toBlock(part));
  const filled = blocks.filter(({ type, text }) => type !== "text" || text !== "");
  if (role !== "tool" && role !== "function") return filled;
  return [{ type: "tool_result", tool_use_id: id, content: filled, ...marksOf(message) }];
}

function toBlock(part: JsonObject): Block {
  switch (part["type"]) {
    case "text":
      return { type: "text", text: part["text"], ...marksOf(part) };
    case "image_url": {
      const source = toSource(String(toObject(part["image_url"])["url"] ?? ""));
      return { type: "image", source, ...marksOf(part) };
    }
    case "file": {
      const { file_data: data, filename } = toObject(part["file"]);
      const title = typeof filename === "string" && { title: filename };
      if (typeof data === "string") {
        return { type: "document", source: toSource(data), ...title, ...marksOf(part) };
      }
    }
  }
  throw invalidRequest(
    `This model takes text, images and files with their data, no part of type '${part["type"]}'.`,
    "messages",
  );
}

function toSource(url: string): Block {
  const [, mediaType, data] = dataUrl.exec(url) ?? [];
  if (mediaType === undefined) return { type: "url", url };
  return { type: "base64", media_type: mediaType, data };
}

function toTools(request: JsonObject): JsonObject {
  const { tools, tool_choice: choice, parallel_tool_calls: parallel } = request;
  const own = toObjects(tools).map((tool) => {
    const { name, description, parameters } = toObject(tool["function"]);
    const schema = parameters ?? { type: "object", properties: {} };
    const described = description !== undefined && { description };
    return { name, ...described, input_schema: schema, ...marksOf(tool) };
  });
  if (own.length === 0) return {};
  const single = parallel === false && { disable_parallel_tool_use: true };
  const wanted = toToolChoice(choice) ?? (single === false ? undefined : { type: "auto" });
  return { tools: own, ...(wanted && { tool_choice: { ...wanted, ...single } }) };
}

function toToolChoice(choice: unknown): Block | undefined {
  if (choice === "required") return { type: "any" };
  if (choice === "auto" || choice === "none") return { type: choice };
  const { name } = toObject(toObject(choice)["function"]);
  return name === undefined ? undefined : { type: "tool", name };
}

function toTexts(content: unknown): string[] {
  if (typeof content === "string") return [content];
  return toObjects(content).flatMap(({ text, refusal }) =>
    [text, refusal].filter((one) => typeof one === "string"),
  );
}

/** Arguments that are no JSON object came from another model: they are passed on as a text. */
function parseArguments(text: unknown): unknown {
  try {
    const value: unknown = JSON.parse(String(text ?? "{}"));
    return typeof value === "object" && value !== null ? value : { value };
  } catch {
    return { text };
  }
}
