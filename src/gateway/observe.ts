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
    log.infoText(() => toFields(trail, end), "request");
    if (exporter !== undefined) for (const span of toSpans(trail, end, clock)) exporter.add(span);
  };
}

/** The fields of a request's line, as JSON. What is not known is left out. */
function toFields(trail: Trail, end: ExchangeEnd): string {
  const { requestId, door, caller, attempts, event, refusal } = trail;
  return (
    text("request_id", requestId) +
    text("trace_id", trail.trace?.traceId) +
    text("door", door) +
    text("method", end.method) +
    text("path", end.path) +
    number("status", end.status) +
    `,"complete":${end.complete}` +
    number("duration_ms", Math.round(end.durationMs * 100) / 100) +
    text("account_id", caller?.accountId) +
    text("key_id", caller?.keyId) +
    text("error_type", refusal) +
    (attempts.length > 0 ? number("attempts", attempts.length) : "") +
    (event === undefined ? "" : toEventFields(event))
  );
}

function toEventFields(event: UsageEvent): string {
  const isServed = event.servedModel !== "";
  return (
    text("requested_model", event.requestedModel) +
    `,"stream":${event.stream}` +
    text("outcome", outcomeName(event.outcome)) +
    (isServed ? text("model", event.servedModel) + text("provider", event.provider) : "") +
    text("tier", tierNameOf(event)) +
    number("prompt_tokens", Number(event.promptTokens)) +
    number("completion_tokens", Number(event.completionTokens)) +
    number("credits", Number(event.creditsMicro) / 1e6) +
    (event.ttftMs > 0 ? number("ttft_ms", event.ttftMs) : "")
  );
}

/** What stands in JSON as it is. */
const plain = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

function text(name: string, value: string | undefined): string {
  if (value === undefined) return "";
  return plain.test(value) ? `,"${name}":"${value}"` : `,"${name}":${JSON.stringify(value)}`;
}

function number(name: string, value: number): string {
  return `,"${name}":${value}`;
}
