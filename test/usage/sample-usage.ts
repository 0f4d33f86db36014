/** A hundred days of two accounts' usage, with everything that may happen to an event on its way. */
import { tierNames } from "../../src/catalogue/tiers.ts";
import { Outcome, type UsageEvent } from "../../src/gen/optamil/v1/event_pb.ts";
import {
  createRefund,
  createRejection,
  createThreshold,
  toEventIdText,
} from "../../src/usage/event.ts";
import { createFeedback } from "../../src/usage/feedback-event.ts";
import { createEventId, sampleDecision, sampleEvent, sampleHold } from "./sample-events.ts";

/** Whose usage. */
export const accountIds = ["acme", "globex"] as const;

/** What occurs. */
export const values = {
  model: ["", "deepseek-chat", "o3", "gpt-5", "claude-opus-4"],
  provider: ["", "demo", "openai"],
  key: ["k1", "k2", "k3"],
  tag: ["", "team-a", "team-b"],
} as const;

const fromMs = Date.UTC(2026, 1, 1);
const lengthMs = 100 * 86_400_000;
const outcomes = [
  ...[Outcome.OK, Outcome.STREAM_OK, Outcome.STREAM_OK, Outcome.CLIENT_CANCEL_PARTIAL],
  ...[Outcome.UPSTREAM_ERROR, Outcome.UPSTREAM_PARTIAL, Outcome.TIMEOUT, Outcome.GATEWAY_ABORT],
] as const;

/** Numbers from 0 to below a bound, the same ones in each run (mulberry32). */
function createDice(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** `records` in the order of the log, some of them twice or in several revs; `events` as they count. */
export function createUsage(): { records: UsageEvent[]; events: UsageEvent[] } {
  const dice = createDice(11);
  const pick = <T>(list: readonly T[]): T => list[dice(list.length)] ?? fail();
  const records: UsageEvent[] = [];
  const add = (event: UsageEvent) => {
    records.push(event);
    if (dice(10) === 0) records.push(event);
  };
  for (let number = 0; number < 1_200; number++) {
    // Some fall on the very start of an hour.
    const atMs = fromMs + dice(lengthMs / 3_600_000) * 3_600_000 + (dice(3) && dice(3_600_000));
    const common = {
      ...{ accountId: pick(accountIds), keyId: `own-${dice(9)}`, rootKeyId: pick(values.key) },
      ...{ tag: pick(values.tag), admittedAtMs: atMs },
    };
    const periodId = new Date(atMs).toISOString().slice(0, 7);
    if (dice(8) === 0) {
      const outcome = pick([Outcome.REJECTED_402, Outcome.REJECTED_429, Outcome.REJECTED_4XX]);
      const request = {
        ...common,
        eventId: createIdAt(atMs),
        requestedModel: "auto",
        stream: false,
      };
      const refused = { ...request, periodId, requestId: "r", outcome, httpStatus: 429 };
      add(createRejection({ ...refused, count: dice(4) }));
      continue;
    }
    const served = dice(6) > 0;
    const settled = sampleEvent({
      ...common,
      eventId: createIdAt(atMs),
      creditsMicro: BigInt(dice(5_000_000)),
      end: {
        outcome: pick(outcomes),
        finishedAtMs: atMs + dice(20_000),
        firstTokenMs: dice(4) === 0 ? undefined : 1 + dice(3_000),
        served: served
          ? {
              model: pick(values.model.slice(1)),
              tier: pick(tierNames),
              provider: pick(["demo", "openai"]),
            }
          : undefined,
        tokens: {
          ...{ prompt: dice(9_000), cached: dice(900) },
          ...{ completion: dice(2_000), reasoning: 0, estimated: false },
        },
        providerCostNanoUsd: BigInt(dice(9_000_000)),
        baselineCostNanoUsd: BigInt(dice(90_000_000)),
        baselineModel: pick(["", "o3", "gpt-5"]),
        ...(served && dice(2) === 0 && { decision: sampleDecision }),
      },
    });
    const event = { ...settled, periodId };
    const swept = { ...sampleHold({ ...common, eventId: toEventIdText(event.eventId) }), periodId };
    if (dice(9) === 0) add({ ...swept, outcome: Outcome.GATEWAY_ABORT });
    add(event);
    if (dice(12) === 0) add({ ...event, rev: 2, creditsMicro: BigInt(dice(100)), tag: "team-a" });
    if (dice(15) === 0 && served) {
      const charged = { ...common, eventId: toEventIdText(event.eventId), periodId, budgets: [] };
      const refund = { ...charged, tier: pick(tierNames), creditsMicro: event.creditsMicro };
      add(createRefund(refund, atMs + dice(40 * 86_400_000)));
    }
    if (dice(20) === 0) {
      const rated = { ...common, eventId: toEventIdText(event.eventId), periodId };
      const giver = { keyId: pick(values.key), requestId: "f" };
      const saidAtMs = atMs + dice(40 * 86_400_000);
      add(createFeedback(createIdAt(saidAtMs), rated, giver, { thumb: "down" }, saidAtMs));
    }
    if (dice(40) === 0) {
      const budget = { id: "tag:team-a", limitMicro: BigInt(number) };
      add(createThreshold({ ...common, periodId, budget, percent: 50 }, atMs));
    }
  }
  return { records, events: toCounting(records) };
}

/** An event id with the time of the admission, as gateways make them. */
export function createIdAt(atMs: number): string {
  const time = atMs.toString(16).padStart(12, "0");
  return `${time.slice(0, 8)}-${time.slice(8)}${createEventId().slice(13)}`;
}

/** Of the records of one event the highest rev. */
function toCounting(records: readonly UsageEvent[]): UsageEvent[] {
  const byId = new Map<string, UsageEvent>();
  for (const record of records) {
    const id = toEventIdText(record.eventId);
    if (record.rev >= (byId.get(id)?.rev ?? 0)) byId.set(id, record);
  }
  return [...byId.values()];
}

function fail(): never {
  throw new Error("nothing to pick from");
}
