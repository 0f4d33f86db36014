/** Usage events for tests: one of each kind, with numbers that are easy to add up. */
import type { TierName } from "../../src/catalogue/tiers.ts";
import { Outcome, type UsageEvent } from "../../src/gen/optamil/v1/event_pb.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { createUuidSource } from "../../src/platform/uuid.ts";
import {
  type BudgetLimit,
  createHold,
  createSettlement,
  type RequestEnd,
  toEventIdText,
} from "../../src/usage/event.ts";
import type { DecisionRecord } from "../../src/usage/event-decision.ts";
import { createFeedback, type Rating } from "../../src/usage/feedback-event.ts";
import type { OperationName } from "../../src/usage/operation.ts";
import type { PlacedEvent } from "../../src/usage/warehouse.ts";

/** The moment at which the tests' requests are admitted. */
export const admittedAtMs = Date.UTC(2026, 3, 15, 12);

/** The period of that moment. */
export const periodId = "2026-04";

const uuids = createUuidSource(systemClock);

/** What a sample may differ in. */
export type Sample = {
  readonly eventId?: string;
  readonly accountId?: string;
  readonly tier?: TierName;
  readonly creditsMicro?: bigint;
  readonly keyId?: string;
  readonly rootKeyId?: string;
  readonly tag?: string;
  readonly budgets?: readonly BudgetLimit[];
  readonly end?: Partial<RequestEnd>;
  readonly admittedAtMs?: number;
  readonly requestedModel?: string;
  readonly requestId?: string;
  readonly operation?: OperationName;
  readonly trace?: { readonly traceId: string; readonly spanId: string };
};

/** A decision for the cheap one of two models, which is likely to do. */
export const sampleDecision: DecisionRecord = {
  weights: "0123456789ab",
  quality: 0.8,
  lambda: 1.122018,
  need: -0.719,
  chances: { free: 0.3, budget: 0.5, mid: 0.7, premium: 0.7, ultra: 0.75 },
  outputTokens: 300,
  ranked: [
    { model: { name: "deepseek-chat", tier: "budget" }, worth: 0.49, costUsd: 0.000047 },
    { model: { name: "o3", tier: "ultra" }, worth: -0.3, costUsd: 0.0024 },
  ],
  feasibleCount: 2,
  propensityPpm: 1_000_000,
};

/** A fresh event id. */
export function createEventId(): string {
  return uuids.text();
}

/** The hold of a streamed request to "auto", by account "acme" unless said otherwise. */
export function sampleHold(sample: Sample = {}): UsageEvent {
  return createHold({
    eventId: sample.eventId ?? uuids.text(),
    accountId: sample.accountId ?? "acme",
    keyId: sample.keyId ?? "0196362b-1000-7000-8000-000000000001",
    periodId,
    admittedAtMs: sample.admittedAtMs ?? admittedAtMs,
    requestedModel: sample.requestedModel ?? "auto",
    stream: true,
    holdMicro: 1_000_000n,
    scheduleVersion: 1,
    requestId: sample.requestId ?? "req-1",
    rootKeyId: sample.rootKeyId,
    tag: sample.tag,
    budgets: sample.budgets,
    operation: sample.operation,
    trace: sample.trace,
  });
}

/** The settlement of a hold: 1 credit in tier "budget" unless said otherwise. */
export function sampleSettlement(hold: UsageEvent, sample: Sample = {}): UsageEvent {
  return createSettlement(hold, {
    outcome: Outcome.STREAM_OK,
    finishedAtMs: (sample.admittedAtMs ?? admittedAtMs) + 850,
    served: { model: "deepseek-chat", tier: sample.tier ?? "budget", provider: "demo" },
    tokens: { prompt: 120, cached: 20, completion: 30, reasoning: 10, estimated: false },
    creditsMicro: sample.creditsMicro ?? 1_000_000n,
    providerCostNanoUsd: 47_000n,
    baselineCostNanoUsd: 4_050_000n,
    attempts: [
      {
        model: "gemini-2.5-flash",
        provider: "gemini",
        status: 503,
        latencyMs: 41,
        errorClass: "http_5xx",
      },
      { model: "deepseek-chat", provider: "demo", status: 200, latencyMs: 800, errorClass: "" },
    ],
    httpStatus: 200,
    firstTokenMs: 230,
    route: "auto: budget",
    ...sample.end,
  });
}

/** A settled event. */
export function sampleEvent(sample: Sample = {}): UsageEvent {
  return sampleSettlement(sampleHold(sample), sample);
}

/** What a client says of a sample, so long after its admission. */
export function sampleFeedback(
  { eventId, accountId }: UsageEvent,
  rating: Rating,
  afterMs = 1_000,
): UsageEvent {
  const rated = { eventId: toEventIdText(eventId), accountId, periodId };
  const giver = { keyId: "0196362b-1000-7000-8000-000000000001", requestId: "req-2" };
  return createFeedback(uuids.text(), rated, giver, rating, admittedAtMs + afterMs);
}

/** Events at consecutive offsets. */
export function placeEvents(events: readonly UsageEvent[], firstOffset = 0): PlacedEvent[] {
  return events.map((event, index) => ({
    offset: firstOffset + index,
    event,
    eventId: toEventIdText(event.eventId),
  }));
}
