import { afterAll, describe, expect, it } from "vitest";
import { askWarehouse } from "../chaos/books.ts";
import {
  playEmbeddings,
  playedVector,
  playGeminiEmbeddings,
  toBase64,
} from "../fakes/embeddings-upstream.ts";
import { openUpstream, playJson } from "../fakes/openai-upstream.ts";
import { bearer, doors, type HeaderMap } from "./doors.ts";
import { startGateway } from "./gateway.ts";
import { fromRow, type Row, refusalOf, rows } from "./refusals.ts";
import { sendHttp1 } from "./rest-client.ts";

/** Calls so far by the id of the client's request. */
const calls = new Map<string, number>();
const upstream = await openUpstream((response, request) => {
  const id = String(request.headers["x-request-id"]);
  const count = (calls.get(id) ?? 0) + 1;
  calls.set(id, count);
  // A client that leaves is noticed by its upstream.
  if (request.text.includes("vec-silent")) return undefined;
  const isFirst = request.text.includes("vec-twice") && count === 1;
  return (isFirst ? playJson(500, {}) : playEmbeddings)(response, request);
});
const gemini = await openUpstream(playGeminiEmbeddings);
afterAll(() => Promise.all([upstream.close(), gemini.close()]));
const vec = (name: string, more: object = {}) => ({ name, tier: "budget", dimensions: 4, ...more });
/** A model for each door: one deployment may be first for all of them, and after five failures it would rest. */
const twice = doors.map((_door, at) => `vec-twice-${at}`);
const { baseUrl } = upstream;
const gateway = await startGateway({
  config: {
    models: [
      vec("vec-openai"),
      vec("vec-plain", { unsupportedParameters: ["encoding_format", "user"], inputsMax: 2 }),
      vec("vec-fixed", { unsupportedParameters: ["dimensions"], contextTokens: 3 }),
      ...twice.map((name) => vec(name)),
      vec("vec-gemini", { tier: "mid" }),
      vec("vec-nowhere"),
      vec("vec-silent"),
    ],
    plans: [
      {
        ...{ name: "tiny", creditsPerMonth: 2, requestsPerMinute: 100, requestsPerDay: 100 },
        tokensPerMinute: 1_000,
      },
    ],
    providers: [
      {
        name: "lab",
        baseUrl,
        models: ["vec-openai", "vec-plain", "vec-fixed", ...twice, "vec-silent"],
      },
      { name: "lab-too", baseUrl, models: twice },
      { name: "gemini-lab", kind: "gemini", baseUrl: gemini.baseUrl, models: ["vec-gemini"] },
      { name: "demo", kind: "demo", models: ["text-embedding-3-small", "gpt-4.1"] },
    ],
  },
});
const headers = bearer(gateway.key);
const target = { url: gateway.url, headers };
const lastSent = () => JSON.parse(upstream.requests.at(-1)?.text ?? "");

/** A good answer's body, on a connection of its own: Deno gives 408 to kept ones that pause. */
async function ask(path: string, body?: object) {
  const own = { ...headers, connection: "close" };
  const { status, text } = await sendHttp1(gateway.url, { path, headers: own, body });
  expect(status, text).toBe(200);
  return JSON.parse(text);
}

async function usedCredits(): Promise<number> {
  return (await ask("/v1/usage")).credits_used;
}

/** A new account with two credits, as the target of its calls. */
async function openTinyAccount() {
  const { key } = await ask("/v1/admin/accounts", { name: "test", plan: "tiny" });
  return { url: gateway.url, headers: bearer(key) };
}

/** Headers of a new key of the first account. */
async function createKey(request: object): Promise<HeaderMap> {
  return bearer((await ask("/v1/keys", { name: "k", ...request })).key);
}

