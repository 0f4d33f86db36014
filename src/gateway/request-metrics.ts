// The metrics of requests: OpenTelemetry's GenAI conventions where they have a name, ours elsewhere.
import type { AttemptTrail, ExchangeEnd, Trail } from "../chat/trail.ts";
import { Outcome, type UsageEvent } from "../gen/optamil/v1/event_pb.ts";
import type { Counter, Histogram, Instrument, Metrics } from "../platform/metrics.ts";
import { outcomeName } from "../usage/outcome.ts";
import { operationName, tierNameOf } from "./event-names.ts";

/** Takes note of requests that are over. */
export type RequestMetrics = { note(trail: Trail, end: ExchangeEnd): void };

// Bounds and names: OpenTelemetry, "Semantic conventions for generative AI metrics".
const durationBoundsS = [
  0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
];
const firstTokenBoundsS = [
  0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
];
const tokenBounds = [
  1, 4, 16, 64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216,
  67_108_864,
];
/** Our own part of a request is small. */
const overheadBoundsS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5,
];

const served = ["gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.response.model"];
const second = (name: string, description: string, attributes: readonly string[]): Instrument => ({
  ...{ name, unit: "s", description, attributes },
});

/** The instruments of requests in a registry. */
export function createRequestMetrics(metrics: Metrics): RequestMetrics {
  const exchanges = metrics.counter({
    name: "optamil.http.requests",
    unit: "{request}",
    description:
      "Exchanges that are over, by door and HTTP status; over gRPC errors have status 200.",
    attributes: ["door", "status"],
  });
  const refusals = metrics.counter({
    name: "optamil.refusals",
    unit: "{request}",
    description: "Requests that were refused before any of their answer, by type of the error.",
    attributes: ["type", "door"],
  });
  const chats = createChatMetrics(metrics);
  const attempts = createAttemptMetrics(metrics);
  return {
    note(trail, end) {
      exchanges.add([trail.door, String(end.status)]);
      if (trail.refusal !== undefined) refusals.add([trail.refusal, trail.door]);
      const operation = trail.event === undefined ? "chat" : operationName(trail.event);
      for (const attempt of trail.attempts) attempts(attempt, operation);
      if (trail.event !== undefined) chats(trail, trail.event, end);
    },
  };
}

type ChatInstruments = {
  readonly ends: Counter;
  readonly credits: Counter;
  readonly duration: Histogram;
  readonly firstToken: Histogram;
  readonly tokens: Histogram;
  readonly overhead: Histogram;
};

function createChatMetrics(metrics: Metrics) {
  const instruments: ChatInstruments = {
    ends: metrics.counter({
      name: "optamil.chat.requests",
      unit: "{request}",
      description:
        "Admitted chat requests that have ended; model, provider and tier are those that answered.",
      attributes: ["model", "provider", "tier", "outcome", "door"],
    }),
    credits: metrics.counter({
      name: "optamil.credits",
      unit: "{credit}",
      description: "Credits charged, by tier of the model that answered.",
      attributes: ["tier"],
    }),
    duration: metrics.histogram(
      second(
        "gen_ai.server.request.duration",
        "Time of admitted chat requests, the gateway's included.",
        [...served, "error.type"],
      ),
      durationBoundsS,
    ),
    firstToken: metrics.histogram(
      second(
        "gen_ai.server.time_to_first_token",
        "Time to the first token of successful streams.",
        served,
      ),
      firstTokenBoundsS,
    ),
    tokens: metrics.histogram(
      {
        name: "gen_ai.client.token.usage",
        unit: "{token}",
        description: "Tokens of requests that a model answered.",
        attributes: [...served, "gen_ai.token.type"],
      },
      tokenBounds,
    ),
    overhead: metrics.histogram(
      second(
        "optamil.request.overhead",
        "Time of admitted chat requests outside of providers.",
        [],
      ),
      overheadBoundsS,
    ),
  };
  return (trail: Trail, event: UsageEvent, end: ExchangeEnd) =>
    noteChat(instruments, trail, event, end);
}

function noteChat(
  instruments: ChatInstruments,
  { door, attempts, trace }: Trail,
  event: UsageEvent,
  { durationMs }: ExchangeEnd,
): void {
  const { servedModel, provider } = event;
  const outcome = outcomeName(event.outcome) ?? "unknown";
  const tier = tierNameOf(event) ?? "";
  const isWell = event.outcome === Outcome.OK || event.outcome === Outcome.STREAM_OK;
  instruments.ends.add([servedModel, provider, tier, outcome, door]);
  if (event.creditsMicro > 0n) instruments.credits.add([tier], Number(event.creditsMicro) / 1e6);
  const labels = [operationName(event), provider, servedModel];
  // Only what is exported can be looked up.
  const seen = trace?.sampled ? trace : undefined;
  instruments.duration.record([...labels, isWell ? "" : outcome], durationMs / 1_000, seen);
  if (event.stream && isWell) instruments.firstToken.record(labels, event.ttftMs / 1_000, seen);
  if (servedModel !== "") {
    instruments.tokens.record([...labels, "input"], Number(event.promptTokens));
    instruments.tokens.record([...labels, "output"], Number(event.completionTokens));
  }
  const upstreamMs = attempts.reduce((sum, { latencyMs }) => sum + latencyMs, 0);
  instruments.overhead.record([], Math.max(0, durationMs - upstreamMs) / 1_000, seen);
}

function createAttemptMetrics(
  metrics: Metrics,
): (attempt: AttemptTrail, operation: string) => void {
  const duration = metrics.histogram(
    second(
      "gen_ai.client.operation.duration",
      "Time of calls to providers, failed ones included.",
      ["gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "error.type"],
    ),
    durationBoundsS,
  );
  return ({ model, provider, latencyMs, errorClass }, operation) =>
    duration.record([operation, provider, model, errorClass ?? ""], latencyMs / 1_000);
}
