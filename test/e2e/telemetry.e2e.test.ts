import { afterAll, describe, expect, it } from "vitest";
import { askWarehouse } from "../chaos/books.ts";
import { openUpstream, playJson, playOpenAi } from "../fakes/openai-upstream.ts";
import { openOtlpCollector } from "../fakes/otlp-collector.ts";
import { bearer, doors } from "./doors.ts";
import { startGateway } from "./gateway.ts";
import { alone, inFleet } from "./gateway-fleet.ts";
import { logLines } from "./leaks.ts";
import { sendHttp1 } from "./rest-client.ts";

const collector = await openOtlpCollector();
const upstream = await openUpstream((response, request) => {
  const isBroken = request.text.includes("broken-model");
  return (isBroken ? playJson(500, { error: {} }) : playOpenAi)(response, request);
});
afterAll(upstream.close);
afterAll(collector.close);
const { baseUrl } = upstream;
const providers = [
  {
    ...{ name: "broken", kind: "openai", baseUrl },
    models: [{ name: "gpt-4.1-mini", upstreamName: "broken-model", weight: 1000 }],
  },
  { name: "lab", kind: "openai", baseUrl, models: ["gpt-4.1", "gpt-4.1-mini"] },
];
const gateway = await startGateway({
  config: {
    providers,
    telemetry: { endpoint: collector.endpoint, metricsEveryMs: 200, spansEveryMs: 50 },
  },
  env: { OTEL_EXPORTER_OTLP_HEADERS: "x-collector-key=a%20b" },
});
const headers = bearer(gateway.key);
const chat = (model: string) => ({ model, messages: [{ role: "user", content: "secret words" }] });
const caller = { traceId: "4bf92f3577b34da6a3ce929d0e0e4736", spanId: "00f067aa0ba902b7" };
const traceparent = (flags: string) => `00-${caller.traceId}-${caller.spanId}-${flags}`;
const spansOf = (requestId: string) => {
  const own = collector.spans.filter((span) => span.attributes["optamil.request.id"] === requestId);
  return own.flatMap((span) => [
    span,
    ...collector.spans.filter(({ parentSpanId }) => parentSpanId === span.spanId),
  ]);
};

async function ask(requestId: string, more: Record<string, string> = {}, model = "gpt-4.1") {
  const path = "/v1/chat/completions";
  const all = { ...headers, ...more, "x-request-id": requestId };
  return sendHttp1(gateway.url, { path, body: chat(model), headers: all });
}

async function waitForSpans(requestId: string, count: number) {
  await expect.poll(() => spansOf(requestId).length, { timeout: 15_000 }).toBe(count);
  return spansOf(requestId);
}

describe("a trace", () => {
  it.each(doors)(
    "has a span of the request and one of the call to the provider: $name",
    async (door) => {
      const requestId = `span-${door.name.length}`;
      await door.chat(
        { url: gateway.url, headers: { ...headers, "x-request-id": requestId } },
        chat("gpt-4.1"),
      );
      const [own, call] = await waitForSpans(requestId, 2);
      expect(own).toMatchObject({ name: "chat gpt-4.1", kind: 2, status: {} });
      expect(own?.attributes).toMatchObject({
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "lab",
        "gen_ai.request.model": "gpt-4.1",
        "gen_ai.response.model": "gpt-4.1",
        "gen_ai.usage.input_tokens": 7,
        "gen_ai.usage.output_tokens": 3,
        "optamil.outcome": "ok",
        "http.response.status_code": 200,
      });
      expect(call).toMatchObject({ name: "chat gpt-4.1", kind: 3, traceId: own?.traceId });
      const took = ({
        startTimeUnixNano,
        endTimeUnixNano,
      }: {
        startTimeUnixNano: string;
        endTimeUnixNano: string;
      }) => [BigInt(startTimeUnixNano), BigInt(endTimeUnixNano)] as const;
      if (own === undefined || call === undefined) throw new Error("a span is missing");
      const [[ownStart, ownEnd], [callStart, callEnd]] = [took(own), took(call)];
      expect(ownStart <= callStart && callStart <= callEnd && callEnd <= ownEnd + 1_000_000n).toBe(
        true,
      );
    },
  );

  it("goes on from the caller's, and to the provider as a child of ours", async () => {
    await ask("goes-on", { traceparent: traceparent("01") });
    const sent = upstream.requests.at(-1)?.headers["traceparent"];
    const [own, call] = await waitForSpans("goes-on", 2);
    expect(own).toMatchObject({ traceId: caller.traceId, parentSpanId: caller.spanId });
    expect(sent).toBe(`00-${caller.traceId}-${call?.spanId}-01`);
    const line = () =>
      logLines(gateway.process.stderr()).find((text) => text.includes('"goes-on"')) ?? "{}";
    await expect.poll(() => JSON.parse(line()).trace_id).toBe(caller.traceId);
  });

  it("is not exported where its caller does not sample it, and the provider hears nothing of it", async () => {
    await ask("unsampled", { traceparent: traceparent("00") });
    expect(upstream.requests.at(-1)?.headers).not.toHaveProperty("traceparent");
    await ask("after-it");
    await waitForSpans("after-it", 2);
    expect(spansOf("unsampled")).toEqual([]);
  });

  it.each([
    ["of another shape", "00-xyz"],
    ["of all zeros", `00-${"0".repeat(32)}-${caller.spanId}-01`],
    ["of the forbidden version", `ff-${caller.traceId}-${caller.spanId}-01`],
    ["of version 00 with more behind", `${traceparent("01")}-more`],
  ])("begins anew where the caller's header is %s", async (name, header) => {
    const requestId = `anew-${name.length}`;
    await ask(requestId, { traceparent: header });
    const [own] = await waitForSpans(requestId, 2);
    expect(own?.traceId).not.toBe(caller.traceId);
    expect(own).not.toHaveProperty("parentSpanId");
  });

  it("shows a failover as a failed call and one that went well", async () => {
    const { status } = await ask("failover", {}, "gpt-4.1-mini");
    expect(status).toBe(200);
    const spans = await waitForSpans("failover", 3);
    const calls = spans
      .slice(1)
      .map(({ attributes, status }) => [
        attributes["gen_ai.provider.name"],
        attributes["error.type"],
        status.code,
      ]);
    expect(calls).toEqual([
      ["broken", "http_5xx", 2],
      ["lab", undefined, undefined],
    ]);
  });

  it("of a refusal names its type, and is no error of the gateway", async () => {
    await ask("refused", { authorization: "Bearer sk-optamil-nobody" });
    const [own] = await waitForSpans("refused", 1);
    expect(own).toMatchObject({ name: "POST", status: {} });
    expect(own?.attributes["error.type"]).toBe("authentication_error");
  });
});

