// A chat answer as a response.
import { create, type JsonValue } from "@bufbuild/protobuf";
import type {
  AssistantMessage,
  ChatChoice,
  ChatUsage,
  CreateChatCompletionResponse,
} from "../../gen/optamil/v1/chat_pb.ts";
import {
  type CreateResponseRequest,
  type CreateResponseResponse,
  CreateResponseResponseSchema,
  type ResponsesUsageSchema,
} from "../../gen/optamil/v1/responses_pb.ts";
import { readThoughts } from "../thinking-blocks.ts";
import { customNamesOf } from "./custom-tools.ts";
import {
  callItem,
  type Init,
  type Item,
  messageItem,
  reasoningItem,
  type SaidType,
  type Status,
  saidPart,
} from "./parts.ts";
import { sealThoughts } from "./thoughts.ts";

/** A response to be made. */
export type Response = Init<typeof CreateResponseResponseSchema>;

/** The response that says what a chat answer's first choice says: a response has one. */
export function toResponse(
  request: CreateResponseRequest,
  answer: CreateChatCompletionResponse,
): CreateResponseResponse {
  const [choice] = answer.choices;
  return create(CreateResponseResponseSchema, {
    ...toFrame(request, answer),
    ...toEnding(choice?.finishReason),
    output: toOutput(choice, toBase(answer.id), request),
    usage: toUsage(answer.usage),
    serviceTier: answer.serviceTier,
  });
}

/** What is the same in all responses to a request, and what the beginning of a stream shows. */
export function toFrame(
  request: CreateResponseRequest,
  { id, created, model }: { readonly id: string; readonly created: bigint; readonly model: string },
): Response {
  const { instructions, maxOutputTokens, temperature, topP, topLogprobs, metadata } = request;
  const { user, safetyIdentifier, promptCacheKey, tools, toolChoice, text } = request;
  return {
    ...{ id: `resp_${toBase(id)}`, object: "response", createdAt: created, status: "in_progress" },
    ...{ model, background: false, store: false, truncation: "disabled" },
    ...{ instructions, maxOutputTokens, temperature, topP, topLogprobs, metadata },
    ...{ user, safetyIdentifier, promptCacheKey },
    tools: tools.map((tool) =>
      tool.type === "function" ? { ...tool, strict: tool.strict ?? false } : tool,
    ),
    parallelToolCalls: request.parallelToolCalls ?? true,
    toolChoice: toolChoice ?? { kind: { case: "mode", value: "auto" } },
    text: { format: text?.format ?? { type: "text" }, verbosity: text?.verbosity },
    reasoning: { effort: request.reasoning?.effort, summary: request.reasoning?.summary },
  };
}

/** What the ids of a response and its items have in common. */
export function toBase(chatId: string): string {
  return chatId.replace(/^(?:chatcmpl-|resp_)/, "");
}

/** How ids of items begin. */
export type ItemKind = "msg" | "rs" | "fc" | "ctc";

/** Ids of items say what they are and where: the same answer has the same ids whenever it is given. */
export function itemId(kind: ItemKind, base: string, at: number): string {
  return `${kind}_${base}_${at}`;
}

/** Whether the client wants what is shown of the reasoning as a summary; `generate_summary` is the older name. */
export function wantsSummary({ reasoning }: CreateResponseRequest): boolean {
  return Boolean(reasoning?.summary ?? reasoning?.extra?.["generate_summary"]);
}

const incompleteReasons: Readonly<Record<string, string>> = {
  length: "max_output_tokens",
  content_filter: "content_filter",
};

/** How a response ended. */
export type Ending = {
  readonly status: "completed" | "incomplete";
  readonly incompleteDetails?: { readonly reason: string };
};

/** The ending for the reason why a choice ended. */
export function toEnding(finishReason: string | undefined): Ending {
  const reason = incompleteReasons[finishReason ?? "stop"];
  if (reason === undefined) return { status: "completed" };
  return { status: "incomplete", incompleteDetails: { reason } };
}

/** Undefined where the provider counted nothing: absent is not zero. */
export function toUsage(
  usage: ChatUsage | undefined,
): Init<typeof ResponsesUsageSchema> | undefined {
  if (usage === undefined) return undefined;
  const { promptTokens, completionTokens, totalTokens } = usage;
  const { cachedTokens = 0, cacheWriteTokens = 0 } = usage.promptTokensDetails ?? {};
  const { reasoningTokens = 0 } = usage.completionTokensDetails ?? {};
  return {
    inputTokens: promptTokens,
    inputTokensDetails: { cachedTokens, cacheWriteTokens },
    outputTokens: completionTokens,
    outputTokensDetails: { reasoningTokens },
    totalTokens,
  };
}

/** The log probabilities of an answer's text, or of a piece of it. */
export function logprobsOf(logprobs: { readonly content?: JsonValue } | undefined): JsonValue[] {
  const content = logprobs?.content;
  return Array.isArray(content) ? content : [];
}

function toOutput(
  choice: ChatChoice | undefined,
  base: string,
  request: CreateResponseRequest,
): Item[] {
  if (choice?.message === undefined) return [];
  const makers = [
    ...toReasoning(choice.message, wantsSummary(request)),
    ...toSaid(choice),
    ...toCalls(choice.message, base, customNamesOf(request)),
  ];
  const last = toEnding(choice.finishReason).status;
  return makers.map((make, at) =>
    make((kind) => itemId(kind, base, at), at === makers.length - 1 ? last : "completed"),
  );
}

/** Makes an item when its place and its status are known. */
type Maker = (idOf: (kind: ItemKind) => string, status: Status) => Item;

function toReasoning({ reasoningContent, extra }: AssistantMessage, isSummary: boolean): Maker[] {
  const sealed = sealThoughts(readThoughts(extra));
  const text = reasoningContent || undefined;
  if (text === undefined && sealed === undefined) return [];
  return [(idOf, status) => reasoningItem(idOf("rs"), status, { text, isSummary, sealed })];
}

function toSaid({ message, logprobs }: ChatChoice): Maker[] {
  const said: [SaidType, string | undefined][] = [
    ["output_text", message?.content],
    ["refusal", message?.refusal],
  ];
  const parts = said.flatMap(([type, text]) =>
    text ? [saidPart(type, text, logprobsOf(logprobs))] : [],
  );
  return parts.length === 0 ? [] : [(idOf, status) => messageItem(idOf("msg"), status, parts)];
}

function toCalls(
  { toolCalls }: AssistantMessage,
  base: string,
  customNames: ReadonlySet<string>,
): Maker[] {
  return toolCalls.map(({ id, function: called, extra }, at) => {
    const { name = "" } = called ?? {};
    const isCustom = customNames.has(name);
    const whole = {
      ...{ callId: id || callIdOf(base, at), name, isCustom, extra },
      arguments: called?.arguments || (isCustom ? "" : "{}"),
    };
    return (idOf, status) => callItem(idOf(isCustom ? "ctc" : "fc"), status, whole);
  });
}

/** The id of a call that its provider gave none; `at` is its place among the calls. */
export function callIdOf(base: string, at: number): string {
  return `call_${base}_${at}`;
}
