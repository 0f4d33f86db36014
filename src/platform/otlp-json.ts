// Spans and metrics in OTLP's JSON encoding. Source: OpenTelemetry protocol 1.x, "JSON Protobuf Encoding".
import type { Distribution, Family, Series } from "./metrics.ts";

/** Attributes by name; undefined ones are left out. */
export type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** One span that has ended. */
export type SpanRecord = {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly name: string;
  /** Whether the process was called ("server") or has called another one ("client"). */
  readonly kind: "server" | "client";
  /** Unix milliseconds, with fractions. */
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Attributes;
  /** Long ones, which go where there is no room for them. Default: none. */
  readonly content?: Attributes | undefined;
  /** What failed; undefined: nothing that is known. */
  readonly error: string | undefined;
};

/** Name and version of what counts and traces. */
export type Scope = { readonly name: string; readonly version: string };

const spanKinds = { server: 2, client: 3 };
const statusError = 2;
/** Sums are since the start of the process. */
const cumulative = 2;

/** An ExportTraceServiceRequest. */
export function toTraceRequest(
  resource: Attributes,
  scope: Scope,
  spans: readonly SpanRecord[],
): object {
  const scopeSpans = [{ scope, spans: spans.map(toSpan) }];
  return { resourceSpans: [{ resource: { attributes: toAttributes(resource) }, scopeSpans }] };
}

function toSpan(span: SpanRecord): object {
  const { traceId, spanId, parentSpanId, name, kind, error } = span;
  return {
    traceId,
    spanId,
    ...(parentSpanId !== undefined && { parentSpanId }),
    name,
    kind: spanKinds[kind],
    startTimeUnixNano: toNanos(span.startMs),
    endTimeUnixNano: toNanos(span.endMs),
    attributes: toAttributes({ ...span.attributes, ...span.content }),
    status: error === undefined ? {} : { code: statusError, message: error },
  };
}

/** When the sums began, and now: Unix milliseconds. */
type Times = { readonly startedAtMs: number; readonly nowMs: number };

/** An ExportMetricsServiceRequest. */
export function toMetricsRequest(
  resource: Attributes,
  scope: Scope,
  families: readonly Family[],
  times: Times,
): object {
  const metrics = families.filter(({ series }) => series.length > 0);
  const scopeMetrics = [{ scope, metrics: metrics.map((family) => toMetric(family, times)) }];
  return { resourceMetrics: [{ resource: { attributes: toAttributes(resource) }, scopeMetrics }] };
}

function toMetric(family: Family, times: Times): object {
  const { name, unit, description, kind } = family;
  const dataPoints = family.series.map((series) => toPoint(family, series, times));
  const head = { name, unit, description };
  if (kind === "gauge") return { ...head, gauge: { dataPoints } };
  const sums = { aggregationTemporality: cumulative, dataPoints };
  if (kind === "histogram") return { ...head, histogram: sums };
  return { ...head, sum: { ...sums, isMonotonic: true } };
}

function toPoint({ attributes = [], bounds }: Family, series: Series, times: Times): object {
  const entries = attributes.map((name, at) => [name, series.values[at] || undefined]);
  const point = {
    attributes: toAttributes(Object.fromEntries(entries)),
    startTimeUnixNano: toNanos(times.startedAtMs),
    timeUnixNano: toNanos(times.nowMs),
  };
  if ("value" in series) return { ...point, asDouble: series.value };
  return { ...point, ...toDistribution(series.distribution, bounds) };
}

function toDistribution({ count, sum, buckets }: Distribution, bounds: readonly number[]): object {
  return { count: `${count}`, sum, bucketCounts: buckets.map(String), explicitBounds: bounds };
}

function toAttributes(attributes: Attributes): object[] {
  return Object.entries(attributes).flatMap(([key, value]) =>
    value === undefined ? [] : [{ key, value: toValue(value) }],
  );
}

function toValue(value: string | number | boolean): object {
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "boolean") return { boolValue: value };
  return Number.isSafeInteger(value) ? { intValue: `${value}` } : { doubleValue: value };
}

function toNanos(ms: number): string {
  const whole = Math.floor(ms);
  return `${BigInt(whole) * 1_000_000n + BigInt(Math.round((ms - whole) * 1e6))}`;
}