describe.each(doors)("embeddings through $name", (door) => {
  it.each<[string, unknown, readonly unknown[]]>([
    ["a text", "Hello.", ["Hello."]],
    ["texts", ["a", "bc", "\u{1F642}"], ["a", "bc", "\u{1F642}"]],
    ["the tokens of one input", [1, 2, 300], [[1, 2, 300]]],
    ["the tokens of several", [[1], [2, 3]], [[1], [2, 3]]],
  ])("are a vector for each input of %s, in their order", async (_what, input, inputs) => {
    const { body, headers } = await door.embed(target, { model: "vec-openai", input });
    expect(body).toEqual({
      object: "list",
      data: inputs.map((one, index) => ({
        ...{ object: "embedding", index, embedding: playedVector(one) },
      })),
      model: "vec-openai",
      usage: { prompt_tokens: 5, total_tokens: 5 },
    });
    expect(headers).toMatchObject({
      "x-optamil-model": "vec-openai",
      "x-optamil-tier": "budget",
      "x-optamil-provider": "lab",
      "x-optamil-credits": "1",
      "x-ratelimit-window": "requests-minute",
    });
    expect(lastSent()).toEqual({ model: "vec-openai", input });
  });

  it("are written in base64 where that is asked for, and as long as is asked for", async () => {
    const asked = { input: "Hello.", encoding_format: "base64", dimensions: 3 };
    for (const model of ["vec-openai", "vec-gemini"]) {
      const { body } = await door.embed(target, { model, ...asked });
      expect(body.data[0]?.embedding).toBe(toBase64(playedVector("Hello.", 3)));
    }
    const plain = await door.embed(target, { model: "vec-plain", ...asked, user: "u" });
    expect(plain.body.data[0]?.embedding).toBe(toBase64(playedVector("Hello.", 3)));
    expect(plain.headers["x-optamil-dropped-params"]).toBe("user");
    expect(lastSent()).toEqual({ model: "vec-plain", input: "Hello.", dimensions: 3 });
  });

  it("come from another deployment of the model where one fails", async () => {
    const model = twice[doors.indexOf(door)];
    const { body, headers } = await door.embed(target, { model, input: "Hello." });
    expect(body.data).toHaveLength(1);
    expect(calls.get(headers["x-request-id"] ?? "")).toBe(2);
  });

  it("are estimated in tokens where the provider counts none", async () => {
    const { body } = await door.embed(target, { model: "vec-gemini", input: ["12345678", "1"] });
    expect(body.usage).toEqual({ prompt_tokens: 3, total_tokens: 3 });
  });

  it("are made once for an Idempotency-Key, whatever door repeats it", async () => {
    const key = { "idempotency-key": `key of ${door.name}` };
    const once = { url: gateway.url, headers: { ...headers, ...key } };
    const request = { model: "vec-openai", input: `once by ${door.name}` };
    const before = await usedCredits();
    const first = await door.embed(once, request);
    for (const other of doors) {
      const again = await other.embed(once, request);
      expect(again.body).toEqual(first.body);
      expect(again.headers["x-optamil-idempotent-replay"]).toBe("true");
    }
    expect(await usedCredits()).toBe(before + 1);
    const chat = { model: "gpt-4.1", messages: [{ role: "user", content: "Hello." }] };
    for (const call of [
      () => door.embed(once, { ...request, user: "u" }),
      () => door.chat(once, chat),
    ]) {
      expect((await refusalOf(call())).message).toContain("was used for another request");
    }
  });

  it.each<[string, object, Row, string | null, string]>([
    ["auto", { model: "auto" }, rows.invalid, "model", "name an embedding model"],
    ["a chat model", { model: "gpt-4.1" }, rows.invalid, "model", "POST /v1/chat/completions"],
    ["no model that exists", { model: "vec" }, rows.noModel, "model", "those with 'dimensions'"],
    ["an unserved model", { model: "vec-nowhere" }, rows.notConfigured, "model", "not configured"],
    ["no input", { input: [] }, rows.invalid, "input", "at least 1"],
    ["an empty input", { input: ["a", ""] }, rows.invalid, "input[1]", "at least 1"],
    ["mixed inputs", { input: ["a", 1] }, rows.invalid, "input[1]", "not of several kinds"],
    [
      "too many inputs",
      { model: "vec-plain", input: ["a", "b", "c"] },
      rows.invalid,
      "input",
      "at most 2 inputs in one request, and this has 3",
    ],
    [
      "more inputs than any model takes",
      { input: new Array(2_049).fill("a") },
      rows.invalid,
      "input",
      "at most 2048 inputs",
    ],
    [
      "more tokens than the model reads",
      { model: "vec-fixed", input: [[1, 2, 3, 4]] },
      rows.tooLong,
      "input",
      "Input 0 has 4 tokens",
    ],
    ["longer vectors than there are", { dimensions: 5 }, rows.invalid, "dimensions", "at most 4"],
    [
      "another length of a model that has one",
      { model: "vec-fixed", dimensions: 2 },
      rows.invalid,
      "dimensions",
      "vectors of 4 numbers",
    ],
    ["another form", { encoding_format: "int8" }, rows.invalid, "encoding_format", "float"],
    [
      "tokens of a provider that takes texts",
      { model: "vec-gemini", input: [1, 2] },
      rows.invalid,
      "input",
      "takes texts",
    ],
  ])("of %s are refused, and nothing is charged", async (_what, change, row, param, words) => {
    const before = await usedCredits();
    const refusal = await refusalOf(
      door.embed(target, { model: "vec-openai", input: "Hello.", ...change }),
    );
    expect(refusal).toMatchObject({ ...fromRow(row, door.kind), param });
    expect(refusal.message).toContain(words);
    expect(await usedCredits()).toBe(before);
  });

  it("are for keys that may chat, and may use the model and its tier", async () => {
    const request = { model: "vec-gemini", input: "Hello." };
    for (const [limits, isServed] of [
      [{ models: ["vec-gemini"] }, true],
      [{ models: ["auto"] }, false],
      [{ tiers: ["budget"] }, false],
      [{ scopes: ["models"] }, false],
    ] as const) {
      const call = door.embed({ url: gateway.url, headers: await createKey(limits) }, request);
      if (isServed) expect((await call).body.data).toHaveLength(1);
      else expect(await refusalOf(call)).toMatchObject(fromRow(rows.forbidden, door.kind));
    }
  });

  it("are held against the credits and the tokens of the account", async () => {
    const tiny = await openTinyAccount();
    const request = { model: "vec-openai", input: "Hello." };
    const large = { ...request, input: "word ".repeat(1_000) };
    const tooLarge = await refusalOf(door.embed(tiny, large));
    expect(tooLarge).toMatchObject(fromRow(rows.tooLong, door.kind));
    await Promise.all([door.embed(tiny, request), door.embed(tiny, request)]);
    const spent = await refusalOf(door.embed(tiny, request));
    expect(spent).toMatchObject(fromRow(rows.noCredits, door.kind));
  });

  it("are refused where a key wants every parameter to be taken", async () => {
    const strict = await createKey({ parameter_policy: "reject" });
    const request = { model: "vec-plain", input: "Hello.", encoding_format: "base64" };
    const target = { url: gateway.url, headers: strict };
    expect((await door.embed(target, request)).body.data).toHaveLength(1);
    const refusal = await refusalOf(door.embed(target, { ...request, user: "u" }));
    expect(refusal).toMatchObject({ ...fromRow(rows.invalid, door.kind), param: "user" });
  });

  it("have models in the list, which do not chat", async () => {
    const { body } = await door.getModel(target, "text-embedding-3-small");
    expect(body).toMatchObject({ owned_by: "openai", tier: "budget", dimensions: 1536 });
    const list = await door.listModels(target);
    expect(list.body.data.find(({ id }) => id === "vec-openai")).toMatchObject({ dimensions: 4 });
    const messages = [{ role: "user", content: "Hello." }];
    const refusal = await refusalOf(door.chat(target, { model: "vec-openai", messages }));
    expect(refusal).toMatchObject({ ...fromRow(rows.invalid, door.kind), param: "model" });
    expect(refusal.message).toContain("POST /v1/embeddings");
  });

  it("by the demo provider are the same for the same text, and near for texts with the same words", async () => {
    const input = ["The cat sleeps.", "the cat sleeps!", "Stocks fell sharply today."];
    const { body } = await door.embed(target, { model: "text-embedding-3-small", input });
    const vectors = body.data.map(({ embedding }) => embedding);
    const near = (one: number[] = [], other: number[] = []) =>
      one.reduce((sum, number, at) => sum + number * (other[at] ?? 0), 0);
    expect(vectors.map((vector) => vector.length)).toEqual([1536, 1536, 1536]);
    expect(near(vectors[0], vectors[0])).toBeCloseTo(1, 6);
    expect(near(vectors[0], vectors[1])).toBeGreaterThan(0.7);
    expect(Math.abs(near(vectors[0], vectors[2]))).toBeLessThan(0.3);
    const again = await door.embed(target, { model: "text-embedding-3-small", input });
    expect(again.body).toEqual(body);
  });
});

