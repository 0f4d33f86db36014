// What is learnt of one request on its way, for its line in the log, the metrics and its trace.
import type { UsageEvent } from "../gen/optamil/v1/event_pb.ts";
import type { Caller } from "../keys/verify.ts";

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
  /** Who called; undefined while that is not known. */
  caller: Caller | undefined = undefined;
  /** Calls to providers, in order. */
  readonly attempts: AttemptTrail[] = [];
  /** The usage event of its end; undefined: it was not admitted, or its end could not be recorded. */
  event: UsageEvent | undefined = undefined;
  /** Type of the refusal, as the error table has it; undefined: it was not refused. */
  refusal: string | undefined = undefined;
  #open = false;
  #onEnd: (() => void) | undefined = undefined;

  constructor(door: Door, requestId: string, receivedAtMs: number) {
    this.door = door;
    this.requestId = requestId;
    this.receivedAtMs = receivedAtMs;
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
