import { afterAll, describe, expect, it } from "vitest";
import { openUpstream, playJson, playOpenAi } from "../fakes/openai-upstream.ts";
import { bearer, doors } from "./doors.ts";
import { labelNames, parseExposition } from "./exposition.ts";
import { startGateway } from "./gateway.ts";
import { logLines } from "./leaks.ts";
import { refusalOf } from "./refusals.ts";
import { sendHttp1 } from "./rest-client.ts";

const upstream = await openUpstream((response, request) => {
  if (request.text.includes("wait for ever")) return;
  const play = request.text.includes("fail") ? playJson(500, { error: {} }) : playOpenAi;
  return play(response, request);
});
afterAll(upstream.close);
const gateway = await startGateway({
  config: {
    metrics: { port: 0 },
    providers: [
      { name: "lab", kind: "openai", baseUrl: upstream.baseUrl, models: ["gpt-4.1"] },
      { name: "spare", kind: "openai", baseUrl: upstream.baseUrl, models: ["gpt-4.1-mini"] },
    ],
  },
});
const target = { url: gateway.url, headers: bearer(gateway.key) };
const labels: Record<string, string> = {
  "REST over HTTP/1.1": "rest",
  "REST over HTTP/2": "rest",
  "Connect with binary messages": "connect",
  "Connect with JSON messages": "connect",
  gRPC: "grpc",
  "gRPC-Web": "grpc_web",
};

const chat = (content: string, model = "gpt-4.1") => ({
  model,
  messages: [{ role: "user", content }],
});
const lines = () =>
  logLines(gateway.process.stderr()).map((line): Record<string, unknown> => JSON.parse(line));

async function readMetrics() {
  const findUrl = () => lines().find(({ msg }) => msg === "metrics")?.["url"];
  await expect.poll(findUrl).toBeDefined();
  const { origin, pathname } = new URL(String(findUrl()));
  const { status, text } = await sendHttp1(origin, { path: pathname });
  expect(status).toBe(200);
  return { origin, text, samples: parseExposition(text) };
}

/** How much a sample grows by what is done. */
async function growthOf(sample: string, act: () => Promise<unknown>, by: number): Promise<void> {
  const read = async () => (await readMetrics()).samples.get(sample) ?? 0;
  const before = await read();
  await act();
  await expect.poll(read).toBe(before + by);
}

const ends = (outcome: string, door: string) =>
  `optamil_chat_requests_total{model="gpt-4.1",provider="lab",tier="premium",outcome="${outcome}",door="${door}"}`;

describe("/metrics on the port for operators", () => {
  it.each(doors)(
    "counts each answer by model, provider, tier, outcome and door: $name",
    async (door) => {
      const label = labels[door.name] ?? "";
      await growthOf(ends("ok", label), () => door.chat(target, chat("hello")), 1);
      await growthOf(ends("stream_ok", label), () => door.stream(target, chat("hello")), 1);
    },
  );

  it.each(doors)("counts refusals by type and door: $name", async (door) => {
    const name = `optamil_refusals_total{type="authentication_error",door="${labels[door.name]}"}`;
    const stranger = { url: gateway.url, headers: bearer("sk-optamil-nobody") };
    await growthOf(name, () => refusalOf(door.chat(stranger, chat("hello"))), 1);
  });

  it("counts tokens and seconds under the names of OpenTelemetry's GenAI conventions", async () => {
    const served =
      'gen_ai_operation_name="chat",gen_ai_provider_name="lab",gen_ai_response_model="gpt-4.1"';
    const [rest] = doors;
    const stream = () => rest?.stream(target, chat("hello")) ?? Promise.reject();
    const tokens = (type: string) =>
      `gen_ai_client_token_usage_sum{${served},gen_ai_token_type="${type}"}`;
    await growthOf(tokens("input"), stream, 7);
    await growthOf(tokens("output"), stream, 3);
    await growthOf(`gen_ai_server_time_to_first_token_seconds_count{${served}}`, stream, 1);
    await growthOf(`gen_ai_server_request_duration_seconds_count{${served}}`, stream, 1);
  });

  it("counts calls to providers, and shows a deployment that is left alone", async () => {
    const { samples } = await readMetrics();
    const resting = 'optamil_deployment_resting{provider="spare",model="gpt-4.1-mini"}';
    expect(samples.has(resting)).toBe(false);
    const failed =
      'gen_ai_client_operation_duration_seconds_count{gen_ai_operation_name="chat",gen_ai_provider_name="spare",gen_ai_request_model="gpt-4.1-mini",error_type="http_5xx"}';
    const failFiveTimes = async () => {
      for (let at = 0; at < 5; at++) {
        const body = chat("fail", "gpt-4.1-mini");
        const path = "/v1/chat/completions";
        const { status } = await sendHttp1(gateway.url, { path, body, headers: target.headers });
        expect(status).toBe(503);
      }
    };
    await growthOf(failed, failFiveTimes, 5);
    expect((await readMetrics()).samples.get(resting)).toBe(1);
  });

  it("shows the process, the usage log and the consumer, and what waits in them", async () => {
    const read = async (name: string) => (await readMetrics()).samples.get(name);
    expect(await read("process_resident_memory_bytes")).toBeGreaterThan(10_000_000);
    expect(await read("process_cpu_seconds_total")).toBeGreaterThan(0);
    expect(await read("optamil_event_loop_lag_seconds")).toBeGreaterThan(0);
    expect(await read("optamil_holds_open")).toBe(0);
    expect(await read("optamil_usage_log_refusing")).toBe(0);
    expect(await read("optamil_consumer_restarts_total")).toBe(0);
    await expect.poll(() => read("optamil_consumer_up"), { timeout: 20_000 }).toBe(1);
    await expect.poll(() => read("optamil_usage_log_unconfirmed"), { timeout: 20_000 }).toBe(0);
    expect(await read("optamil_consumer_lag")).toBe(0);
  });

  it("has no other labels than those of few values: no key, no account, no path", async () => {
    expect(labelNames((await readMetrics()).samples)).toEqual([
      "door",
      "error_type",
      "gen_ai_operation_name",
      "gen_ai_provider_name",
      "gen_ai_request_model",
      "gen_ai_response_model",
      "gen_ai_token_type",
      "le",
      "model",
      "outcome",
      "provider",
      "status",
      "tier",
      "type",
    ]);
  });

  it("has health and readiness beside it, and nothing else", async () => {
    const { origin } = await readMetrics();
    const ask = async (path: string) => (await sendHttp1(origin, { path })).status;
    expect(await ask("/healthz")).toBe(200);
    expect(await ask("/readyz")).toBe(200);
    expect(await ask("/v1/models")).toBe(404);
    expect((await sendHttp1(origin, { path: "/metrics", body: {} })).status).toBe(404);
  });
});

