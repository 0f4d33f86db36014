// What the demo provider says to a request.

import type { JsonObject } from "@bufbuild/protobuf";
import type {
  ChatMessage,
  CreateChatCompletionRequest,
  FunctionDefinition,
} from "../../gen/optamil/v1/chat_pb.ts";
import { toSchemaExample } from "./schema-example.ts";
import { countTokens, toTokens } from "./word-tokens.ts";

/** Longest piece of the user's message that is quoted, in characters. */
const quoteCharactersMax = 80;

/** One choice: a text, or one call of a function, cut into tokens. */
export type Reply = {
  /** Name of the function to call; undefined for a text. */
  readonly functionName: string | undefined;
  /** Tokens of the text or of the call's arguments. */
  readonly tokens: readonly string[];
  readonly finishReason: "stop" | "length" | "tool_calls";
  /** Tokens of the name and of `tokens`. */
  readonly tokenCount: number;
};

/** The choices of the answer; the same for the same request. */
export function toReplies(request: CreateChatCompletionRequest): Reply[] {
  const count = request.n ?? 1;
  const called = findCalledFunction(request);
  if (called !== undefined) {
    const reply = toCall(called, request);
    return Array.from({ length: count }, () => reply);
  }
  const text = toText(request);
  return Array.from({ length: count }, (_, index) => {
    const suffix = index === 0 || isJson(request) ? "" : ` Choice ${index + 1} of ${count}.`;
    return toTextReply(text + suffix, request);
  });
}

/** Tokens of the prompt: of all texts of the messages, and of the names and arguments of their tool calls. */
export function countPromptTokens(request: CreateChatCompletionRequest): number {
  let count = 0;
  for (const message of request.messages) {
    count += countTokens(textOf(message)) + countTokens(message.refusal ?? "");
    for (const { function: called } of message.toolCalls) {
      count += countTokens(called?.name ?? "") + countTokens(called?.arguments ?? "");
    }
  }
  return count;
}

function toTextReply(text: string, request: CreateChatCompletionRequest): Reply {
  const all = toTokens(cutAtStop(text, request));
  const tokens = all.slice(0, tokensMax(request));
  const finishReason = tokens.length < all.length ? "length" : "stop";
  return { functionName: undefined, tokens, finishReason, tokenCount: tokens.length };
}

function toCall(definition: FunctionDefinition, request: CreateChatCompletionRequest): Reply {
  const { name, parameters } = definition;
  // Arguments are an object, also where the schema says nothing of it.
  const all = toTokens(JSON.stringify(toSchemaExample({ type: "object", ...parameters })));
  // The name is never cut: a call of half a function is none.
  const nameCount = countTokens(name);
  const tokens = all.slice(0, Math.max(0, tokensMax(request) - nameCount));
  const finishReason = tokens.length < all.length ? "length" : "tool_calls";
  return { functionName: name, tokens, finishReason, tokenCount: nameCount + tokens.length };
}

function tokensMax(request: CreateChatCompletionRequest): number {
  return request.maxCompletionTokens ?? request.maxTokens ?? Number.POSITIVE_INFINITY;
}

function cutAtStop(text: string, request: CreateChatCompletionRequest): string {
  const kind = request.stop?.kind;
  const list = kind?.case === "list" ? kind.value.values : [];
  const stops = kind?.case === "text" ? [kind.value] : list;
  const places = stops.filter((stop) => stop !== "").map((stop) => text.indexOf(stop));
  return text.slice(0, Math.min(text.length, ...places.filter((place) => place >= 0)));
}

function isJson({ responseFormat }: CreateChatCompletionRequest): boolean {
  return responseFormat?.type === "json_object" || responseFormat?.type === "json_schema";
}

function toText(request: CreateChatCompletionRequest): string {
  const { responseFormat, messages } = request;
  const schema = responseFormat?.jsonSchema?.schema;
  if (responseFormat?.type === "json_schema" && schema !== undefined) {
    return JSON.stringify(toSchemaExample(schema));
  }
  const notice = "This is Optamil's demo provider: no model was called.";
  const last = messages.at(-1);
  const isToolResult = last !== undefined && isToolMessage(last);
  const quoted = toQuote(isToolResult ? textOf(last) : lastUserText(request));
  if (isJson(request)) {
    const value: JsonObject = { demo: true, message: notice, quote: quoted };
    return JSON.stringify(value);
  }
  const subject = isToolResult ? "The tool answered" : "You wrote";
  const quote = quoted === "" ? "There was no text to quote." : `${subject}: "${quoted}"`;
  return `${notice} ${quote}`;
}

function toQuote(text: string): string {
  const characters = [...text.replace(/\s+/g, " ").trim()];
  if (characters.length <= quoteCharactersMax) return characters.join("");
  return `${characters.slice(0, quoteCharactersMax).join("")}…`;
}

/**
 * The function to call: the one that tool_choice names, the first if a call is required, or with "auto" the
 * one that the last user message asks for by `call <name>`. None after a tool's result: a text ends the loop.
 */
function findCalledFunction(request: CreateChatCompletionRequest): FunctionDefinition | undefined {
  const last = request.messages.at(-1);
  if (last === undefined || isToolMessage(last)) return undefined;
  const functions = request.tools.flatMap((tool) => tool.function ?? []);
  const choice = request.toolChoice?.kind;
  if (choice?.case === "mode" && choice.value === "none") return undefined;
  if (choice?.case === "mode" && choice.value === "required") return functions[0];
  if (choice?.case === "named") return findNamed(choice.value, functions);
  const text = lastUserText(request);
  return functions.find(({ name }) => text.includes(`call ${name}`));
}

/** Of `{"function":{"name"}}` that function; of another object, such as a list of allowed tools, the first. */
function findNamed(
  choice: JsonObject,
  functions: readonly FunctionDefinition[],
): FunctionDefinition | undefined {
  const { function: named } = choice;
  if (typeof named !== "object" || named === null || Array.isArray(named)) return functions[0];
  return functions.find(({ name }) => name === named["name"]);
}

function lastUserText({ messages }: CreateChatCompletionRequest): string {
  const message = messages.findLast(({ role }) => role === "user");
  return message === undefined ? "" : textOf(message);
}

function isToolMessage({ role }: ChatMessage): boolean {
  return role === "tool" || role === "function";
}

function textOf({ content }: ChatMessage): string {
  const kind = content?.kind;
  if (kind?.case === "text") return kind.value;
  if (kind?.case !== "parts") return "";
  return kind.value.values.flatMap(({ text }) => text ?? []).join("\n");
}