it("nobody waits for cost nothing, and close their upstream", async () => {
  const before = await usedCredits();
  const leaving = new AbortController();
  const asked = fetch(`${gateway.baseUrl}/embeddings`, {
    method: "POST",
    headers: { ...headers, "content-type": "application/json" },
    body: JSON.stringify({ model: "vec-silent", input: "Hello." }),
    signal: leaving.signal,
  });
  const isSilent = ({ text }: { text: string }) => text.includes("vec-silent");
  await expect.poll(() => upstream.requests.some(isSilent), { timeout: 10_000 }).toBe(true);
  leaving.abort();
  await expect(asked).rejects.toThrow();
  await upstream.requests.find(isSilent)?.socketClosed;
  const select =
    "SELECT outcome, operation, toInt64(credits_micro) AS micro FROM usage_events FINAL WHERE requested_model = 'vec-silent'";
  await expect
    .poll(() => askWarehouse(gateway, select), { timeout: 20_000, interval: 500 })
    .toEqual([{ outcome: "client_cancel_before", operation: "embeddings", micro: 0 }]);
  expect(await usedCredits()).toBe(before);
}, 40_000);

it("each admitted request leaves one event, which says that it was for embeddings", async () => {
  const wanted = await usedCredits();
  const findWrong = async () => {
    const rows = await askWarehouse<Record<string, unknown>>(
      gateway,
      `SELECT toInt64(count()) AS events, toInt64(uniqExact(event_id)) AS ids, toInt64(sum(credits_micro) / 1e6) AS credits
       FROM usage_events FINAL WHERE kind = 'request' AND operation = 'embeddings' AND outcome = 'ok'
         AND account_id IN (SELECT account_id FROM usage_events WHERE requested_model = '${twice[0]}')`,
    );
    return rows[0];
  };
  await expect
    .poll(findWrong, { timeout: 20_000, interval: 500 })
    .toEqual({ events: wanted, ids: wanted, credits: wanted });
  const [event] = await askWarehouse<Record<string, unknown>>(
    gateway,
    `SELECT served_model, tier, toInt64(prompt_tokens) AS prompt, toInt64(completion_tokens) AS completion, tokens_estimated,
       baseline_model, toInt64(baseline_cost_nanousd) AS baseline, toInt64(length(attempts)) AS failed, attempts[1].error_class AS error
     FROM usage_events FINAL WHERE requested_model = '${twice[0]}' LIMIT 1`,
  );
  expect(event).toEqual({
    ...{ served_model: twice[0], tier: "budget", prompt: 5, completion: 0 },
    ...{ tokens_estimated: false, baseline_model: "", baseline: 0 },
    ...{ failed: 1, error: "http_5xx" },
  });
}, 30_000);
