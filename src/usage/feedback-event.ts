// Makes the event of a feedback: what a client says of the answer to one of its requests.
import { create } from "@bufbuild/protobuf";
import {
  EventKind,
  FeedbackSchema,
  Outcome,
  Thumb,
  type UsageEvent,
  UsageEventSchema,
} from "../gen/optamil/v1/event_pb.ts";
import { fromEventIdText, toMicros, whole } from "./event.ts";
import type { StoredEvent } from "./warehouse.ts";

/** A thumb's name. */
export type ThumbName = "up" | "down";

/** What is said of an answer; at least one of its members. */
export type Rating = {
  readonly thumb?: ThumbName | undefined;
  /** 0 (useless) to 1. */
  readonly score?: number | undefined;
  /** At most `commentBytesMax` bytes. */
  readonly comment?: string | undefined;
};

/** Longest comment, bytes of UTF-8. */
export const commentBytesMax = 4_096;

const thumbs: Readonly<Record<ThumbName, Thumb>> = { up: Thumb.UP, down: Thumb.DOWN };

/** The name of a thumb; empty where there is none. */
export function thumbName(thumb: Thumb = Thumb.UNSPECIFIED): string {
  if (thumb === Thumb.UP) return "up";
  return thumb === Thumb.DOWN ? "down" : "";
}

/**
 * Tells of a rating, in the period of the request that it is on, so that both lie together. It charges nothing and
 * has an id of its own: what was said before stays in the log, and the last counts.
 */
export function createFeedback(
  eventId: string,
  rated: Pick<StoredEvent, "eventId" | "accountId" | "periodId">,
  giver: { readonly keyId: string; readonly requestId: string },
  { thumb, score, comment = "" }: Rating,
  atMs: number,
): UsageEvent {
  return create(UsageEventSchema, {
    eventId: fromEventIdText(eventId),
    refEventId: fromEventIdText(rated.eventId),
    rev: 1,
    kind: EventKind.FEEDBACK,
    outcome: Outcome.OK,
    accountId: rated.accountId,
    keyJti: giver.keyId,
    requestId: giver.requestId,
    periodId: rated.periodId,
    admittedAtUs: toMicros(atMs),
    finishedAtUs: toMicros(atMs),
    feedback: create(FeedbackSchema, {
      thumb: thumb === undefined ? Thumb.UNSPECIFIED : thumbs[thumb],
      ...(score !== undefined && { scorePpm: Math.round(score * whole) }),
      comment,
    }),
  });
}
