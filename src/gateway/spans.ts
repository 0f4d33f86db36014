// The spans of a request: its own, and one for each call to a provider. Content of prompts and answers is in them where it was switched on twice.
import type { AttemptTrail, ExchangeEnd, Trail } from "../chat/trail.ts";
import type { Clock } from "../platform/clock.ts";
import type { Attributes, SpanRecord } from "../platform/otlp-json.ts";
import { outcomeName } from "../usage/outcome.ts";
import { operationName, tierNameOf } from "./event-names.ts";

/** The spans of a request that is over; none if its trace is not sampled. */
export function toSpans(trail: Trail, end: ExchangeEnd, clock: Clock): SpanRecord[] {
  const { trace, receivedAtMs } = trail;
  if (trace === undefined || !trace.sampled) return [];
  // Monotonic times as wall times of now, so that a span is as long as it took.
  const toWallMs = clock.wallMs() - clock.monotonicMs();
  const startMs = receivedAtMs + toWallMs;
  const { traceId } = trace;
  const own: SpanRecord = {
    traceId,
    spanId: trace.spanId,
    parentSpanId: trace.parentSpanId,
    name: nameOf(trail, end),
    kind: "server",
    startMs,
    endMs: startMs + end.durationMs,
    attributes: { ...toHttpAttributes(end), ...toChatAttributes(trail) },
    error: errorOf(trail, end),
    content: toContent(trail),
  };
  const attempts = trail.attempts.map((attempt) => toAttemptSpan(attempt, trail, toWallMs));
  return [own, ...attempts];
}

/** "{operation} {model}" for a chat; any other request is named by its method, as paths hold ids. */
function nameOf({ event }: Trail, { method }: ExchangeEnd): string {
  return event === undefined ? method : `${operationName(event)} ${event.requestedModel}`;
}

// OpenTelemetry, "Semantic conventions for HTTP spans".
function toHttpAttributes({ method, path, status }: ExchangeEnd): Attributes {
  return {
    "http.request.method": method,
    "url.path": path,
    "http.response.status_code": status,
  };
}

// OpenTelemetry, "Semantic conventions for generative client AI spans"; what it has no name for is ours.
function toChatAttributes({ door, requestId, caller, event, refusal }: Trail): Attributes {
  const own: Attributes = {
    "optamil.door": door,
    "optamil.request.id": requestId,
    "optamil.account.id": caller?.accountId,
    "error.type": refusal,
  };
  if (event === undefined) return own;
  const isServed = event.servedModel !== "";
  return {
    ...own,
    "gen_ai.operation.name": operationName(event),
    "gen_ai.request.model": event.requestedModel,
    "gen_ai.response.model": isServed ? event.servedModel : undefined,
    "gen_ai.provider.name": isServed ? event.provider : undefined,
    "gen_ai.usage.input_tokens": Number(event.promptTokens),
    "gen_ai.usage.output_tokens": Number(event.completionTokens),
    "optamil.outcome": outcomeName(event.outcome),
    "optamil.tier": tierNameOf(event),
    "optamil.credits": Number(event.creditsMicro) / 1e6,
    "optamil.stream": event.stream,
  };
}

// OpenTelemetry, "Semantic conventions for generative client AI spans", its schemas of input and output messages: as JSON text,
// as OTLP's JSON has no structured attributes that every collector takes.
function toContent({ spanContent }: Trail): Attributes | undefined {
  const content = spanContent?.();
  if (content === undefined) return undefined;
  return {
    "gen_ai.input.messages": content.inputMessages,
    "gen_ai.output.messages": content.outputMessages,
    "optamil.content.cut": content.cut || undefined,
  };
}

/** What a server answers to a wrong request is no error of its span: HTTP's conventions. */
function errorOf({ event, refusal }: Trail, { status }: ExchangeEnd): string | undefined {
  const outcome = event && outcomeName(event.outcome);
  if (outcome?.startsWith("upstream") || outcome === "gateway_abort") return outcome;
  return status >= 500 ? (refusal ?? `${status}`) : undefined;
}

function toAttemptSpan(
  { spanId, model, provider, startedAtMs, latencyMs, errorClass }: AttemptTrail,
  { trace, event }: Trail,
  toWallMs: number,
): SpanRecord {
  const operation = event === undefined ? "chat" : operationName(event);
  const startMs = startedAtMs + toWallMs;
  return {
    traceId: trace?.traceId ?? "",
    spanId,
    parentSpanId: trace?.spanId,
    name: `${operation} ${model}`,
    kind: "client",
    startMs,
    endMs: startMs + latencyMs,
    attributes: {
      "gen_ai.operation.name": operation,
      "gen_ai.provider.name": provider,
      "gen_ai.request.model": model,
      "error.type": errorClass,
    },
    error: errorClass,
  };
}
