// Takes feedback: an event that names the request that it is on, and changes no balance.
import type { Clock } from "../platform/clock.ts";
import { invalidRequest, OptamilError } from "../platform/errors.ts";
import type { UuidSource } from "../platform/uuid.ts";
import { createFeedback, type Rating } from "./feedback-event.ts";
import type { UsageLog } from "./usage-log.ts";
import type { StoredEvent } from "./warehouse.ts";

/** What feedback stands on. */
export type FeedbackParts = {
  /** Both ask the warehouse, and throw `service_unavailable` while it cannot answer. */
  readonly findEvent: (accountId: string, eventId: string) => Promise<StoredEvent | undefined>;
  readonly findRequest: (accountId: string, requestId: string) => Promise<StoredEvent | undefined>;
  readonly usageLog: Pick<UsageLog, "append">;
  readonly clock: Pick<Clock, "wallMs">;
  readonly uuids: UuidSource;
};

/** Who says what of which request. */
export type GivenFeedback = Rating & {
  readonly accountId: string;
  readonly keyId: string;
  /** Id of the call that brings it. */
  readonly callId: string;
  /** The request that it is on. */
  readonly on: { readonly eventId: string } | { readonly requestId: string };
};

/** A feedback that was taken. */
export type TakenFeedback = {
  /** Of its own event. */
  readonly feedbackEventId: string;
  /** Of the request that it is on. */
  readonly eventId: string;
};

/**
 * Takes a feedback on a request of an account; resolves when it is durable. Of several on one request the last
 * counts, as a whole.
 *
 * Throws `not_found` (to be tried again: a request that has just ended is found after a second), `invalid_request`
 * for what is no request.
 */
export type GiveFeedback = (given: GivenFeedback) => Promise<TakenFeedback>;

/** How long a request takes to be found. */
const retryAfterMs = 1_000;

/** Feedback over the warehouse and the usage log. */
export function createGiveFeedback(parts: FeedbackParts): GiveFeedback {
  const { usageLog, clock, uuids } = parts;
  return async (given) => {
    const rated = await findRated(given, parts);
    const feedbackEventId = uuids.text();
    const giver = { keyId: given.keyId, requestId: given.callId };
    const event = createFeedback(feedbackEventId, rated, giver, given, clock.wallMs());
    await usageLog.append(event);
    return { feedbackEventId, eventId: rated.eventId };
  };
}

async function findRated(
  { accountId, on }: GivenFeedback,
  { findEvent, findRequest }: FeedbackParts,
): Promise<StoredEvent> {
  const isById = "eventId" in on;
  const rated = await (isById
    ? findEvent(accountId, on.eventId.toLowerCase())
    : findRequest(accountId, on.requestId));
  const param = isById ? "event_id" : "request_id";
  if (rated === undefined) {
    const message =
      "The account has no request with that id; new ones can be found after a second.";
    throw new OptamilError("not_found", message, { param, retryAfterMs, shouldRetry: true });
  }
  if (rated.kind !== "request") throw invalidRequest("Only requests can be rated.", param);
  return rated;
}
