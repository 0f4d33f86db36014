/** A collector that takes OTLP over HTTP in JSON and refuses all that the protocol or the conventions do not know. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "vitest";

/** A span as it came. */
export interface SeenSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  kind: number;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes: Record<string, unknown>;
  status: { code?: number; message?: string };
}

/** A metric as it came, with its points' attributes. */
export interface SeenMetric {
  name: string;
  unit: string;
  kind: "gauge" | "sum" | "histogram";
  points: { attributes: Record<string, unknown>; point: Record<string, unknown> }[];
}

/** A collector that listens. */
export interface OtlpCollector {
  endpoint: string;
  /** Headers of each export. */
  headers: Record<string, unknown>[];
  /** All that came, as text. */
  bodies: string[];
  spans: SeenSpan[];
  metrics: SeenMetric[];
  resources: Record<string, unknown>[];
  /** What was wrong with an export, which got 400. */
  problems: string[];
  close(): Promise<void>;
}

/** Names of OpenTelemetry's semantic conventions 1.37 for HTTP and GenAI that a gateway has use for. */
const conventions: Record<string, "string" | "number"> = {
  "error.type": "string",
  "gen_ai.input.messages": "string",
  "gen_ai.operation.name": "string",
  "gen_ai.output.messages": "string",
  "gen_ai.provider.name": "string",
  "gen_ai.request.model": "string",
  "gen_ai.response.model": "string",
  "gen_ai.token.type": "string",
  "gen_ai.usage.input_tokens": "number",
  "gen_ai.usage.output_tokens": "number",
  "http.request.method": "string",
  "http.response.status_code": "number",
  "service.instance.id": "string",
  "service.name": "string",
  "service.version": "string",
  "url.path": "string",
};
/** Metrics of the conventions, with their units. */
const knownMetrics: Record<string, string> = {
  "gen_ai.client.operation.duration": "s",
  "gen_ai.client.token.usage": "{token}",
  "gen_ai.server.request.duration": "s",
  "gen_ai.server.time_to_first_token": "s",
};
const ownAttributes = /^(optamil\.[a-z_.]+|door|model|outcome|provider|status|tier|type)$/;
const ownMetrics = /^(optamil|process)\.[a-z_.]+$/;