describe("/metrics on the main port", () => {
  const path = "/metrics";

  it("is shown to a key with the scope admin", async () => {
    const { status, headers, text } = await sendHttp1(gateway.url, {
      path,
      headers: target.headers,
    });
    expect(status).toBe(200);
    expect(headers["content-type"]).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(parseExposition(text).size).toBeGreaterThan(10);
  });

  it("is refused to nobody with 401, to another key with 403", async () => {
    expect((await sendHttp1(gateway.url, { path })).status).toBe(401);
    const body = { name: "chat only", scopes: ["chat"] };
    const made = await sendHttp1(gateway.url, { path: "/v1/keys", body, headers: target.headers });
    const { key } = JSON.parse(made.text);
    expect((await sendHttp1(gateway.url, { path, headers: bearer(key) })).status).toBe(403);
  });
});

describe("the log", () => {
  it.each(doors)("has one line for each request, with what became of it: $name", async (door) => {
    const headers = { ...target.headers, "x-request-id": `one-line-${door.name.length}` };
    await door.stream({ ...target, headers }, chat("hello"));
    const found = () => lines().filter((line) => line["request_id"] === headers["x-request-id"]);
    await expect.poll(found).toHaveLength(1);
    expect(found()[0]).toMatchObject({
      level: 30,
      msg: "request",
      door: labels[door.name],
      status: 200,
      complete: true,
      requested_model: "gpt-4.1",
      model: "gpt-4.1",
      provider: "lab",
      tier: "premium",
      outcome: "stream_ok",
      stream: true,
      attempts: 1,
      prompt_tokens: 7,
      completion_tokens: 3,
      credits: 1,
      account_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      key_id: expect.any(String),
      duration_ms: expect.any(Number),
      ttft_ms: expect.any(Number),
    });
  });

  it("names the type of a refusal, and no account where there is none", async () => {
    const headers = { ...bearer("sk-optamil-nobody"), "x-request-id": "refused-line" };
    await sendHttp1(gateway.url, { path: "/v1/chat/completions", body: chat("x"), headers });
    const found = () => lines().find((line) => line["request_id"] === "refused-line");
    await expect.poll(found).toMatchObject({ status: 401, error_type: "authentication_error" });
    expect(found()).not.toHaveProperty("account_id");
  });

  it("tells of a client that left, after its request has been recorded", async () => {
    const headers = { ...target.headers, "x-request-id": "left-line" };
    const leaving = new AbortController();
    const sent = fetch(`${gateway.url}/v1/chat/completions`, {
      method: "POST",
      headers: { ...headers, "content-type": "application/json" },
      body: JSON.stringify(chat("wait for ever")),
      signal: leaving.signal,
    });
    await expect.poll(async () => (await readMetrics()).samples.get("optamil_holds_open")).toBe(1);
    leaving.abort();
    await expect(sent).rejects.toThrow();
    const found = () => lines().find((line) => line["request_id"] === "left-line");
    await expect.poll(found).toMatchObject({ outcome: "client_cancel_before", complete: false });
  });
});
