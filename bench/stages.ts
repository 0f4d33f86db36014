// `node bench/stages.ts`: what the stages of one chat request cost by themselves, in a loop that keeps them warm.
import { Buffer } from "node:buffer";
import { MemoryCounters } from "../src/admission/memory.ts";
import { setRateHeaders } from "../src/gateway/rate-headers.ts";
import { CreateChatCompletionRequestSchema } from "../src/gen/optamil/v1/chat_pb.ts";
import { Outcome } from "../src/gen/optamil/v1/event_pb.ts";
import { systemClock } from "../src/platform/clock.ts";
import { jsonCodec } from "../src/platform/json.ts";
import { parseJsonBody } from "../src/platform/json-body.ts";
import { createUuidSource } from "../src/platform/uuid.ts";
import { validatorOf } from "../src/platform/validate.ts";
import { readFeatures } from "../src/router/features.ts";
import { encodeEvent } from "../src/usage/encode-event.ts";
import { createHold, createSettlement } from "../src/usage/event.ts";
import { toBody } from "./requests.ts";

const batches = 300;
const perBatch = 50;

/** The least of many batches: what the work takes when nothing else disturbs it. */
function leastMicros(work: () => unknown): number {
  let least = Number.POSITIVE_INFINITY;
  for (let batch = 0; batch < batches; batch++) {
    const startedMs = performance.now();
    for (let at = 0; at < perBatch; at++) work();
    least = Math.min(least, ((performance.now() - startedMs) * 1_000) / perBatch);
  }
  return least;
}

const uuids = createUuidSource(systemClock);
const codec = jsonCodec(CreateChatCompletionRequestSchema);
const validate = validatorOf(CreateChatCompletionRequestSchema);
const bytes = Buffer.from(toBody("bench-model"));
const large = Buffer.from(toBody("bench-model", { bytes: 200_000 }));
const { value } = parseJsonBody(bytes);
const message = codec.decode(value);

const counters = new MemoryCounters({
  clock: systemClock,
  loadBase: () => ({
    baseByTierMicro: { free: 0n, budget: 0n, mid: 0n, premium: 0n, ultra: 0n },
    version: { epoch: 0, offset: -1 },
    pending: [],
  }),
});
const admission = (eventId: string) => ({
  eventId,
  accountId: "account",
  keyId: "key",
  limits: { requestsPerMinute: 1e9, requestsPerDay: 1e9, tokensPerMinute: 4e9 },
  tokens: 500,
  totalMicro: 10n ** 15n,
  overdraftMicro: 0n,
  holdMicro: 1_000_000n,
  lowestMicro: 1_000_000n,
});
const first = await counters.admit(admission(uuids.text()));

const admitted = {
  eventId: uuids.text(),
  accountId: uuids.text(),
  keyId: uuids.text(),
  periodId: "2026-11",
  admittedAtMs: systemClock.wallMs(),
  requestedModel: "bench-model",
  stream: false,
  holdMicro: 1_000_000n,
  scheduleVersion: 1,
  requestId: uuids.text(),
};
const hold = createHold(admitted);
const end = {
  outcome: Outcome.OK,
  finishedAtMs: systemClock.wallMs(),
  served: { model: "bench-model", tier: "free", provider: "bench" },
  tokens: { prompt: 250, cached: 0, completion: 70, reasoning: 0, estimated: false },
  creditsMicro: 1_000_000n,
  providerCostNanoUsd: 100n,
  baselineCostNanoUsd: 1_000n,
  attempts: [],
  httpStatus: 200,
  firstTokenMs: 12,
} as const;

const stages: readonly (readonly [string, () => unknown])[] = [
  ["body of 1.1 kB: scanned, parsed", () => parseJsonBody(bytes)],
  ["body of 200 kB: scanned, parsed", () => parseJsonBody(large)],
  ["message decoded", () => codec.decode(value)],
  ["message checked", () => validate(message)],
  ["features read", () => readFeatures(message)],
  ["an id", () => uuids.text()],
  [
    "admitted and released, in memory",
    () => {
      const eventId = uuids.text();
      void counters.admit(admission(eventId));
      counters.release(eventId, { accountId: "account", tokens: 320 });
    },
  ],
  ["rate headers", () => setRateHeaders({ rate: first.rate, refusedBy: undefined }, 0, () => {})],
  ["hold: made, encoded", () => encodeEvent(createHold(admitted))],
  ["end: made, encoded", () => encodeEvent(createSettlement(hold, end))],
];
process.stdout.write("| stage | µs |\n| --- | --- |\n");
for (const [name, work] of stages) {
  process.stdout.write(`| ${name} | ${leastMicros(work).toFixed(2)} |\n`);
}
