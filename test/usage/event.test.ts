import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  EventKind,
  type Feedback,
  Outcome,
  type RankedModel,
  RankedModelSchema,
  type RouteDecision,
  RouteDecisionSchema,
  Tier,
  type UsageEvent,
} from "../../src/gen/optamil/v1/event_pb.ts";
import { encodeEvent } from "../../src/usage/encode-event.ts";
import {
  createRefund,
  createRejection,
  decodeEvent,
  fromEventIdText,
  toEventIdText,
  toRefundId,
} from "../../src/usage/event.ts";
import { type DecisionRecord, toTierName } from "../../src/usage/event-decision.ts";
import { findFlaw } from "../../src/usage/event-flaw.ts";
import { type Ending, outcomeName, toOutcome, toRejection } from "../../src/usage/outcome.ts";
import {
  admittedAtMs,
  createEventId,
  periodId,
  sampleDecision,
  sampleEvent,
  sampleFeedback,
  sampleHold,
  sampleSettlement,
} from "./sample-events.ts";

function rankedModel(change: Partial<RankedModel> = {}): RankedModel {
  return { ...create(RankedModelSchema, { model: "o3", tier: Tier.ULTRA }), ...change };
}

describe("a hold", () => {
  it("is what stays of the request if the gateway dies: rev 0, aborted, free", () => {
    const hold = sampleHold();
    expect(hold).toMatchObject({
      rev: 0,
      kind: EventKind.REQUEST,
      outcome: Outcome.GATEWAY_ABORT,
      creditsMicro: 0n,
      holdMicro: 1_000_000n,
      periodId: "2026-04",
      admittedAtUs: BigInt(admittedAtMs) * 1_000n,
    });
    expect(findFlaw(hold)).toBeUndefined();
  });
});

describe("a settlement", () => {
  it("is rev 1 of the same event, in the period of the admission", () => {
    const hold = sampleHold();
    const settled = sampleSettlement(hold);
    expect(settled.eventId).toEqual(hold.eventId);
    expect(settled).toMatchObject({
      rev: 1,
      periodId,
      outcome: Outcome.STREAM_OK,
      tier: Tier.BUDGET,
      servedModel: "deepseek-chat",
      creditsMicro: 1_000_000n,
      cachedTokens: 20n,
      baselineCostNanousd: 4_050_000n,
    });
    expect(settled.attempts.map(({ status }) => status)).toEqual([503, 200]);
  });

  it("leaves the hold as it is", () => {
    const hold = sampleHold();
    sampleSettlement(hold);
    expect(hold.rev).toBe(0);
  });

  it("comes out of its bytes as it went in", () => {
    const settled = sampleEvent();
    expect(decodeEvent(encodeEvent(settled))).toEqual(settled);
  });

  it("is never poison, whatever the weights say", () => {
    const number = fc.double();
    const chances = fc.record({
      ...{ free: number, budget: number, mid: number, premium: number, ultra: number },
    });
    const ranked = fc.array(fc.record({ worth: number, costUsd: number }), {
      ...{ minLength: 1, maxLength: 8 },
    });
    fc.assert(
      fc.property(number, number, chances, ranked, (lambda, need, p, rows) => {
        const [first] = sampleDecision.ranked;
        const decision: DecisionRecord = {
          ...{ ...sampleDecision, lambda, need, chances: p, outputTokens: lambda },
          ranked: rows.flatMap((row) => (first ? [{ ...first, ...row }] : [])),
        };
        const event = sampleEvent({ end: { decision, shadow: decision } });
        expect(findFlaw(event)).toBeUndefined();
        const bytes = encodeEvent(event);
        expect(encodeEvent(decodeEvent(bytes))).toEqual(bytes);
      }),
      { numRuns: 2_000 },
    );
  });

  it("keeps the fields of a later version", () => {
    const later = Uint8Array.from([...encodeEvent(sampleEvent()), 0xa0, 0x7d, 0x07]);
    expect(encodeEvent(decodeEvent(later))).toEqual(later);
  });
});

