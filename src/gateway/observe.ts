// Tells operators of each request once it is over: one line in the log, and the metrics.
import type { ExchangeEnd, Trail } from "../chat/trail.ts";
import type { UsageEvent } from "../gen/optamil/v1/event_pb.ts";
import type { Clock } from "../platform/clock.ts";
import type { Log } from "../platform/log.ts";
import type { SpanRecord } from "../platform/otlp-json.ts";
import { outcomeName } from "../usage/outcome.ts";
import { tierNameOf } from "./event-names.ts";
import type { RequestMetrics } from "./request-metrics.ts";
import { toSpans } from "./spans.ts";

/** Told of a request when nothing more is to come of it. */
export type Observe = (trail: Trail, end: ExchangeEnd) => void;

/** Where requests are told of. */
export type ObserverParts = {
  readonly log: Log;
  readonly metrics: RequestMetrics;
  /** Takes the spans of requests. Default: nobody does. */
  readonly exporter?: { add(span: SpanRecord): void } | undefined;
  readonly clock: Clock;
};

/** Tells of each request. */
export function createObserver({ log, metrics, exporter, clock }: ObserverParts): Observe {
  return (trail, end) => {
    metrics.note(trail, end);
    log.info(toLine(trail, end), "request");
    if (exporter !== undefined) for (const span of toSpans(trail, end, clock)) exporter.add(span);
  };
}

/** The fields of a request's line. What is not known is left out. */
function toLine(trail: Trail, end: ExchangeEnd) {
  const { requestId, door, caller, attempts, event, refusal } = trail;
  return {
    request_id: requestId,
    trace_id: trail.trace?.traceId,
    door,
    method: end.method,
    path: end.path,
    status: end.status,
    complete: end.complete,
    duration_ms: Math.round(end.durationMs * 100) / 100,
    account_id: caller?.accountId,
    key_id: caller?.keyId,
    error_type: refusal,
    attempts: attempts.length > 0 ? attempts.length : undefined,
    ...(event && toEventFields(event)),
  };
}

function toEventFields(event: UsageEvent) {
  const isServed = event.servedModel !== "";
  return {
    requested_model: event.requestedModel,
    stream: event.stream,
    outcome: outcomeName(event.outcome),
    model: isServed ? event.servedModel : undefined,
    provider: isServed ? event.provider : undefined,
    tier: tierNameOf(event),
    prompt_tokens: Number(event.promptTokens),
    completion_tokens: Number(event.completionTokens),
    credits: Number(event.creditsMicro) / 1e6,
    ttft_ms: event.ttftMs > 0 ? event.ttftMs : undefined,
  };
}
