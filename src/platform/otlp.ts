// Sends spans and metrics to an OpenTelemetry collector: OTLP over HTTP, in its JSON encoding.
import type { Clock } from "./clock.ts";
import type { Metrics } from "./metrics.ts";
import { type Attributes, type SpanRecord, toMetricsRequest, toTraceRequest } from "./otlp-json.ts";

/** How to export. */
export type OtlpOptions = {
  /** Base URL of the collector, such as http://127.0.0.1:4318. */
  readonly endpoint: string;
  /** Sent with each request, such as a key. */
  readonly headers: Readonly<Record<string, string>>;
  /** What the process is: service.name and its kin. */
  readonly resource: Attributes;
  /** Name and version of what counts and traces. */
  readonly scope: { readonly name: string; readonly version: string };
  readonly metrics: Metrics;
  readonly clock: Clock;
  /** Between two exports of metrics, milliseconds. */
  readonly metricsEveryMs: number;
  /** A span waits so long at most, milliseconds. */
  readonly spansEveryMs: number;
  /** Told of exports that failed; what they held is lost. */
  readonly onTrouble: (message: string) => void;
};

/** An open exporter. */
export interface OtlpExporter {
  /** Takes a span; one that finds the queue full is dropped and counted. */
  add(span: SpanRecord): void;
  /** Sends what is there, for two seconds at most, and ends. */
  close(): Promise<void>;
}

const queuedSpansMax = 4_096;
const batchSpansMax = 512;
/** Characters of content in spans that are not exported yet; a span that would have more goes without. */
const contentLengthMax = 16_000_000;
const requestTimeoutMs = 10_000;
const closeTimeoutMs = 2_000;
const triesMax = 3;
const retryMs = 1_000;

/** Opens an exporter; it needs no collector to be there. */
export function openOtlpExporter(options: OtlpOptions): OtlpExporter {
  return new Exporter(options);
}

class Exporter implements OtlpExporter {
  readonly #options: OtlpOptions;
  readonly #timers: readonly ReturnType<typeof setInterval>[];
  readonly #startedAtMs: number;
  readonly #closing = new AbortController();
  #queue: SpanRecord[] = [];
  /** Spans that were taken and are not exported yet: those of the queue, and of requests that wait for one another. */
  #taken = 0;
  #isMeasured = false;
  #dropped = 0;
  #contentLength = 0;
  #sending: Promise<void> = Promise.resolve();

  constructor(options: OtlpOptions) {
    const { metrics, spansEveryMs, metricsEveryMs, clock } = options;
    this.#options = options;
    this.#startedAtMs = clock.wallMs();
    this.#timers = [
      setInterval(() => this.#flushSpans(), spansEveryMs),
      setInterval(() => this.#flushMetrics(), metricsEveryMs),
    ];
    metrics.observedCounter(
      {
        name: "optamil.telemetry.dropped_spans",
        unit: "{span}",
        description: "Spans that were not exported: the queue was full or the collector away.",
      },
      () => [{ value: this.#dropped }],
    );
  }

  add(span: SpanRecord): void {
    if (this.#taken >= queuedSpansMax) {
      this.#dropped += 1;
      return;
    }
    this.#taken += 1;
    this.#queue.push(this.#withContent(span));
    if (this.#queue.length === batchSpansMax) this.#flushSpans();
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.#flushSpans();
    this.#flushMetrics();
    const timer = setTimeout(() => this.#closing.abort(), closeTimeoutMs);
    await this.#sending;
    clearTimeout(timer);
  }

  #withContent(span: SpanRecord): SpanRecord {
    const length = contentLengthOf(span);
    if (this.#contentLength + length > contentLengthMax) return { ...span, content: undefined };
    this.#contentLength += length;
    return span;
  }

  #flushSpans(): void {
    while (this.#queue.length > 0) {
      const spans = this.#queue.splice(0, batchSpansMax);
      const { resource, scope } = this.#options;
      this.#enqueue("traces", () => toTraceRequest(resource, scope, spans), spans.length);
      this.#sending = this.#sending.then(() => {
        this.#taken -= spans.length;
        for (const span of spans) this.#contentLength -= contentLengthOf(span);
      });
    }
  }

  #flushMetrics(): void {
    // What waits already will say how it is then.
    if (this.#isMeasured) return;
    this.#isMeasured = true;
    const { resource, scope, metrics, clock } = this.#options;
    const toRequest = () => {
      const times = { startedAtMs: this.#startedAtMs, nowMs: clock.wallMs() };
      return toMetricsRequest(resource, scope, metrics.collect(), times);
    };
    this.#enqueue("metrics", toRequest, 0);
    this.#sending = this.#sending.then(() => {
      this.#isMeasured = false;
    });
  }

  /** One request after the other: a collector that is slow is not given more to do. */
  #enqueue(signal: "traces" | "metrics", toRequest: () => object, spans: number): void {
    this.#sending = this.#sending
      .then(() => this.#send(signal, JSON.stringify(toRequest())))
      .catch((error: unknown) => {
        this.#dropped += spans;
        this.#options.onTrouble(`${signal}: ${error instanceof Error ? error.message : error}`);
      });
  }

  async #send(signal: string, body: string): Promise<void> {
    for (let tries = 1; ; tries++) {
      const status = await this.#post(`/v1/${signal}`, body);
      if (status < 300) return;
      // OTLP §"Failures": only these may be tried again.
      const isLater = [429, 502, 503, 504].includes(status);
      if (!isLater || tries === triesMax || this.#closing.signal.aborted) {
        throw new Error(`the collector answered ${status}`);
      }
      await new Promise((resolve) => setTimeout(resolve, retryMs));
    }
  }

  async #post(path: string, body: string): Promise<number> {
    const { endpoint, headers } = this.#options;
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(requestTimeoutMs)]);
    const response = await fetch(endpoint.replace(/\/+$/, "") + path, {
      method: "POST",
      headers: { ...headers, "content-type": "application/json" },
      redirect: "error",
      body,
      signal,
    });
    await response.arrayBuffer();
    return response.status;
  }
}

function contentLengthOf({ content = {} }: SpanRecord): number {
  return Object.values(content).reduce<number>((sum, value) => sum + String(value).length, 0);
}