describe("all that is exported", () => {
  it("has metrics under the names, units and attributes of the GenAI conventions", async () => {
    const names = () => new Set(collector.metrics.map(({ name }) => name));
    await expect.poll(names).toContain("gen_ai.server.request.duration");
    await expect.poll(names).toContain("gen_ai.client.token.usage");
    const [resource] = collector.resources;
    expect(resource).toEqual({
      "service.name": "optamil",
      "service.version": "0.1.0",
      "service.instance.id": inFleet ? expect.stringMatching(/^gateway-[1-3]$/) : "gateway-0",
    });
  });

  it("is what the protocol and the conventions know, with the headers of the collector", () => {
    expect(collector.problems).toEqual([]);
    expect(collector.headers[0]).toMatchObject({ "x-collector-key": "a b" });
  });

  it("has no word of prompts, answers and keys", () => {
    const text = collector.bodies.join("\n");
    expect(text.length).toBeGreaterThan(10_000);
    for (const word of ["secret words", gateway.key, "upstream"]) expect(text).not.toContain(word);
  });
});

describe("a charge", () => {
  it.each(doors)("names the trace and the span of its request: $name", async (door) => {
    const requestId = `charged-${doors.indexOf(door)}`;
    const own = { ...headers, "x-request-id": requestId, traceparent: traceparent("01") };
    await door.chat({ url: gateway.url, headers: own }, chat("gpt-4.1"));
    const [span] = await waitForSpans(requestId, 2);
    const sql = `SELECT credits, trace_id, span_id FROM usage WHERE request_id = '${requestId}'`;
    const { traceId } = caller;
    await expect
      .poll(() => askWarehouse(gateway, sql), { timeout: 20_000 })
      .toEqual([{ credits: 1, trace_id: traceId, span_id: span?.spanId }]);
  });
});

alone("nginx shows no metrics; each replica has its own", () => {
  it("a latency's bucket names the trace of its last request, as OpenMetrics", async () => {
    const requestId = "exemplar";
    await ask(requestId, { traceparent: traceparent("01") });
    const [span] = await waitForSpans(requestId, 2);
    const accept = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;q=0.3";
    const asked = { path: "/metrics", headers: { ...headers, accept } };
    const reply = await sendHttp1(gateway.url, asked);
    expect(reply.headers["content-type"]).toBe(
      "application/openmetrics-text; version=1.0.0; charset=utf-8",
    );
    expect(reply.text.endsWith("\n# EOF\n")).toBe(true);
    const ids = `trace_id="${caller.traceId}",span_id="${span?.spanId}"`;
    for (const name of [
      "gen_ai_server_request_duration_seconds",
      "optamil_request_overhead_seconds",
    ])
      expect(reply.text).toMatch(
        new RegExp(`^${name}_bucket\\{.*le="[^"]+"\\} \\d+ # \\{${ids}\\} [0-9.e-]+$`, "m"),
      );
  });
});

describe("a gateway without telemetry", () => {
  it("sends no trace on, and logs the caller's trace id all the same", async () => {
    const plain = await startGateway({ config: { providers } });
    const path = "/v1/chat/completions";
    const own = { ...bearer(plain.key), traceparent: traceparent("01") };
    await sendHttp1(plain.url, { path, body: chat("gpt-4.1"), headers: own });
    expect(upstream.requests.at(-1)?.headers).not.toHaveProperty("traceparent");
    await expect.poll(() => plain.process.stderr()).toContain(`"trace_id":"${caller.traceId}"`);
  });
});
