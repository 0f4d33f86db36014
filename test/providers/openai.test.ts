import { describe, expect, it } from "vitest";
import { parseJsonBody } from "../../src/platform/json-body.ts";
import { completion, playJson, playText } from "../fakes/openai-upstream.ts";
import { collect, modelName, question, toCall, toMessage } from "./calls.ts";
import { apiKey, useOpenAi } from "./openai-fixture.ts";

const fake = useOpenAi();

describe("the request that goes up", () => {
  it("is the client's bytes with only the model spliced in", async () => {
    const text =
      '{ "model" : "auto",\n "messages":[{"role":"user","content":"h\u00e9"}], "top_p":1.0, "x":{"a":[1e2]} }';
    const bytes = Buffer.from(text);
    const call = toCall("json", JSON.parse(text), { body: parseJsonBody(bytes) });
    await fake.open().complete(call);
    expect(fake.upstream.requests[0]?.text).toBe(text.replace('"auto"', '"upstream-large"'));
  });

  it("is the client's bytes untouched when the model has the same name", async () => {
    const call = toCall("json", { temperature: 0.5 }, { upstreamModel: modelName });
    await fake.open().complete(call);
    expect(fake.upstream.requests[0]?.text).toBe(JSON.stringify({ ...question, temperature: 0.5 }));
  });

  it.each(["json", "messages"] as const)(
    "asks for usage when it streams, with form %s",
    async (form) => {
      const options = { include_usage: false, include_obfuscation: true };
      await collect(fake.open(), toCall(form, { stream: true, stream_options: options }));
      await collect(fake.open(), toCall(form, { stream: true }));
      const sent = fake.upstream.requests.map(({ text }) => JSON.parse(text));
      expect(sent).toMatchObject([
        { stream: true, stream_options: { include_usage: true, include_obfuscation: true } },
        { stream: true, stream_options: { include_usage: true } },
      ]);
    },
  );

  it.each(["json", "messages"] as const)(
    "leaves out what is the gateway's alone and keeps what nobody knows, with form %s",
    async (form) => {
      await fake
        .open()
        .complete(toCall(form, { optamil: { quality: 0.9 }, top_k: 5, stream: true }));
      const sent = JSON.parse(fake.upstream.requests[0]?.text ?? "");
      expect(sent).toEqual({ ...question, model: "upstream-large", top_k: 5 });
    },
  );

  it("carries our key and the request's id, and no header of the client", async () => {
    await fake.open().complete(toCall("json"));
    await collect(fake.open({ apiKey: undefined }), toCall("json", { stream: true }));
    const [first, second] = fake.upstream.requests;
    expect(first).toMatchObject({ method: "POST", url: "/v1/chat/completions" });
    expect(first?.headers).toEqual({
      host: new URL(fake.upstream.baseUrl).host,
      connection: "keep-alive",
      "content-type": "application/json",
      "content-length": String(first?.text.length),
      "user-agent": "optamil/1.2.3",
      authorization: `Bearer ${apiKey}`,
      accept: "application/json",
      "x-request-id": "req-1",
    });
    expect(second?.headers).toMatchObject({ accept: "text/event-stream" });
    expect(second?.headers.authorization).toBeUndefined();
  });

  it("keeps the path and the query of the base URL", async () => {
    const baseUrl = fake.upstream.baseUrl.replace("/v1", "/openai/v2/?api-version=3");
    await fake.open({ baseUrl }).complete(toCall("json"));
    expect(fake.upstream.requests[0]?.url).toBe("/openai/v2/chat/completions?api-version=3");
  });
});

describe("a complete answer", () => {
  it("is the upstream's bytes with only the model spliced in", async () => {
    const text = JSON.stringify(completion("Hi", { odd: 1 }), undefined, 1);
    fake.upstream.play = playText(200, "application/json", text);
    const outcome = await fake.open().complete(toCall("json"));
    const expected = text.replace('"upstream-large-2026-01-01"', `"${modelName}"`);
    expect(outcome).toMatchObject({ ok: true, usage: { totalTokens: 10 } });
    if (!outcome.ok || outcome.body.form !== "json") throw new Error("no bytes");
    expect(Buffer.from(outcome.body.bytes).toString()).toBe(expected);
  });

  it.each([
    ["normalised", "json"],
    ["verbatim", "messages"],
  ] as const)("is mended to OpenAI's shape when %s, with form %s", async (relay, form) => {
    const choices = [
      {
        message: { content: [{ type: "text", text: "Hi" }], tool_calls: null },
        finish_reason: "EOS",
      },
    ];
    fake.upstream.play = playJson(200, { choices, usage: null });
    const message = toMessage(await fake.open({ relay }).complete(toCall(form)));
    expect(message).toMatchObject({
      id: "chatcmpl-req-1",
      object: "chat.completion",
      model: modelName,
    });
    expect(message.choices).toMatchObject([
      { index: 0, finishReason: "stop", message: { role: "assistant", content: "Hi" } },
    ]);
  });
});

