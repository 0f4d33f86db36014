// MessageService: maps each request to a ChatCall, whose answer the door translates back.
import { create } from "@bufbuild/protobuf";
import type { AnswerSink } from "../../chat/call.ts";
import { countTokens } from "../../chat/count-tokens.ts";
import { answerOnce } from "../../chat/idempotent.ts";
import {
  CountMessageTokensResponseSchema,
  type CreateMessageRequest,
  MessageService,
} from "../../gen/optamil/v1/messages_pb.ts";
import { answered, type Exchange, type MethodEntry, unary } from "../exchange.ts";
import { MessageTranslator } from "../messages/events.ts";
import { messagesNames } from "../messages/names.ts";
import { toChatInput, toChatRequest } from "../messages/request.ts";
import type { UseParts } from "./chat.ts";

/** The methods of MessageService. */
export function messageMethods(use: UseParts): readonly MethodEntry[] {
  const serve =
    (stream: boolean) =>
    async (message: CreateMessageRequest, exchange: Exchange, sink: AnswerSink): Promise<void> => {
      const request = toChatRequest(message, stream);
      // The client's bytes are no chat request: what goes up is encoded from the message.
      const call = { ...exchange, request, stream, body: undefined };
      await use((parts) => answerOnce(call, sink, parts)).catch((thrown: unknown) => {
        throw messagesNames.refusal(thrown);
      });
    };
  const translate = () => new MessageTranslator();
  return [
    answered(MessageService.method.createMessage, serve(false), translate),
    answered(MessageService.method.streamMessage, serve(true), translate),
    unary(MessageService.method.countMessageTokens, async (input, exchange) => {
      const request = toChatInput(input);
      let inputTokens = 0;
      await use(async (parts) => {
        inputTokens = countTokens({ ...exchange, request, stream: false }, parts);
      });
      return create(CountMessageTokensResponseSchema, { inputTokens });
    }),
  ];
}
