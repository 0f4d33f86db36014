// ChatService: maps each request to a ChatCall and leaves the rest to the use case.
import type { AnswerSink } from "../../chat/call.ts";
import { answerOnce, type OnceParts } from "../../chat/idempotent.ts";
import { ChatService, type CreateChatCompletionRequest } from "../../gen/optamil/v1/chat_pb.ts";
import { answered, type Exchange, type MethodEntry } from "../exchange.ts";

/** The methods of ChatService. */
export function chatMethods(parts: OnceParts): readonly MethodEntry[] {
  const serve =
    (stream: boolean) =>
    (request: CreateChatCompletionRequest, exchange: Exchange, sink: AnswerSink): Promise<void> =>
      answerOnce({ ...exchange, request, stream }, sink, parts);
  return [
    answered(ChatService.method.createChatCompletion, serve(false)),
    answered(ChatService.method.streamChatCompletion, serve(true)),
  ];
}
