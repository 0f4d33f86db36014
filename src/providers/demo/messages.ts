// The demo provider's answers as messages: whole, or in chunks.

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  type ChatDeltaSchema,
  type ChatUsage,
  ChatUsageSchema,
  type CreateChatCompletionResponse,
  CreateChatCompletionResponseSchema,
  type StreamChatCompletionResponse,
  StreamChatCompletionResponseSchema,
} from "../../gen/optamil/v1/chat_pb.ts";
import type { ProviderCall } from "../provider.ts";
import { countPromptTokens, type Reply } from "./reply.ts";

type Delta = MessageInitShape<typeof ChatDeltaSchema>;

/** The tokens used, exact by the demo provider's own rule. */
export function toUsage(call: ProviderCall, replies: readonly Reply[]): ChatUsage {
  const promptTokens = countPromptTokens(call.request);
  const completionTokens = replies.reduce((sum, { tokenCount }) => sum + tokenCount, 0);
  const totalTokens = promptTokens + completionTokens;
  return create(ChatUsageSchema, { promptTokens, completionTokens, totalTokens });
}

/** The whole answer. `created` is in Unix seconds. */
export function toResponse(
  call: ProviderCall,
  replies: readonly Reply[],
  created: bigint,
): CreateChatCompletionResponse {
  return create(CreateChatCompletionResponseSchema, {
    id: toId(call),
    object: "chat.completion",
    created,
    model: call.model,
    choices: replies.map(({ functionName, tokens, finishReason }, index) => {
      const text = tokens.join("");
      const isCall = functionName !== undefined;
      const called = { name: functionName, arguments: text };
      const toolCalls = [{ id: toCallId(call, index), type: "function", function: called }];
      const message = isCall
        ? { role: "assistant", toolCalls }
        : { role: "assistant", content: text };
      return { index, message, finishReason };
    }),
    usage: toUsage(call, replies),
  });
}

/**
 * The chunks of a stream, in order: the roles, then token by token with the choices taking turns, each
 * choice's end after its last token, and the usage if it was asked for.
 */
export function* toChunks(
  call: ProviderCall,
  replies: readonly Reply[],
  created: bigint,
): Generator<StreamChatCompletionResponse> {
  const frame = { id: toId(call), object: "chat.completion.chunk", created, model: call.model };
  const toChunk = (index: number, delta: Delta, finishReason?: string) =>
    create(StreamChatCompletionResponseSchema, {
      ...frame,
      choices: [{ index, delta, finishReason }],
    });
  for (const [index, { functionName }] of replies.entries()) {
    yield toChunk(index, toFirstDelta(call, index, functionName));
  }
  const longest = Math.max(...replies.map(({ tokens }) => tokens.length));
  for (let at = 0; at <= longest; at += 1) {
    for (const [index, { functionName, tokens, finishReason }] of replies.entries()) {
      const token = tokens[at];
      if (token !== undefined) yield toChunk(index, toDelta(functionName, token));
      else if (at === tokens.length) yield toChunk(index, {}, finishReason);
    }
  }
  if (!call.includeUsage) return;
  const usage = toUsage(call, replies);
  yield create(StreamChatCompletionResponseSchema, { ...frame, choices: [], usage });
}

function toFirstDelta(call: ProviderCall, index: number, functionName: string | undefined): Delta {
  if (functionName === undefined) return { role: "assistant", content: "" };
  const called = { name: functionName, arguments: "" };
  const id = toCallId(call, index);
  return { role: "assistant", toolCalls: [{ index: 0, id, type: "function", function: called }] };
}

function toDelta(functionName: string | undefined, token: string): Delta {
  if (functionName === undefined) return { content: token };
  return { toolCalls: [{ index: 0, function: { arguments: token } }] };
}

function toId({ requestId }: ProviderCall): string {
  return `chatcmpl-${requestId}`;
}

function toCallId({ requestId }: ProviderCall, index: number): string {
  return `call_${requestId}_${index}`;
}
