// What is learnt of one request on its way, for its line in the log, the metrics and its trace.
import type { UsageEvent } from "../gen/optamil/v1/event_pb.ts";
import type { Caller } from "../keys/verify.ts";
import { createSpanId, type TraceContext, toTraceparent } from "../platform/trace-context.ts";
import type { SpanContent } from "./span-content.ts";

/** How a request came in. */
export type Door = "rest" | "connect" | "grpc" | "grpc_web";

/** How an exchange ended, as the door saw it. */
export type ExchangeEnd = {
  readonly method: string;
  /** Without the query, which may hold what clients put there. */
  readonly path: string;
  readonly status: number;
  /** Whether the answer was written to its end. */
  readonly complete: boolean;
  readonly durationMs: number;
};

/** One call to a provider. */
export type AttemptTrail = {
  /** Its span, 16 hexadecimal digits; empty where nothing is traced. */
  readonly spanId: string;
  readonly model: string;
  readonly provider: string;
  /** Monotonic milliseconds. */
  readonly startedAtMs: number;
  readonly latencyMs: number;
  /** Kind of failure; undefined: there was none. */
  readonly errorClass: string | undefined;
};

/** The trail of one request; every part of the way adds what it knows. */
export class Trail {
  readonly requestId: string;
  readonly door: Door;
  /** When the request came in, monotonic milliseconds. */
  readonly receivedAtMs: number;
  /** The trace that it belongs to; undefined: none. */
  readonly trace: TraceContext | undefined;
  /** Who called; undefined while that is not known. */
  caller: Caller | undefined = undefined;
  /** Calls to providers, in order. */
  readonly attempts: AttemptTrail[] = [];
  /** The usage event of its end; undefined: it was not admitted, or its end could not be recorded. */
  event: UsageEvent | undefined = undefined;
  /** Gives what was asked and answered, where its account and the operator switched that on for spans. */
  spanContent: (() => SpanContent | undefined) | undefined = undefined;
  /** Type of the refusal, as the error table has it; undefined: it was not refused. */
  refusal: string | undefined = undefined;
  #attemptSpanId = "";
  #open = false;
  #onEnd: (() => void) | undefined = undefined;

  constructor(
    door: Door,
    requestId: string,
    receivedAtMs: number,
    trace: TraceContext | undefined = undefined,
  ) {
    this.door = door;
    this.requestId = requestId;
    this.receivedAtMs = receivedAtMs;
    this.trace = trace;
  }

  /** A provider is about to be called: gives the `traceparent` to send along, if the trace is exported. */
  attempting(): string | undefined {
    const { trace } = this;
    if (!trace?.sampled) return undefined;
    this.#attemptSpanId = createSpanId();
    return toTraceparent(trace.traceId, this.#attemptSpanId, true);
  }

  /** The call is over. */
  attempted(attempt: Omit<AttemptTrail, "spanId">): void {
    const spanId = this.#attemptSpanId || (this.trace?.sampled ? createSpanId() : "");
    const { model, provider, startedAtMs, latencyMs, errorClass } = attempt;
    this.attempts.push({ spanId, model, provider, startedAtMs, latencyMs, errorClass });
    this.#attemptSpanId = "";
  }

  /** The request was admitted: its end is to come. */
  admitted(): void {
    this.#open = true;
  }

  /** It was refused before any of its answer; nothing more is to come. */
  refused(type: string): void {
    this.refusal = type;
    this.ended(this.event);
  }

  /** It has ended, with an event if that could be recorded. */
  ended(event: UsageEvent | undefined): void {
    this.event = event;
    this.#open = false;
    this.#onEnd?.();
    this.#onEnd = undefined;
  }

  /** Calls back when nothing more is to come: an end may be recorded later than its client has left. */
  whenEnded(listener: () => void): void {
    if (this.#open) this.#onEnd = listener;
    else listener();
  }
}
