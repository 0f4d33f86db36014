// Reads from a chat request what a routing decision needs, in one pass.
import type { ChatContent, CreateChatCompletionRequest } from "../gen/optamil/v1/chat_pb.ts";

/** What a request needs and how long it is. */
export type Features = {
  /** What the router judges: the text of the last message that asks, "" if it has none. */
  readonly task: string;
  /** UTF-16 units of all texts of the conversation. */
  readonly promptChars: number;
  /** Estimated prompt tokens: a quarter of the characters, rounded up, and 1,000 for each image or file. */
  readonly promptTokens: number;
  /** Most tokens that the request allows for the answer; undefined: the model's own bound. */
  readonly maxOutputTokens: number | undefined;
  /** Whether it offers tools. */
  readonly tools: boolean;
  /** Whether it holds images. */
  readonly vision: boolean;
  /** Whether it asks for a JSON object. */
  readonly jsonMode: boolean;
  /** Whether it asks for a JSON schema. */
  readonly jsonSchema: boolean;
};

const charsPerToken = 4;
const tokensPerAttachment = 1_000;

/** The features of a request. */
export function readFeatures(request: CreateChatCompletionRequest): Features {
  let promptChars = 0;
  let attachments = 0;
  let vision = false;
  for (const message of request.messages) {
    const size = measureContent(message.content);
    promptChars += size.chars;
    attachments += size.attachments;
    vision ||= size.images > 0;
    for (const call of message.toolCalls) promptChars += call.function?.arguments?.length ?? 0;
  }
  return {
    task: readTask(request),
    promptChars,
    promptTokens: Math.ceil(promptChars / charsPerToken) + attachments * tokensPerAttachment,
    maxOutputTokens: request.maxCompletionTokens ?? request.maxTokens,
    tools: request.tools.length > 0 || request.functions.length > 0,
    vision,
    jsonMode: request.responseFormat?.type === "json_object",
    jsonSchema: request.responseFormat?.type === "json_schema",
  };
}

function measureContent(content: ChatContent | undefined): {
  chars: number;
  attachments: number;
  images: number;
} {
  const size = { chars: 0, attachments: 0, images: 0 };
  if (content?.kind.case === "text") size.chars = content.kind.value.length;
  if (content?.kind.case !== "parts") return size;
  for (const part of content.kind.value.values) {
    size.chars += part.text?.length ?? 0;
    if (part.type !== "text" && part.type !== "refusal") size.attachments++;
    if (part.type === "image_url") size.images++;
  }
  return size;
}

/** The last user message; its own texts, one after the other. */
function readTask({ messages }: CreateChatCompletionRequest): string {
  const asked = messages.findLast(({ role }) => role === "user") ?? messages.at(-1);
  const kind = asked?.content?.kind;
  if (kind?.case === "text") return kind.value;
  if (kind?.case !== "parts") return "";
  return kind.value.values.flatMap(({ text }) => text ?? []).join("\n");
}
