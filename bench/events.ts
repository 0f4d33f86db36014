// Usage events in the shape of real ones, for the benchmarks of usage.
import { Outcome, type UsageEvent } from "../src/gen/optamil/v1/event_pb.ts";
import { systemClock } from "../src/platform/clock.ts";
import { createUuidSource } from "../src/platform/uuid.ts";
import { createHold, createSettlement } from "../src/usage/event.ts";

const uuids = createUuidSource(systemClock);

/** The period of all events. */
export const periodId = new Date().toISOString().slice(0, 7);

/** A settled streamed request of an account. */
export function createEvent(number: number, accountId: string): UsageEvent {
  const hold = createHold({
    eventId: uuids.text(),
    accountId,
    keyId: `key-${number % 50}`,
    periodId,
    admittedAtMs: Date.now(),
    requestedModel: "auto",
    stream: true,
    holdMicro: 1_000_000n,
    scheduleVersion: 1,
    requestId: `request-${number}`,
  });
  return createSettlement(hold, {
    outcome: Outcome.STREAM_OK,
    finishedAtMs: Date.now() + 850,
    served: { model: "gemini-2.5-flash", tier: "free", provider: "gemini" },
    tokens: { prompt: number % 2_000, cached: 0, completion: 250, reasoning: 0, estimated: false },
    creditsMicro: 1_000_000n,
    providerCostNanoUsd: 12_345n,
    baselineCostNanoUsd: 99_999n,
    attempts: [
      {
        model: "gemini-2.5-flash",
        provider: "gemini",
        status: 200,
        latencyMs: 812,
        errorClass: "",
      },
    ],
    httpStatus: 200,
    firstTokenMs: 230,
    route: "auto: score 0.31",
  });
}
