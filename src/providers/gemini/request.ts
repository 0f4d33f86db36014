// A chat request in the words of Google's generateContent.
// Source: Gemini API reference, "Generating content", v1beta.
import { invalidRequest } from "../../platform/errors.ts";
import type { JsonObject } from "../dialect.ts";
import { namesBeyond, namesIn, toObject, toObjects } from "../json-values.ts";
import { takeMarks } from "../marks.ts";
import { toSignature } from "./signature.ts";
import { toThinking } from "./thinking.ts";

type Part = Record<string, unknown>;
type Content = { role: "user" | "model"; parts: Part[] };

const dataUrl = /^data:([\w.+-]+\/[\w.+-]+);base64,(.*)$/s;
const modes: Readonly<Record<string, string>> = { auto: "AUTO", required: "ANY", none: "NONE" };

/** Members that have a counterpart, or are the gateway's own affair. */
const carried: ReadonlySet<string> = new Set([
  ...["model", "messages", "stream", "stream_options", "n", "max_tokens", "max_completion_tokens"],
  ...["reasoning_effort", "response_format", "stop", "temperature", "top_p", "seed"],
  ...["presence_penalty", "frequency_penalty", "tools", "tool_choice"],
]);

/** The members that the API cannot be told. */
export function toDropped(request: JsonObject, upstreamModel: string): readonly string[] {
  const isKnown = toThinking(request, upstreamModel) !== undefined;
  return [
    ...namesBeyond(request, carried),
    ...(isKnown ? [] : namesIn(request, ["reasoning_effort"])),
    ...takeMarks(request).names,
  ];
}

/** The body of the upstream request. Throws `invalid_request` for parts that the API does not know. */
export function toGenerateRequest(request: JsonObject, upstreamModel: string): JsonObject {
  const messages = toObjects(request["messages"]);
  const system = messages
    .filter(({ role }) => role === "system" || role === "developer")
    .flatMap(({ content }) => toParts(content));
  return {
    contents: toContents(messages, upstreamModel),
    ...(system.length > 0 && { systemInstruction: { parts: system } }),
    ...toTools(request),
    generationConfig: toConfig(request, upstreamModel),
  };
}

/** Turns in order; what follows with the same role, as results of several tools, is one turn. */
function toContents(messages: readonly JsonObject[], upstreamModel: string): Content[] {
  const contents: Content[] = [];
  const names = new Map<unknown, unknown>();
  for (const message of messages) {
    const { role } = message;
    if (role === "system" || role === "developer") continue;
    for (const call of toObjects(message["tool_calls"])) {
      names.set(call["id"], toObject(call["function"])["name"]);
    }
    const speaker = role === "assistant" ? "model" : "user";
    const parts = role === "tool" ? [toResult(message, names)] : toTurn(message, upstreamModel);
    const last = contents.at(-1);
    if (parts.length === 0) continue;
    if (last?.role === speaker) last.parts.push(...parts);
    else contents.push({ role: speaker, parts });
  }
  return contents;
}

function toTurn(message: JsonObject, upstreamModel: string): Part[] {
  const calls = toObjects(message["tool_calls"]).map((call, at) => {
    const { name, arguments: text } = toObject(call["function"]);
    const functionCall = { name, args: parseArguments(text) };
    return { functionCall, ...toSignature(call, at, upstreamModel) };
  });
  return [...toParts(message["content"]), ...toParts(message["refusal"]), ...calls];
}

/** A result is named after the function, and must be an object. */
function toResult(message: JsonObject, names: ReadonlyMap<unknown, unknown>): Part {
  const texts = toParts(message["content"]).map(({ text }) => String(text ?? ""));
  const name = names.get(message["tool_call_id"]) ?? message["name"] ?? "tool";
  return { functionResponse: { name, response: { result: texts.join("\n") } } };
}

function toParts(content: unknown): Part[] {
  if (typeof content === "string") return content === "" ? [] : [{ text: content }];
  return toObjects(content).map((part) => toPart(part));
}

function toPart(part: JsonObject): Part {
  switch (part["type"]) {
    case "text":
      return { text: part["text"] };
    case "image_url":
      return toData(String(toObject(part["image_url"])["url"] ?? ""));
    case "file": {
      const { file_data: data } = toObject(part["file"]);
      if (typeof data === "string") return toData(data);
      break;
    }
    case "input_audio": {
      const { data, format } = toObject(part["input_audio"]);
      return { inlineData: { mimeType: `audio/${format}`, data } };
    }
    default:
  }
  throw invalidRequest(
    `This model takes text, images, sounds and files with their data, no part of type '${part["type"]}'.`,
    "messages",
  );
}

function toData(url: string): Part {
  const [, mimeType, data] = dataUrl.exec(url) ?? [];
  return mimeType === undefined
    ? { fileData: { fileUri: url } }
    : { inlineData: { mimeType, data } };
}

function toTools({ tools, tool_choice: choice }: JsonObject): JsonObject {
  const functionDeclarations = toObjects(tools).map((tool) => {
    const { name, description, parameters } = toObject(tool["function"]);
    return {
      name,
      ...(description !== undefined && { description }),
      ...(parameters !== undefined && { parametersJsonSchema: parameters }),
    };
  });
  if (functionDeclarations.length === 0) return {};
  const { name } = toObject(toObject(choice)["function"]);
  const mode = name === undefined ? modes[String(choice)] : "ANY";
  return {
    tools: [{ functionDeclarations }],
    ...(mode !== undefined && {
      toolConfig: {
        functionCallingConfig: {
          mode,
          ...(name !== undefined && { allowedFunctionNames: [name] }),
        },
      },
    }),
  };
}

function toConfig(request: JsonObject, upstreamModel: string): JsonObject {
  const { type, json_schema: schema } = toObject(request["response_format"]);
  const { stop, n } = request;
  const maxOutputTokens = request["max_completion_tokens"] ?? request["max_tokens"];
  const config = {
    ...{ temperature: request["temperature"], topP: request["top_p"], seed: request["seed"] },
    presencePenalty: request["presence_penalty"],
    frequencyPenalty: request["frequency_penalty"],
    maxOutputTokens,
    candidateCount: typeof n === "number" && n > 1 ? n : undefined,
    stopSequences: stop === undefined || stop === null ? undefined : [stop].flat(),
    responseMimeType:
      type === "json_object" || type === "json_schema" ? "application/json" : undefined,
    responseJsonSchema: type === "json_schema" ? toObject(schema)["schema"] : undefined,
    thinkingConfig: toThinking(request, upstreamModel),
  };
  return Object.fromEntries(
    Object.entries(config).filter(([, value]) => value !== undefined && value !== null),
  );
}

function parseArguments(text: unknown): JsonObject {
  try {
    return toObject(JSON.parse(String(text ?? "{}")));
  } catch {
    return { text };
  }
}
