// Takes charges back: a second event that names the first, never a change of it.
import type { Clock } from "../platform/clock.ts";
import { invalidRequest, OptamilError } from "../platform/errors.ts";
import { createRefund, toRefundId } from "./event.ts";
import type { UsageLog } from "./usage-log.ts";
import type { StoredEvent } from "./warehouse.ts";

/** What refunds stand on. */
export type RefundParts = {
  /** Asks the warehouse; throws `service_unavailable` while it cannot answer. */
  readonly findEvent: (accountId: string, eventId: string) => Promise<StoredEvent | undefined>;
  readonly usageLog: Pick<UsageLog, "append">;
  readonly clock: Pick<Clock, "wallMs">;
};

/** A charge that was taken back. */
export type Refund = {
  /** Id of the refund's own event. */
  readonly refundEventId: string;
  /** Period of the charge, and so of the refund. */
  readonly periodId: string;
  readonly refundedMicro: bigint;
};

/**
 * Refunds a request of an account by the id of its event; resolves when that is durable. The counters
 * learn of it as of any event, when the warehouse has counted it.
 *
 * Throws `not_found`, `invalid_request` for what was free or is no request.
 */
export type RefundUsage = (accountId: string, eventId: string) => Promise<Refund>;

/**
 * Refunds over the warehouse and the usage log. A refund's id follows from the charged event's: what slips
 * through between two look-ups is one and the same event twice, which counts once.
 */
export function createRefundUsage({ findEvent, usageLog, clock }: RefundParts): RefundUsage {
  return async (accountId, eventId) => {
    const charged = toCharged(await findEvent(accountId, eventId.toLowerCase()));
    const refundEventId = toRefundId(charged.eventId);
    if ((await findEvent(accountId, refundEventId)) === undefined) {
      await usageLog.append(createRefund(charged, clock.wallMs()));
    }
    return { refundEventId, periodId: charged.periodId, refundedMicro: charged.creditsMicro };
  };
}

function toCharged(event: StoredEvent | undefined) {
  if (event === undefined) {
    const message = "The account has no event with that id; new ones can be found after a second.";
    throw new OptamilError("not_found", message, { param: "event_id" });
  }
  const { kind, tier } = event;
  if (kind !== "request") throw invalidRequest("Only requests can be refunded.", "event_id");
  if (tier === undefined || event.creditsMicro <= 0n) {
    throw invalidRequest("The request was free of charge.", "event_id");
  }
  return { ...event, tier };
}
