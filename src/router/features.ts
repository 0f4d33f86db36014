// Reads from a chat request what a routing decision needs, in one pass.
import type {
  ChatContent,
  ChatMessage,
  CreateChatCompletionRequest,
} from "../gen/optamil/v1/chat_pb.ts";

/** What a request needs and how long it is. */
export type Features = {
  /** What the router reads: the user's last text, with those before it while it is short. */
  readonly prompt: string;
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

/** Characters of a token, by a rule of thumb that holds for English. */
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
    prompt: readPrompt(request.messages),
    promptChars,
    promptTokens: Math.ceil(promptChars / charsPerToken) + attachments * tokensPerAttachment,
    maxOutputTokens: request.maxCompletionTokens ?? request.maxTokens,
    tools: request.tools.length > 0 || request.functions.length > 0,
    vision,
    jsonMode: request.responseFormat?.type === "json_object",
    jsonSchema: request.responseFormat?.type === "json_schema",
  };
}

/** A text below this many characters ("go on") says little by itself: the one before it is read too. */
const promptCharsMin = 40;

function readPrompt(messages: readonly ChatMessage[]): string {
  let prompt = "";
  for (let at = messages.length - 1; at >= 0 && prompt.length < promptCharsMin; at--) {
    const message = messages[at];
    if (message?.role !== "user") continue;
    const text = readText(message.content);
    prompt = prompt === "" ? text : `${text}\n${prompt}`;
  }
  return prompt;
}

/** The texts of a message. */
export function readText(content: ChatContent | undefined): string {
  if (content?.kind.case === "text") return content.kind.value;
  if (content?.kind.case !== "parts") return "";
  return content.kind.value.values.map(({ text }) => text ?? "").join("\n");
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