/** Opens a collector on a free port. */
export async function openOtlpCollector(): Promise<OtlpCollector> {
  const seen = {
    ...{ headers: [], bodies: [], spans: [], metrics: [], resources: [], problems: [] },
  } as Omit<OtlpCollector, "endpoint" | "close">;
  const server = createServer(async (request, response) => {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece);
    const text = Buffer.concat(pieces).toString();
    let status = 200;
    try {
      expect(request.method).toBe("POST");
      expect(request.headers["content-type"]).toBe("application/json");
      take(request.url ?? "", JSON.parse(text), seen);
      seen.headers.push(request.headers);
      seen.bodies.push(text);
    } catch (error) {
      seen.problems.push(String(error));
      status = 400;
    }
    response.writeHead(status, { "content-type": "application/json" }).end("{}");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    ...seen,
    endpoint: `http://127.0.0.1:${port}`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

type Seen = Omit<OtlpCollector, "endpoint" | "close">;
type Json = Record<string, unknown>;

function take(path: string, body: Json, seen: Seen): void {
  if (path === "/v1/traces") {
    for (const { resource, scopeSpans } of list(body, "resourceSpans", "resource", "scopeSpans")) {
      seen.resources.push(toAttributes(object(resource)));
      for (const { spans } of list({ scopeSpans }, "scopeSpans", "scope", "spans")) {
        for (const span of spans as Json[]) seen.spans.push(toSpan(span));
      }
    }
    return;
  }
  expect(path).toBe("/v1/metrics");
  for (const { resource, scopeMetrics } of list(
    body,
    "resourceMetrics",
    "resource",
    "scopeMetrics",
  )) {
    seen.resources.push(toAttributes(object(resource)));
    for (const { metrics } of list({ scopeMetrics }, "scopeMetrics", "scope", "metrics")) {
      for (const metric of metrics as Json[]) seen.metrics.push(toMetric(metric));
    }
  }
}

/** The messages of a repeated field, each with exactly these members. */
function list(parent: Json, field: string, ...members: string[]): Json[] {
  expect(Object.keys(parent)).toEqual([field]);
  const messages = parent[field] as Json[];
  for (const message of messages)
    expect(Object.keys(message).toSorted()).toEqual(members.toSorted());
  return messages;
}

const object = (value: unknown) => value as Json;
const nanos = expect.stringMatching(/^\d{19}$/);

function toSpan(span: Json): SeenSpan {
  const { parentSpanId, attributes, ...rest } = span;
  if (parentSpanId !== undefined) expect(parentSpanId).toMatch(/^[0-9a-f]{16}$/);
  expect(rest).toEqual({
    traceId: expect.stringMatching(/^[0-9a-f]{32}$/),
    spanId: expect.stringMatching(/^[0-9a-f]{16}$/),
    name: expect.any(String),
    kind: expect.any(Number),
    startTimeUnixNano: nanos,
    endTimeUnixNano: nanos,
    status: expect.any(Object),
  });
  return { ...span, attributes: toAttributes({ attributes }) } as unknown as SeenSpan;
}

function toMetric({ name, unit, description, ...data }: Json): SeenMetric {
  expect(description).toMatch(/\.$/);
  const known = knownMetrics[String(name)];
  if (known === undefined) expect(name).toMatch(ownMetrics);
  else expect(unit).toBe(known);
  const [kind = "", ...others] = Object.keys(data);
  expect(others).toEqual([]);
  const { dataPoints, ...sum } = object(data[kind]);
  expect(sum).toEqual(
    { gauge: {}, histogram: { aggregationTemporality: 2 } }[kind] ?? {
      aggregationTemporality: 2,
      isMonotonic: true,
    },
  );
  const points = (dataPoints as Json[]).map(({ attributes, ...point }) => {
    expect(point).toEqual({
      startTimeUnixNano: nanos,
      timeUnixNano: nanos,
      ...(kind === "histogram" ? histogramPoint(point) : { asDouble: expect.any(Number) }),
    });
    return { attributes: toAttributes({ attributes }), point };
  });
  return { name: String(name), unit: String(unit), kind: kind as SeenMetric["kind"], points };
}

/** A histogram counts each observation in one bucket, and has one bucket more than bounds. */
function histogramPoint({ bucketCounts, explicitBounds, count }: Json): Json {
  const counts = (bucketCounts as string[]).map(Number);
  expect(counts).toHaveLength((explicitBounds as number[]).length + 1);
  expect(String(counts.reduce((sum, one) => sum + one, 0))).toBe(count);
  return { count, bucketCounts, explicitBounds, sum: expect.any(Number) };
}

function toAttributes({ attributes }: Json): Json {
  const result: Json = {};
  for (const { key, value } of attributes as { key: string; value: Json }[]) {
    const [[kind, plain] = ["", undefined], ...more] = Object.entries(value);
    expect(more).toEqual([]);
    expect(["stringValue", "intValue", "doubleValue", "boolValue"]).toContain(kind);
    const shown = kind === "intValue" ? Number(plain) : plain;
    const type = conventions[key];
    if (type === undefined) expect(key).toMatch(ownAttributes);
    else expect(typeof shown, key).toBe(type);
    if (key === "gen_ai.input.messages") checkMessages(String(shown), {});
    if (key === "gen_ai.output.messages") checkMessages(String(shown), { finish_reason: text });
    expect(key in result, `${key} twice`).toBe(false);
    result[key] = shown;
  }
  return result;
}

const text = expect.any(String);
/** Members of the parts that the schemas of the conventions name; a part of another type has at least that. */
const knownParts: Record<string, Json> = {
  text: { content: text },
  tool_call: { id: text, name: text, arguments: text },
  tool_call_response: { id: text, result: text },
};

/** Messages as the conventions' schemas of input and output messages have them, with what only the one has. */
function checkMessages(json: string, more: Json): void {
  for (const message of JSON.parse(json)) {
    expect(message).toEqual({ role: text, parts: expect.any(Array), ...more });
    for (const part of message.parts) {
      expect(part).toEqual({ type: text, ...knownParts[part.type] });
    }
  }
}
