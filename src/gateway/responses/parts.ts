// The parts and items of a response, as far as they are known.
import {
  type DescMessage,
  fromJson,
  type JsonObject,
  type JsonValue,
  type MessageInitShape,
} from "@bufbuild/protobuf";
import { type ListValue, ListValueSchema } from "@bufbuild/protobuf/wkt";
import type {
  ResponsesContentSchema,
  ResponsesItemSchema,
  ResponsesPartSchema,
} from "../../gen/optamil/v1/responses_pb.ts";
import { readCustomInput } from "./custom-tools.ts";

/** A message to be made: its fields without those of a message that is. */
export type Init<Desc extends DescMessage> = Exclude<
  MessageInitShape<Desc>,
  { readonly $typeName: string }
>;
/** A part to be made. */
export type Part = Init<typeof ResponsesPartSchema>;
/** An item to be made. */
export type Item = Init<typeof ResponsesItemSchema>;
/** How far an item is. */
export type Status = "in_progress" | "completed" | "incomplete";

type Content = Init<typeof ResponsesContentSchema>;

/** A list of any values. */
export function toList(values: readonly JsonValue[]): ListValue {
  return fromJson(ListValueSchema, [...values]);
}

/** A part of a message: text with its tokens' log probabilities, or a refusal. */
export function saidPart(type: SaidType, text: string, logprobs: readonly JsonValue[]): Part {
  if (type === "refusal") return { type, refusal: text };
  return { type, annotations: toList([]), logprobs: toList(logprobs), text };
}

/** Kinds of parts that messages of an answer have. */
export type SaidType = "output_text" | "refusal";

/** A list of parts as a content. */
function toParts(parts: readonly Part[]): Content {
  return { kind: { case: "parts", value: { values: [...parts] } } };
}

/** A message of the assistant. */
export function messageItem(id: string, status: Status, parts: readonly Part[]): Item {
  return { id, type: "message", status, role: "assistant", content: toParts(parts) };
}

/** What is known of a reasoning item. */
export type Reasoned = {
  /** Undefined: nothing of it is shown. */
  readonly text: string | undefined;
  /** Whether the text is a summary, or the reasoning itself. */
  readonly isSummary: boolean;
  /** What the provider signed, as clients keep it. */
  readonly sealed: string | undefined;
};

/** A reasoning item. */
export function reasoningItem(id: string, status: Status, reasoned: Reasoned): Item {
  const { text, isSummary, sealed } = reasoned;
  const part = text === undefined ? [] : [reasoningPart(text, isSummary)];
  return {
    ...{ id, type: "reasoning", status, summary: toParts(isSummary ? part : []) },
    ...(!isSummary && part.length > 0 && { content: toParts(part) }),
    ...(sealed !== undefined && { encryptedContent: sealed }),
  };
}

/** The part of a reasoning item that holds its text. */
export function reasoningPart(text: string, isSummary: boolean): Part {
  return { type: isSummary ? "summary_text" : "reasoning_text", text };
}

/** What is known of a call; what a provider put on it stays on it, as clients send items back as they came. */
export type Called = {
  readonly callId: string;
  readonly name: string;
  /** Whether the tool takes a text instead of arguments. */
  readonly isCustom: boolean;
  readonly arguments: string;
  readonly extra: JsonObject | undefined;
};

/** A call of a tool. */
export function callItem(id: string, status: Status, called: Called): Item {
  const { callId, name, isCustom, arguments: text, extra } = called;
  const marks = extra !== undefined && { extra };
  return isCustom
    ? { id, type: "custom_tool_call", status, callId, name, input: readCustomInput(text), ...marks }
    : { id, type: "function_call", status, callId, name, arguments: text, ...marks };
}
