// ResponseService: maps each request to a ChatCall, whose answer the door translates back.
import type { AnswerSink } from "../../chat/call.ts";
import { answerOnce } from "../../chat/idempotent.ts";
import { policyOf } from "../../chat/parameters.ts";
import { type CreateResponseRequest, ResponseService } from "../../gen/optamil/v1/responses_pb.ts";
import { answered, type Exchange, type MethodEntry } from "../exchange.ts";
import { ResponseTranslator } from "../responses/events.ts";
import { responsesNames } from "../responses/names.ts";
import { toChatRequest } from "../responses/request.ts";
import { findUnheeded, refuseUnheeded } from "../responses/unheeded.ts";
import type { UseParts } from "./chat.ts";

/** The methods of ResponseService. */
export function responseMethods(use: UseParts): readonly MethodEntry[] {
  const serve =
    (stream: boolean) =>
    async (message: CreateResponseRequest, exchange: Exchange, sink: AnswerSink): Promise<void> => {
      const request = toChatRequest(message, stream);
      // The client's bytes are no chat request: what goes up is encoded from the message.
      const call = { ...exchange, request, stream, body: undefined };
      const [unheeded] = findUnheeded(message);
      await use(async (parts) => {
        if (unheeded !== undefined && policyOf(call, parts.parameterPolicy) === "reject") {
          throw refuseUnheeded(unheeded);
        }
        await answerOnce(call, sink, parts);
      }).catch((thrown: unknown) => {
        throw responsesNames.refusal(thrown);
      });
    };
  const translate = (_requestId: string, request: CreateResponseRequest) =>
    new ResponseTranslator(request);
  return [
    answered(ResponseService.method.createResponse, serve(false), translate),
    answered(ResponseService.method.streamResponse, serve(true), translate),
  ];
}