describe("a refusal by status", () => {
  const error = { message: "It broke.", type: "some_error", param: null, code: null };
  it.each([
    [301, "http_3xx"],
    [401, "http_401"],
    [402, "http_402"],
    [403, "http_403"],
    [408, "http_408"],
    [409, "http_409"],
    [429, "http_429"],
    [500, "http_5xx"],
    [503, "http_5xx"],
    [529, "http_5xx"],
  ])(
    "%i lets another deployment try and shows nothing of the upstream",
    async (status, errorClass) => {
      fake.upstream.play = playJson(status, { error });
      const expected = { ok: false, status, errorClass, tryNext: true };
      const whole = await fake.open().complete(toCall("json"));
      const { failure } = await collect(fake.open(), toCall("json", { stream: true }));
      expect([whole, failure]).toMatchObject([expected, expected]);
      expect(failure?.error).toMatchObject({
        code: "service_unavailable",
        message: "The model is temporarily unavailable.",
      });
    },
  );

  it.each([400, 404, 413, 422])("%i is the request's own fault and says why", async (status) => {
    fake.upstream.play = playJson(status, { error: { ...error, param: "messages[0].content" } });
    const outcome = await fake.open().complete(toCall("json"));
    expect(outcome).toMatchObject({ status, errorClass: `http_${status}`, tryNext: false });
    if (outcome.ok) throw new Error("not refused");
    expect(outcome.error).toMatchObject({
      code: "invalid_request",
      message: "It broke.",
      param: "messages[0].content",
    });
  });

  it("says that a context is too long in our own words for it", async () => {
    fake.upstream.play = playJson(400, { error: { ...error, code: "context_length_exceeded" } });
    const outcome = await fake.open().complete(toCall("json"));
    expect(outcome).toMatchObject({ error: { code: "context_length_exceeded" }, tryNext: false });
  });

  it("shows neither our key nor where the provider is, nor anything like a key", async () => {
    const { host } = new URL(fake.upstream.baseUrl);
    const message = `Bad ${apiKey} at ${fake.upstream.baseUrl}/chat on ${host} with sk-proj-AbC_123 and Bearer x.y.z. ${"long ".repeat(200)}`;
    fake.upstream.play = playJson(400, { error: { message, param: `${apiKey}` } });
    const outcome = await fake.open().complete(toCall("json"));
    if (outcome.ok) throw new Error("not refused");
    const shown = `${outcome.error.message} ${outcome.error.param}`;
    for (const secret of [apiKey, host, "AbC_123", "x.y.z"]) expect(shown).not.toContain(secret);
    expect(outcome.error.message).toMatch(/^Bad \[key\] at \[provider\]/);
    expect(outcome.error.message).toHaveLength(500);
    expect(String(outcome.error.cause)).not.toContain(apiKey);
  });

  it("shows nothing of a page or an odd body", async () => {
    for (const body of [
      "<html>proxy 10.0.0.1</html>",
      '{"error":"text"}',
      '{"error":{"message":{}}}',
      "",
    ]) {
      fake.upstream.play = playText(400, "text/html", body);
      const outcome = await fake.open().complete(toCall("json"));
      expect(outcome).toMatchObject({
        error: { message: "The provider of the model refused the request." },
      });
    }
  });

  it.each([
    [{ "retry-after": "2" }, 2000],
    [{ "retry-after": "0.5" }, 500],
    [{ "retry-after-ms": "1500", "retry-after": "9" }, 1500],
    [{ "retry-after": "Tue, 14 Nov 2023 22:13:30 GMT" }, 10_000],
    [{ "retry-after": "999999999" }, 86_400_000],
    [{ "retry-after": "soon" }, 1000],
    [{}, 1000],
  ])("with the headers %j asks for a wait of %s ms", async (headers, retryAfterMs) => {
    fake.upstream.play = playJson(429, { error }, headers);
    const clock = { wallMs: () => 1_700_000_000_000, monotonicMs: () => 0 };
    const outcome = await fake.open({ clock }).complete(toCall("json"));
    if (outcome.ok) throw new Error("not refused");
    expect(outcome.error.retryAfterMs).toBe(retryAfterMs);
  });
});

describe("an answer with status 200 that is none", () => {
  it.each([
    ["an error", JSON.stringify({ error: { message: "Overloaded" } }), "upstream_error"],
    ["an error with a status", JSON.stringify({ error: { message: "x", code: 429 } }), "http_429"],
    ["a page", "<html></html>", "protocol"],
    ["half of one", JSON.stringify(completion("Hi")).slice(0, 50), "protocol"],
    ["one without choices", JSON.stringify({ choices: [] }), "protocol"],
    ["a list", "[]", "protocol"],
    ["nothing", "", "protocol"],
    [
      "one that broke off",
      JSON.stringify({ choices: [{ finish_reason: "error" }] }),
      "upstream_error",
    ],
  ])("fails when it is %s", async (_, body, errorClass) => {
    fake.upstream.play = playText(200, "application/json", body);
    const outcome = await fake.open().complete(toCall("json"));
    expect(outcome).toMatchObject({ ok: false, errorClass, tryNext: true });
  });

  it("fails when it is compressed, which we did not ask for", async () => {
    fake.upstream.play = playJson(200, completion("Hi"), { "content-encoding": "br" });
    expect(await fake.open().complete(toCall("json"))).toMatchObject({ errorClass: "protocol" });
  });

  it("fails when it is larger than 32 MiB", async () => {
    fake.upstream.play = playText(200, "application/json", " ".repeat(33 * 1024 * 1024));
    expect(await fake.open().complete(toCall("json"))).toMatchObject({ errorClass: "protocol" });
  });
});
