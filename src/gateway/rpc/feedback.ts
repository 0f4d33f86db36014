// FeedbackService: maps each feedback to the use case.
import { create } from "@bufbuild/protobuf";
import type { RateView } from "../../chat/rate.ts";
import { CreateFeedbackResponseSchema, FeedbackService } from "../../gen/optamil/v1/feedback_pb.ts";
import type { Caller } from "../../keys/verify.ts";
import type { GiveFeedback } from "../../usage/feedback.ts";
import type { ThumbName } from "../../usage/feedback-event.ts";
import { type MethodEntry, metered } from "../exchange.ts";

/** What the service stands on. */
export type FeedbackMethodsParts = {
  readonly give: GiveFeedback;
  /** Counts a call; throws `rate_limit_exceeded`. */
  readonly admit: (caller: Caller, showRate: (view: RateView) => void) => Promise<void>;
};

/** The methods of FeedbackService. */
export function feedbackMethods({ give, admit }: FeedbackMethodsParts): readonly MethodEntry[] {
  return [
    metered(FeedbackService.method.createFeedback, async (request, exchange) => {
      const { caller, requestId: callId } = exchange;
      await admit(caller, exchange.showRate);
      const { requestId = "", eventId, score, comment } = request;
      const taken = await give({
        accountId: caller.accountId,
        keyId: caller.keyId,
        callId,
        on: eventId === undefined ? { requestId } : { eventId },
        thumb: toThumb(request.thumb),
        score,
        comment,
      });
      return create(CreateFeedbackResponseSchema, {
        id: taken.feedbackEventId,
        object: "feedback",
        eventId: taken.eventId,
      });
    }),
  ];
}

/** The proto file admits these two alone. */
function toThumb(word: string | undefined): ThumbName | undefined {
  return word === "up" || word === "down" ? word : undefined;
}
