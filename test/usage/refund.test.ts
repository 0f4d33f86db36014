import { describe, expect, it } from "vitest";
import { EventKind, Tier, type UsageEvent } from "../../src/gen/optamil/v1/event_pb.ts";
import { toEventIdText, toRefundId } from "../../src/usage/event.ts";
import { findFlaw } from "../../src/usage/event-flaw.ts";
import { createRefundUsage } from "../../src/usage/refund.ts";
import type { StoredEvent } from "../../src/usage/warehouse.ts";

const accountId = "0190b2c4-0000-7000-8000-000000000001";
const eventId = "0190b2c4-0000-7000-8000-00000000000a";
const charged: StoredEvent = {
  eventId,
  accountId,
  periodId: "2026-04",
  kind: "request",
  tier: "mid",
  creditsMicro: 2_000_000n,
  keyId: "key-2",
  rootKeyId: "key-1",
  tag: "team-a",
  budgets: [{ id: "tag:team-a", limitMicro: 9_000_000n }],
};

/** Refunds over a warehouse that holds these events, and takes over what is appended when told to. */
function open(...stored: StoredEvent[]) {
  const appended: UsageEvent[] = [];
  const refund = createRefundUsage({
    findEvent: async (account, event) =>
      stored.find((one) => one.accountId === account && one.eventId === event),
    usageLog: {
      append: async (event) => {
        appended.push(event);
      },
    },
    clock: { wallMs: () => 1_790_000_000_000 },
  });
  return { refund, appended, stored };
}

describe("a refund", () => {
  it("takes back the whole charge in its own tier and period, by an event that can be", async () => {
    const { refund, appended } = open(charged);
    expect(await refund(accountId, eventId)).toEqual({
      refundEventId: toRefundId(eventId),
      periodId: "2026-04",
      refundedMicro: 2_000_000n,
    });
    const [event] = appended;
    expect(event).toMatchObject({
      kind: EventKind.ADJUSTMENT,
      accountId,
      periodId: "2026-04",
      tier: Tier.MID,
      creditsMicro: -2_000_000n,
    });
    expect(event && findFlaw(event)).toBeUndefined();
    expect(event && toEventIdText(event.refEventId)).toBe(eventId);
  });

  it("of a refunded event writes nothing and answers the same", async () => {
    const done = { ...charged, eventId: toRefundId(eventId), kind: "adjustment" };
    const { refund, appended } = open(charged, { ...done, creditsMicro: -2_000_000n });
    expect(await refund(accountId, eventId)).toMatchObject({ refundedMicro: 2_000_000n });
    expect(appended).toEqual([]);
  });

  it("asked for twice before the warehouse has it is twice the same event", async () => {
    const { refund, appended } = open(charged);
    await Promise.all([refund(accountId, eventId), refund(accountId, eventId)]);
    expect(appended).toHaveLength(2);
    expect(appended[0]).toEqual(appended[1]);
  });

  it("takes an event id in capital letters", async () => {
    const { refund, appended } = open(charged);
    await refund(accountId, eventId.toUpperCase());
    expect(appended).toHaveLength(1);
  });

  it.each<[string, StoredEvent[], string]>([
    ["of an unknown event", [], "not_found"],
    ["of another account's event", [{ ...charged, accountId: "other" }], "not_found"],
    ["of a free request", [{ ...charged, creditsMicro: 0n }], "invalid_request"],
    ["of a request that nobody served", [{ ...charged, tier: undefined }], "invalid_request"],
    ["of a refusal", [{ ...charged, kind: "rejected" }], "invalid_request"],
    ["of a refund", [{ ...charged, kind: "adjustment" }], "invalid_request"],
  ])("%s is refused", async (_name, stored, code) => {
    const { refund, appended } = open(...stored);
    await expect(refund(accountId, eventId)).rejects.toMatchObject({ code, param: "event_id" });
    expect(appended).toEqual([]);
  });
});