describe("a refusal", () => {
  it("is free and says for how many it stands", () => {
    const rejection = createRejection({
      eventId: createEventId(),
      accountId: "acme",
      keyId: "key",
      periodId,
      admittedAtMs,
      requestedModel: "auto",
      stream: false,
      requestId: "req",
      outcome: toRejection(429),
      httpStatus: 429,
      count: 17,
    });
    expect(rejection).toMatchObject({ rev: 1, creditsMicro: 0n, requestCount: 17 });
    expect(outcomeName(rejection.outcome)).toBe("rejected_429");
    expect(findFlaw(rejection)).toBeUndefined();
  });

  it.each([
    [402, "rejected_402"],
    [429, "rejected_429"],
    [400, "rejected_4xx"],
    [404, "rejected_4xx"],
  ])("with status %i is %s", (status, name) => {
    expect(outcomeName(toRejection(status))).toBe(name);
  });
});

describe("a refund", () => {
  const eventId = createEventId();
  const charged = {
    eventId,
    accountId: "acme",
    periodId: "2026-03",
    tier: "mid",
    creditsMicro: 5_000_000n,
    keyId: "key-2",
    rootKeyId: "key-1",
    tag: "team-a",
    budgets: [{ id: "tag:team-a", limitMicro: 9_000_000n }],
  } as const;

  it("takes the whole charge back, in its tier and period", () => {
    const refund = createRefund(charged, admittedAtMs);
    expect(toEventIdText(refund.refEventId)).toBe(eventId);
    expect(refund).toMatchObject({
      creditsMicro: -5_000_000n,
      tier: Tier.MID,
      periodId: "2026-03",
      keyJti: "key-2",
      rootKeyJti: "key-1",
      tag: "team-a",
      budgets: [{ id: "tag:team-a", limitMicro: 9_000_000n }],
    });
    expect(findFlaw(refund)).toBeUndefined();
  });

  it("has an id that follows from the charged event's: a second one is the same event", () => {
    expect(toRefundId(eventId)).toBe(toRefundId(eventId));
    expect(toRefundId(eventId)).not.toBe(toRefundId(createEventId()));
    expect(toRefundId(eventId)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab]/);
  });
});

describe("the id's text", () => {
  it("gives the id back", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (id) => {
        expect(fromEventIdText(toEventIdText(id))).toEqual(id);
      }),
    );
  });
});

describe("the outcome", () => {
  it.each<[Ending["by"], boolean, boolean, string]>([
    ["complete", false, true, "ok"],
    ["complete", true, true, "stream_ok"],
    ["client", true, false, "client_cancel_before"],
    ["client", true, true, "client_cancel_partial"],
    ["deadline", false, false, "timeout"],
    ["deadline", true, true, "client_cancel_partial"],
    ["upstream", true, false, "upstream_error"],
    ["upstream", true, true, "upstream_partial"],
    ["gateway", true, false, "gateway_abort"],
    ["gateway", true, true, "upstream_partial"],
  ])("ended by %s, stream %s, content sent %s, is %s", (by, stream, contentSent, name) => {
    expect(outcomeName(toOutcome({ by, stream, contentSent }))).toBe(name);
  });
});

