/** The events of a simulation: of the real ones, what the invariants speak of. */

import type { TierName } from "../../src/catalogue/tiers.ts";
import { Outcome, type UsageEvent } from "../../src/gen/optamil/v1/event_pb.ts";
import { encodeEvent } from "../../src/usage/encode-event.ts";
import {
  createHold,
  createRefund,
  createSettlement,
  fromEventIdText,
  toEventIdText,
  toRefundId,
} from "../../src/usage/event.ts";
import { toTierName } from "../../src/usage/event-decision.ts";
import { noTokens } from "../../src/usage/tokens.ts";

/** One usage event. */
export type SimEvent = {
  readonly eventId: string;
  /** 0 swept or found open at a start, 1 settled. */
  readonly rev: number;
  readonly accountId: string;
  readonly periodId: string;
  readonly tier: TierName;
  readonly creditsMicro: bigint;
  /** The event whose charge it takes back. */
  readonly refundOf?: string | undefined;
};

/** The record of an admission. */
export type SimHold = {
  readonly eventId: string;
  readonly accountId: string;
  readonly keyId: string;
  readonly periodId: string;
  readonly admittedAtMs: number;
  /** The estimate, and when the request has ended, what it used. */
  tokens: number;
};

/** An event id by its number, in the order of admission. */
export function toEventId(number: number): string {
  return `00000000-0000-7000-8000-${String(number).padStart(12, "0")}`;
}

/** The record of an event as a gateway writes it. */
export function toBytes(event: SimEvent, admittedAtMs: number): Uint8Array {
  const { eventId, accountId, periodId, creditsMicro, tier, refundOf } = event;
  if (refundOf !== undefined) {
    const spent = { keyId: "key", rootKeyId: "key", tag: "", budgets: [] };
    const amount = { periodId, tier, creditsMicro: -creditsMicro };
    const charged = { eventId: refundOf, accountId, ...amount, ...spent };
    const refund = createRefund(charged, admittedAtMs);
    return encodeEvent({ ...refund, eventId: fromEventIdText(eventId) });
  }
  const hold = createHold({
    eventId,
    accountId,
    keyId: "key",
    periodId,
    admittedAtMs,
    requestedModel: "auto",
    stream: false,
    holdMicro: 0n,
    scheduleVersion: 1,
    requestId: eventId,
  });
  if (event.rev === 0) return encodeEvent(hold);
  const served = { model: "model", tier, provider: "provider" };
  const settlement = createSettlement(hold, {
    outcome: Outcome.OK,
    finishedAtMs: admittedAtMs,
    served,
    tokens: noTokens,
    creditsMicro,
    providerCostNanoUsd: 0n,
    baselineCostNanoUsd: 0n,
    attempts: [],
    httpStatus: 200,
    firstTokenMs: 0,
  });
  return encodeEvent(settlement);
}

/** What the invariants speak of in a real event. */
export function fromUsageEvent(event: UsageEvent): SimEvent {
  const { rev, accountId, periodId, creditsMicro } = event;
  const tier = toTierName(event.tier) ?? "free";
  const refundOf = event.refEventId.length > 0 ? toEventIdText(event.refEventId) : undefined;
  const eventId = toEventIdText(event.eventId);
  return { eventId, rev, accountId, periodId, tier, creditsMicro, refundOf };
}

/** The event that takes back what another one charged. */
export function toRefund(charged: SimEvent, eventId = toRefundId(charged.eventId)): SimEvent {
  const { creditsMicro } = charged;
  return { ...charged, eventId, creditsMicro: -creditsMicro, refundOf: charged.eventId };
}

/** The event of a request that has died. */
export function toAbort({ eventId, accountId, periodId }: Omit<SimHold, "tokens">): SimEvent {
  return { eventId, rev: 0, accountId, periodId, tier: "free", creditsMicro: 0n };
}
