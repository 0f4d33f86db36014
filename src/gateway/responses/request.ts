// A request for a response as the chat request that the gateway answers.
import { create } from "@bufbuild/protobuf";
import {
  type ChatMessage,
  ChatMessageSchema,
  type CreateChatCompletionRequest,
  CreateChatCompletionRequestSchema,
  JsonSchemaFormatSchema,
  type ResponseFormat,
  ResponseFormatSchema,
  StreamOptionsSchema,
} from "../../gen/optamil/v1/chat_pb.ts";
import type { CreateResponseRequest, ResponsesFormat } from "../../gen/optamil/v1/responses_pb.ts";
import { toContent } from "../chat-content.ts";
import { textPart } from "./content.ts";
import { toChatMessages } from "./items.ts";
import { toToolFields } from "./tools.ts";
import { refuseKept } from "./unheeded.ts";

/**
 * The chat request that asks for the same. Throws `invalid_request` with its path for what no chat request has, and
 * for what names something that only OpenAI's servers keep.
 *
 * `metadata` stays behind: the answer repeats it, and OpenAI's chat API takes it only with what it stores.
 */
export function toChatRequest(
  request: CreateResponseRequest,
  stream: boolean,
): CreateChatCompletionRequest {
  refuseKept(request);
  const { model, maxOutputTokens, temperature, topP, text, reasoning, optamil, extra } = request;
  const { user, safetyIdentifier, promptCacheKey, serviceTier } = request;
  const { promptCacheOptions, promptCacheRetention, moderation } = request;
  const { frequencyPenalty, presencePenalty } = request;
  return create(CreateChatCompletionRequestSchema, {
    model,
    messages: toMessages(request),
    ...toToolFields(request),
    ...toLogprobs(request),
    maxCompletionTokens: maxOutputTokens,
    ...{ temperature, topP, user, safetyIdentifier, promptCacheKey, serviceTier },
    ...{ promptCacheOptions, promptCacheRetention, moderation, frequencyPenalty, presencePenalty },
    reasoningEffort: reasoning?.effort,
    responseFormat: text?.format && toFormat(text.format),
    verbosity: text?.verbosity,
    ...(stream && {
      stream,
      streamOptions: create(StreamOptionsSchema, { includeUsage: true }),
    }),
    ...{ optamil, extra },
  });
}

function toMessages({ instructions, input }: CreateResponseRequest): ChatMessage[] {
  const messages = input === undefined ? [] : toChatMessages(input);
  if (!instructions) return messages;
  const content = toContent([textPart(instructions)]);
  return [create(ChatMessageSchema, { role: "system", content }), ...messages];
}

/** Clients send 0 alternatives always; that alone asks for nothing. */
function toLogprobs({ include, topLogprobs = 0 }: CreateResponseRequest) {
  const isAsked = topLogprobs > 0 || include.includes("message.output_text.logprobs");
  return isAsked ? { logprobs: true, ...(topLogprobs > 0 && { topLogprobs }) } : {};
}

function toFormat(format: ResponsesFormat): ResponseFormat | undefined {
  const { type, name = "", description, schema, strict } = format;
  if (type === "text") return undefined;
  if (type === "json_object") return create(ResponseFormatSchema, { type });
  const jsonSchema = create(JsonSchemaFormatSchema, { name, description, schema, strict });
  return create(ResponseFormatSchema, { type, jsonSchema });
}