describe("an event is poison", () => {
  it.each<[string, Partial<ReturnType<typeof sampleEvent>>]>([
    ["without an id of 16 bytes", { eventId: new Uint8Array(15) }],
    ["without an account", { accountId: "" }],
    ["with a line break in its account", { accountId: "a\nb" }],
    ["with a very long account", { accountId: "a".repeat(129) }],
    ["with a period that is none", { periodId: "2026-13" }],
    ["with a period that is not the admission's", { periodId: "2026-05" }],
    ["without a time", { admittedAtUs: 0n }],

    ["with a negative charge", { creditsMicro: -1n }],
    ["with an absurd charge", { creditsMicro: 10n ** 15n }],
    ["with a charge but no tier", { tier: Tier.UNSPECIFIED }],
    ["with absurd tokens", { promptTokens: 2n ** 63n }],
    ["with an absurd rev", { rev: 4_294_967_295 }],
    ["with more cached tokens than prompt", { cachedTokens: 121n }],
    ["with a novel in its route", { route: "x".repeat(20_000) }],
    ["with a novel for its baseline", { baselineModel: "x".repeat(20_000) }],
    ["of a trace that is none", { traceId: "4bf92f", spanId: "00f067aa0ba902b7" }],
    ["of a trace without a span", { traceId: "4bf92f3577b34da6a3ce929d0e0e4736" }],
    ["that adjusts no event", { kind: EventKind.ADJUSTMENT }],
    ["that charges for a refusal", { kind: EventKind.REJECTED }],
  ])("%s", (_case, change) => {
    expect(findFlaw({ ...sampleEvent(), ...change })).toEqual(expect.any(String));
  });

  it.each<[string, Partial<RouteDecision>]>([
    ["of weights that are no hash", { weights: "'; DROP" }],
    ["without a chance for each tier", { chancesPpm: [1, 2, 3, 4] }],
    ["with a chance above 1", { chancesPpm: [1, 2, 3, 4, 1_000_001] }],
    ["for a quality above 1", { qualityPpm: 1_000_001 }],
    ["that was more likely than sure", { propensityPpm: 1_000_001 }],
    ["among no models", { ranked: [] }],
    ["among very many models", { ranked: new Array(17).fill(rankedModel()) }],
    ["for a model of no tier", { ranked: [rankedModel({ tier: Tier.UNSPECIFIED })] }],
    ["of absurd worth", { ranked: [rankedModel({ worthPpm: 2n ** 62n })] }],
    ["of absurd cost", { ranked: [rankedModel({ costNanousd: 2n ** 64n - 1n })] }],
    ["with a novel for a model", { ranked: [rankedModel({ model: "x".repeat(20_000) })] }],
  ])("with a decision %s, be it the router's or the shadow's", (_case, change) => {
    const event = sampleEvent({ end: { decision: sampleDecision, shadow: sampleDecision } });
    expect(findFlaw(event)).toBeUndefined();
    for (const field of ["decision", "shadow"] as const) {
      const decision = { ...(event[field] ?? create(RouteDecisionSchema)), ...change };
      expect(findFlaw({ ...event, [field]: decision })).toEqual(expect.any(String));
    }
  });

  it.each<[string, Partial<UsageEvent>, Partial<Feedback>]>([
    ["on no event", { refEventId: new Uint8Array() }, {}],
    ["that says nothing", { feedback: undefined }, {}],
    ["with a charge", { creditsMicro: 1n, tier: Tier.BUDGET }, {}],
    ["with a score above 1", {}, { scorePpm: 1_000_001 }],
    ["with a comment of more than 4 kB", {}, { comment: "\u00e9".repeat(2_049) }],
  ])("that is a feedback %s", (_case, change, rating) => {
    const given = sampleFeedback(sampleEvent(), { score: 1, comment: "\u00e9".repeat(2_048) });
    expect(findFlaw(given)).toBeUndefined();
    const feedback = given.feedback && { ...given.feedback, ...rating };
    expect(findFlaw({ ...given, feedback, ...change })).toEqual(expect.any(String));
  });

  it("that is a feedback with a thumb of the future", () => {
    const given = encodeEvent(sampleFeedback(sampleEvent(), { thumb: "up" }));
    const appended = [0xc2, 0x02, 0x02, 0x08, 0x09];
    expect(findFlaw(decodeEvent(Uint8Array.from([...given, ...appended])))).toMatch(/feedback/);
  });

  it.each([
    ["operation", [0xb8, 0x02, 99]],
    ["kind", [0x18, 99]],
    ["outcome", [0xb0, 0x01, 99]],
    ["tier", [0x58, 99]],
  ])("with a %s of the future", (_field, appended) => {
    const bytes = Uint8Array.from([...encodeEvent(sampleEvent()), ...appended]);
    expect(findFlaw(decodeEvent(bytes))).toMatch(/^unknown/);
  });

  it("otherwise not", () => {
    expect(findFlaw(sampleEvent())).toBeUndefined();
    expect(toTierName(sampleEvent().tier)).toBe("budget");
  });
});
