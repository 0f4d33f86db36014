// W3C Trace Context: which trace a request belongs to, and the ids of its spans.

/** A span's place in its trace. */
export type TraceContext = {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits: the span of this process. */
  readonly spanId: string;
  /** The caller's span; undefined: the trace begins here. */
  readonly parentSpanId: string | undefined;
  /** Whether spans of this trace are exported. */
  readonly sampled: boolean;
};

// W3C Trace Context §3.2: version 00 has these four fields; a later one may have more behind them.
const pattern =
  /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/**
 * The context of a request's own span. With a valid `traceparent` it goes on with that trace, and its caller has
 * decided whether it is sampled; without one a trace begins.
 *
 * @param sampleShare is the part of the traces that begin here and are exported, 0 to 1; undefined: nothing is
 * exported, and only a caller's trace gets a context, for its id.
 */
export function openTrace(
  traceparent: string | undefined,
  sampleShare: number | undefined,
): TraceContext | undefined {
  const [, version, traceId, parentSpanId, flags = "00", more] =
    pattern.exec(traceparent ?? "") ?? [];
  const isKnown = traceId !== undefined && (more === undefined || version !== "00");
  if (isKnown) {
    const sampled = sampleShare !== undefined && (Number.parseInt(flags, 16) & 1) === 1;
    return { traceId, spanId: createSpanId(), parentSpanId, sampled };
  }
  if (sampleShare === undefined) return undefined;
  const sampled = Math.random() < sampleShare;
  return { traceId: randomHex(16), spanId: createSpanId(), parentSpanId: undefined, sampled };
}

/** A fresh id of a span. */
export function createSpanId(): string {
  return randomHex(8);
}

/** The `traceparent` with which a span of ours is the parent of what is called. */
export function toTraceparent(traceId: string, spanId: string, sampled: boolean): string {
  return `00-${traceId}-${spanId}-${sampled ? "01" : "00"}`;
}

function randomHex(bytes: number): string {
  const random = crypto.getRandomValues(new Uint8Array(bytes));
  // All zeros is no id; one in 2^64 at most is mended by it.
  if (random.every((byte) => byte === 0)) random[0] = 1;
  return Buffer.from(random).toString("hex");
}
