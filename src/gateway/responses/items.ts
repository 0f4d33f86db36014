// The items of a conversation as chat messages: what one answer holds in many items is one message there.
import { create, type JsonObject } from "@bufbuild/protobuf";
import {
  type ChatMessage,
  ChatMessageSchema,
  type ContentPart,
  FunctionCallSchema,
  type ToolCall,
  ToolCallSchema,
} from "../../gen/optamil/v1/chat_pb.ts";
import type { ResponsesInput, ResponsesItem } from "../../gen/optamil/v1/responses_pb.ts";
import { toContent } from "../chat-content.ts";
import {
  marksOf,
  needed,
  partsOf,
  textOf,
  textPart,
  toChatContent,
  toChatPart,
  toSystemContent,
  wrong,
} from "./content.ts";
import { toCustomArguments } from "./custom-tools.ts";
import { unsealThoughts } from "./thoughts.ts";

/** The chat messages that say what an input says. Throws `invalid_request` with the place of what no chat has. */
export function toChatMessages({ kind }: ResponsesInput): ChatMessage[] {
  if (kind.case !== "items") {
    const content = toContent([textPart(kind.value ?? "")]);
    return [create(ChatMessageSchema, { role: "user", content })];
  }
  const messages: ChatMessage[] = [];
  let answer: Answer | undefined;
  const end = () => {
    const message = answer && toAnswerMessage(answer);
    if (message !== undefined) messages.push(message);
    answer = undefined;
  };
  for (const [at, item] of kind.value.values.entries()) {
    const path = `input[${at}]`;
    const type = typeOf(item);
    const isAnswer = item.role === "assistant" && type === "message";
    const isCall = type === "function_call" || type === "custom_tool_call";
    if (isAnswer || isCall || type === "reasoning") {
      if (answer !== undefined && !isCall && isWhole(answer)) end();
      answer ??= { parts: [], refusals: [], calls: [], reasoning: [], thoughts: [], extra: {} };
      addTo(answer, type, item, path);
    } else {
      end();
      messages.push(type === "message" ? toMessage(item, path) : toResult(type, item, path));
    }
  }
  end();
  return messages;
}

/** What has come of one answer. */
type Answer = {
  readonly parts: ContentPart[];
  readonly refusals: string[];
  readonly calls: ToolCall[];
  readonly reasoning: string[];
  readonly thoughts: JsonObject[];
  extra: JsonObject;
};

/** Whether more text is another answer: no call of this one waits for its result. */
function isWhole({ parts, refusals, calls }: Answer): boolean {
  return parts.length + refusals.length > 0 && calls.length === 0;
}

/** Clients leave out the type of messages, and of references to items by their ids alone. */
function typeOf({ type, role }: ResponsesItem): string {
  return type ?? (role === undefined ? "item_reference" : "message");
}

function addTo(answer: Answer, type: string, item: ResponsesItem, path: string): void {
  if (type === "reasoning") addReasoning(answer, item, path);
  else if (type === "message") addSaid(answer, item, path);
  else answer.calls.push(toCall(type, item, path));
}

function addSaid(answer: Answer, item: ResponsesItem, path: string): void {
  const content = needed(item.content, `${path}.content`);
  for (const [at, part] of partsOf(content).entries()) {
    const place = `${path}.content[${at}]`;
    if (part.type !== "refusal") answer.parts.push(toChatPart(part, place));
    else answer.refusals.push(needed(part.refusal, `${place}.refusal`));
  }
  answer.extra = { ...answer.extra, ...marksOf(item).extra };
}

/** The whole text goes before its summary. */
function addReasoning(answer: Answer, item: ResponsesItem, path: string): void {
  const [name, parts] =
    partsOf(item.content).length > 0
      ? (["content", partsOf(item.content)] as const)
      : (["summary", partsOf(item.summary)] as const);
  const texts = parts.map((part, at) => textOf(part, `${path}.${name}[${at}]`));
  if (texts.length > 0) answer.reasoning.push(texts.join("\n\n"));
  answer.thoughts.push(...(unsealThoughts(item.encryptedContent ?? "") ?? []));
}

/** Reasoning goes with calls only, whose results are reasoned on about; nobody needs it later. */
function toAnswerMessage(answer: Answer): ChatMessage | undefined {
  const { parts, refusals, calls, reasoning, thoughts } = answer;
  const isSilent = parts.length === 0 && calls.length === 0;
  if (isSilent && refusals.length === 0) return undefined;
  const extra = {
    ...answer.extra,
    ...(thoughts.length > 0 && { thinking_blocks: thoughts }),
    ...(calls.length > 0 && reasoning.length > 0 && { reasoning_content: reasoning.join("") }),
  };
  return create(ChatMessageSchema, {
    role: "assistant",
    toolCalls: calls,
    ...(parts.length > 0 && { content: toContent(parts) }),
    ...(refusals.length > 0 && { refusal: refusals.join("") }),
    ...(Object.keys(extra).length > 0 && { extra }),
  });
}

function toMessage(item: ResponsesItem, path: string): ChatMessage {
  const said = needed(item.content, `${path}.content`);
  const speaker = needed(item.role, `${path}.role`);
  const toSaid = speaker === "user" ? toChatContent : toSystemContent;
  return create(ChatMessageSchema, {
    role: speaker,
    content: toSaid(said, `${path}.content`),
    ...marksOf(item),
  });
}

function toResult(type: string, item: ResponsesItem, path: string): ChatMessage {
  if (type === "item_reference") {
    const remedy = "send the item itself (with the AI SDK: store false)";
    throw wrong(path, `no item is kept on this gateway; ${remedy}`);
  }
  if (type !== "function_call_output" && type !== "custom_tool_call_output") {
    const reason = `there are no items of type '${type.slice(0, 64)}' on this gateway; leave it out`;
    throw wrong(`${path}.type`, reason);
  }
  const { callId, output } = item;
  return create(ChatMessageSchema, {
    role: "tool",
    toolCallId: needed(callId, `${path}.call_id`),
    content: toChatContent(needed(output, `${path}.output`), `${path}.output`),
    ...marksOf(item),
  });
}

function toCall(type: string, item: ResponsesItem, path: string): ToolCall {
  const called = create(FunctionCallSchema, {
    name: needed(item.name, `${path}.name`),
    arguments:
      type === "custom_tool_call"
        ? toCustomArguments(needed(item.input, `${path}.input`))
        : needed(item.arguments, `${path}.arguments`),
  });
  const call = { id: needed(item.callId, `${path}.call_id`), type: "function", function: called };
  return create(ToolCallSchema, { ...call, ...marksOf(item) });
}
