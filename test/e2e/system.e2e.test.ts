/** What an operator sees of a gateway, and everybody of its models. */
import { afterAll, describe, expect, it } from "vitest";
import { completion, openUpstream, type Play, playJson } from "../fakes/openai-upstream.ts";
import { bearer } from "./doors.ts";
import { startGateway } from "./gateway.ts";
import { sendHttp1 } from "./rest-client.ts";

const upstream = await openUpstream(playJson(200, completion("well")));
afterAll(upstream.close);
const gateway = await startGateway({
  config: {
    providers: [
      { name: "lab", kind: "openai", baseUrl: upstream.baseUrl, models: ["gpt-4.1", "o3"] },
    ],
  },
});
const headers = bearer(gateway.key);

async function get(path: string) {
  const { status, text } = await sendHttp1(gateway.url, { path, headers });
  expect(status, text).toBe(200);
  return JSON.parse(text);
}

function ask(model: string) {
  const body = { model, messages: [{ role: "user", content: "Hi" }] };
  return sendHttp1(gateway.url, { path: "/v1/chat/completions", headers, body });
}

const stateOf = (system: { deployments: { model: string }[] }, model: string) =>
  system.deployments.find((one) => one.model === model);

describe("GET /v1/admin/system", () => {
  it("has books in which granted is balance, held and settled, and a drift of 0 when all is stored", async () => {
    expect((await ask("gpt-4.1")).status).toBe(200);
    expect((await ask("gpt-4.1")).status).toBe(200);
    // The warehouse has a request about a second after its end.
    await expect
      .poll(() => get("/v1/admin/system").then(({ books }) => books), { timeout: 20_000 })
      .toMatchObject({
        drift: 0,
        accounts: [{ granted: 1_000_000, balance: 999_998, held: 0, settled: 2, stored: 2 }],
      });
    const system = await get("/v1/admin/system");
    expect(system).toMatchObject({
      version: "0.1.0",
      runtime: expect.stringMatching(/^(node|deno) \d/),
      log: { events: 2, unconfirmed: 0, fill: 0 },
      consumer: { ready: true, lag: 0, restarts: 0, dead_letters: 0 },
      holds: { open: 0, held: 0 },
    });
    const nowS = Date.now() / 1_000;
    expect(system.started_at).toBeGreaterThan(nowS - 600);
    expect(system.consumer.confirmed_at).toBeGreaterThanOrEqual(system.started_at);
    expect(system.consumer.confirmed_at).toBeLessThanOrEqual(nowS + 1);
    expect(system.parts).toEqual(
      ["warehouse", "usage log", "data folder"].map((part) =>
        expect.objectContaining({ part, status: "ok" }),
      ),
    );
  });

  it("shows what open requests hold", async () => {
    const arrived = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<void>();
    const late: Play = async (response, request) => {
      arrived.resolve();
      await answer.promise;
      await playJson(200, completion("late"))(response, request);
    };
    upstream.play = late;
    const asked = ask("gpt-4.1");
    await arrived.promise;
    const { holds, books } = await get("/v1/admin/system");
    expect(holds).toEqual({ open: 1, held: 1 });
    expect(books.accounts).toMatchObject([{ balance: 999_997, held: 1, settled: 2, stored: 2 }]);
    answer.resolve();
    expect((await asked).status).toBe(200);
    expect((await get("/v1/admin/system")).holds).toEqual({ open: 0, held: 0 });
  });

  it("and GET /v1/model-health show which models answer, and which are left alone", async () => {
    expect(stateOf(await get("/v1/admin/system"), "o3")).toMatchObject({
      ...{ provider: "lab", state: "unused", answers: 0, failures: 0 },
    });
    upstream.play = playJson(500, { error: { message: "no" } });
    for (let count = 0; count < 5; count += 1) await ask("o3");
    const system = await get("/v1/admin/system");
    expect(stateOf(system, "gpt-4.1")).toMatchObject({ state: "well", answers: 3, failures: 0 });
    expect(stateOf(system, "gpt-4.1")).not.toHaveProperty("last_error_at");
    expect(stateOf(system, "o3")).toMatchObject({
      ...{ state: "resting", answers: 0, failures: 5, last_error: "http_5xx" },
      retry_after_ms: expect.any(Number),
      last_error_at: expect.any(Number),
    });
    const { data } = await get("/v1/model-health");
    expect(data).toEqual([
      { id: "gpt-4.1", state: "well", latency_ms: expect.any(Number) },
      { id: "o3", state: "resting" },
    ]);
  });
});
