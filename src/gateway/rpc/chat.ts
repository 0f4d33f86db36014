// ChatService: maps each request to a ChatCall and leaves the rest to the use case.
import type { AnswerSink, ChatCall } from "../../chat/call.ts";
import { answerOnce, type OnceParts } from "../../chat/idempotent.ts";
import { ChatService, type CreateChatCompletionRequest } from "../../gen/optamil/v1/chat_pb.ts";
import { answered, type Exchange, type MethodEntry } from "../exchange.ts";

/** Runs the answer to one request with the parts of now, which stay open until its end. */
export type UseParts = (run: (parts: OnceParts) => Promise<void>) => Promise<void>;

/** The methods of ChatService. */
export function chatMethods(use: UseParts): readonly MethodEntry[] {
  const serve =
    (stream: boolean) =>
    (request: CreateChatCompletionRequest, exchange: Exchange, sink: AnswerSink): Promise<void> =>
      use((parts) => answerOnce(toCall(exchange, request, stream), sink, parts));
  return [
    answered(ChatService.method.createChatCompletion, serve(false)),
    answered(ChatService.method.streamChatCompletion, serve(true)),
  ];
}

function toCall(
  exchange: Exchange,
  request: CreateChatCompletionRequest,
  stream: boolean,
): ChatCall {
  return {
    requestId: exchange.requestId,
    caller: exchange.caller,
    request,
    body: exchange.body,
    stream,
    cancellation: exchange.cancellation,
    receivedAtMs: exchange.receivedAtMs,
    timeoutMs: exchange.timeoutMs,
    idempotencyKey: exchange.idempotencyKey,
    quality: exchange.quality,
    tag: exchange.tag,
    trail: exchange.trail,
    showRate: exchange.showRate,
  };
}
