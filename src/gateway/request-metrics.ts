// The metrics of requests: OpenTelemetry's GenAI conventions where they have a name, ours elsewhere.
import type { AttemptTrail, ExchangeEnd, Trail } from "../chat/trail.ts";
import { Outcome, type UsageEvent } from "../gen/optamil/v1/event_pb.ts";
import type {
  BoundCounter,
  BoundHistogram,
  Counter,
  Histogram,
  Instrument,
  Metrics,
} from "../platform/metrics.ts";
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
/** Combinations of labels that are remembered: far more than come, few enough to be nothing. */
const keptMax = 2_000;
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
  const exchangesOf = new Kept<BoundCounter>();
  return {
    note(trail, end) {
      const { door, refusal, attempts: tried, event } = trail;
      const { status } = end;
      exchangesOf.get(`${status} ${door}`, () => exchanges.at([door, String(status)])).add();
      if (refusal !== undefined) refusals.add([refusal, door]);
      const operation = event === undefined ? "chat" : operationName(event);
      for (const attempt of tried) attempts(attempt, operation);
      if (event !== undefined) chats(trail, event, end);
    },
  };
}

/** What was looked up under its labels, so that a request finds all its series by one key. */
class Kept<One> {
  readonly #byKey = new Map<string, One>();

  get(key: string, find: () => One): One {
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    const found = find();
    if (this.#byKey.size >= keptMax) this.#byKey.clear();
    this.#byKey.set(key, found);
    return found;
  }
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
  const kept = new Kept<ChatSeries>();
  return (trail: Trail, event: UsageEvent, end: ExchangeEnd) => {
    const { servedModel, provider, tier, outcome, operation } = event;
    const key = `${servedModel}\n${provider}\n${trail.door}\n${tier} ${outcome} ${operation}`;
    const series = kept.get(key, () => findSeries(instruments, trail, event));
    noteChat(series, trail, event, end);
  };
}

/** The series of requests that agree in all labels. */
type ChatSeries = {
  readonly ends: BoundCounter;
  /** Undefined where no model has answered. */
  readonly credits: BoundCounter | undefined;
  readonly tokens: { readonly input: BoundHistogram; readonly output: BoundHistogram } | undefined;
  readonly duration: BoundHistogram;
  /** Undefined for what is no stream that ended well. */
  readonly firstToken: BoundHistogram | undefined;
  readonly overhead: BoundHistogram;
};

function findSeries(to: ChatInstruments, { door }: Trail, event: UsageEvent): ChatSeries {
  const { servedModel, provider } = event;
  const outcome = outcomeName(event.outcome) ?? "unknown";
  const tier = tierNameOf(event) ?? "";
  const isWell = event.outcome === Outcome.OK || event.outcome === Outcome.STREAM_OK;
  const labels = [operationName(event), provider, servedModel];
  const isServed = servedModel !== "";
  return {
    ends: to.ends.at([servedModel, provider, tier, outcome, door]),
    credits: tier === "" ? undefined : to.credits.at([tier]),
    tokens: isServed
      ? { input: to.tokens.at([...labels, "input"]), output: to.tokens.at([...labels, "output"]) }
      : undefined,
    duration: to.duration.at([...labels, isWell ? "" : outcome]),
    firstToken: event.outcome === Outcome.STREAM_OK ? to.firstToken.at(labels) : undefined,
    overhead: to.overhead.at([]),
  };
}

function noteChat(
  series: ChatSeries,
  { attempts, trace }: Trail,
  event: UsageEvent,
  { durationMs }: ExchangeEnd,
): void {
  // Only what is exported can be looked up.
  const seen = trace?.sampled ? trace : undefined;
  series.ends.add();
  if (event.creditsMicro > 0n) series.credits?.add(Number(event.creditsMicro) / 1e6);
  series.duration.record(durationMs / 1_000, seen);
  series.firstToken?.record(event.ttftMs / 1_000, seen);
  series.tokens?.input.record(Number(event.promptTokens));
  series.tokens?.output.record(Number(event.completionTokens));
  let upstreamMs = 0;
  for (const { latencyMs } of attempts) upstreamMs += latencyMs;
  series.overhead.record(Math.max(0, durationMs - upstreamMs) / 1_000, seen);
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
  const kept = new Kept<BoundHistogram>();
  return ({ model, provider, latencyMs, errorClass = "" }, operation) =>
    kept
      .get(`${model}\n${provider}\n${operation} ${errorClass}`, () =>
        duration.at([operation, provider, model, errorClass]),
      )
      .record(latencyMs / 1_000);
}
