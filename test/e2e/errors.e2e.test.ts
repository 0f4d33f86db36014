import { ConnectError } from "@connectrpc/connect";
import { afterAll, describe, expect, it } from "vitest";
import { openUpstream } from "../fakes/openai-upstream.ts";
import { bearer, type ChatRequest, doors, type HeaderMap, type Target } from "./doors.ts";
import { startGateway } from "./gateway.ts";
import { callGrpc, chatMessage, frame } from "./raw-grpc.ts";
import { fromRow, readRefusal, refusalOf, rows } from "./refusals.ts";
import { type RestRequest, sendHttp1, sendHttp2 } from "./rest-client.ts";

const dead = await openUpstream();
await dead.close();
const silent = await openUpstream(() => {});
afterAll(silent.close);
const bodyBytesMax = 4096;
const gateway = await startGateway({
  config: {
    limits: { bodyBytesMax },
    providers: [
      { name: "demo", kind: "demo", models: ["gpt-4.1-mini"] },
      { name: "lab", kind: "openai", baseUrl: dead.baseUrl, models: ["gpt-4.1"] },
      { name: "silent", kind: "openai", baseUrl: silent.baseUrl, models: ["gpt-4o"] },
    ],
  },
});
const admin = bearer(gateway.key);
const [listOnly, chatOnly, oneModel, revoked] = await Promise.all([
  createKey({ scopes: ["models"] }),
  createKey({ scopes: ["chat"] }),
  createKey({ models: ["gpt-4.1-mini"] }),
  createKey({}),
]);
await sendHttp1(gateway.url, {
  path: `/v1/keys/${revoked.id}`,
  method: "DELETE",
  headers: admin,
});

async function createKey(may: { scopes?: string[]; models?: string[] }) {
  const body = { name: "test", ...may };
  const reply = await sendHttp1(gateway.url, { path: "/v1/keys", headers: admin, body });
  const { key, info } = JSON.parse(reply.text);
  return { id: String(info.id), headers: bearer(key) };
}

const chat = { model: "gpt-4.1-mini", messages: [{ role: "user", content: "Say hello." }] };
const text = (content: string) => [{ role: "user", content }];
const schemaless = { type: "json_schema" };

interface Case {
  name: string;
  row: keyof typeof rows;
  /** Members that differ from a good request's. */
  change?: ChatRequest;
  /** Default: those of a key that may do everything. */
  headers?: HeaderMap;
  /** Default: none. */
  param?: string;
  message: RegExp;
}

const cases: Case[] = [
  {
    name: "a temperature above 2",
    row: "invalid",
    change: { temperature: 2.1 },
    param: "temperature",
    message: /'temperature'/,
  },
  {
    name: "a temperature below 0",
    row: "invalid",
    change: { temperature: -0.1 },
    param: "temperature",
    message: /'temperature'/,
  },
  {
    name: "a top_p above 1",
    row: "invalid",
    change: { top_p: 1.01 },
    param: "top_p",
    message: /'top_p'/,
  },
  {
    name: "a presence_penalty below -2",
    row: "invalid",
    change: { presence_penalty: -2.5 },
    param: "presence_penalty",
    message: /'presence_penalty'/,
  },
  {
    name: "a bias above 100",
    row: "invalid",
    change: { logit_bias: { "50256": 101 } },
    param: "logit_bias.50256",
    message: /'logit_bias\.50256'/,
  },
  {
    name: "no choices",
    row: "invalid",
    change: { n: 0 },
    param: "n",
    message: /'n'/,
  },
  {
    name: "more than 20 top_logprobs",
    row: "invalid",
    change: { top_logprobs: 21 },
    param: "top_logprobs",
    message: /'top_logprobs'/,
  },
  {
    name: "max_tokens of 0",
    row: "invalid",
    change: { max_tokens: 0 },
    param: "max_tokens",
    message: /'max_tokens'/,
  },
  {
    name: "max_tokens beside max_completion_tokens",
    row: "invalid",
    change: { max_tokens: 5, max_completion_tokens: 5 },
    message: /max_tokens or max_completion_tokens, not both/,
  },
  {
    name: "more than four stop sequences",
    row: "invalid",
    change: { stop: ["a", "b", "c", "d", "e"] },
    param: "stop",
    message: /'stop'/,
  },
  {
    name: "an unknown role",
    row: "invalid",
    change: { messages: [...text("Hello."), { role: "robot", content: "Beep." }] },
    param: "messages[1].role",
    message: /'messages\[1\]\.role'/,
  },
  {
    name: "no messages",
    row: "invalid",
    change: { messages: [] },
    param: "messages",
    message: /'messages'/,
  },
  {
    name: "an empty model",
    row: "invalid",
    change: { model: "" },
    param: "model",
    message: /'model'/,
  },
  {
    name: "an unknown response format",
    row: "invalid",
    change: { response_format: { type: "yaml" } },
    param: "response_format.type",
    message: /'response_format\.type'/,
  },
  {
    name: "a json_schema format without a schema",
    row: "invalid",
    change: { response_format: schemaless },
    param: "response_format",
    message: /'response_format': json_schema is required/,
  },
  {
    name: "an unknown tool choice",
    row: "invalid",
    change: { tool_choice: "sometimes" },
    param: "tool_choice",
    message: /'tool_choice'/,
  },
  {
    name: "a tool without its function",
    row: "invalid",
    change: { tools: [{ type: "function" }] },
    param: "tools[0]",
    message: /'tools\[0\]': function is required/,
  },
  {
    name: "a tool whose name is none",
    row: "invalid",
    change: { tools: [{ type: "function", function: { name: "not a name" } }] },
    param: "tools[0].function.name",
    message: /'tools\[0\]\.function\.name'/,
  },
  {
    name: "more than 16 pairs of metadata",
    row: "invalid",
    change: {
      metadata: Object.fromEntries(Array.from({ length: 17 }, (_, at) => [`key${at}`, "value"])),
    },
    param: "metadata",
    message: /'metadata'/,
  },
  {
    name: "an answer longer than any window",
    row: "tooLong",
    change: { model: "auto", max_tokens: 4_000_000_000 },
    param: "messages",
    message: /about 4000000\d{3} tokens.+ largest context is \d+ tokens/,
  },
  { name: "no key", row: "unauthenticated", headers: {}, message: /Invalid or missing API key/ },
  {
    name: "a key that is none",
    row: "unauthenticated",
    headers: bearer("sk-optamil-none"),
    message: /Invalid or missing API key/,
  },
  {
    name: "a key with one character changed",
    row: "unauthenticated",
    headers: bearer(`${gateway.key.slice(0, -9)}${gateway.key.at(-9) === "A" ? "B" : "A"}AAAAAAAA`),
    message: /Invalid or missing API key/,
  },
  {
    name: "a revoked key",
    row: "unauthenticated",
    headers: revoked.headers,
    message: /Invalid or missing API key/,
  },
  {
    name: "a different key in each header",
    row: "unauthenticated",
    headers: { ...admin, "x-api-key": "sk-optamil-other" },
    message: /Invalid or missing API key/,
  },
  {
    name: "another scheme than Bearer",
    row: "unauthenticated",
    headers: { authorization: "Basic c2s6c2s=" },
    message: /Invalid or missing API key/,
  },
  {
    name: "a key without the scope",
    row: "forbidden",
    headers: listOnly.headers,
    message: /scope 'chat'/,
  },
  {
    name: "a model that is not in the key's list",
    row: "forbidden",
    change: { model: "gpt-4.1" },
    headers: oneModel.headers,
    param: "model",
    message: /'gpt-4\.1'/,
  },
  {
    name: "auto for a key whose list lacks it",
    row: "forbidden",
    change: { model: "auto" },
    headers: oneModel.headers,
    param: "model",
    message: /'auto'/,
  },
  {
    name: "an unknown model",
    row: "noModel",
    change: { model: "gpt-99" },
    param: "model",
    message: /'gpt-99' does not exist/,
  },
  {
    name: "a model without a provider",
    row: "notConfigured",
    change: { model: "claude-sonnet-4" },
    param: "model",
    message: /'claude-sonnet-4' is not configured/,
  },
  {
    name: "a model whose provider is down",
    row: "down",
    change: { model: "gpt-4.1" },
    message: /temporarily unavailable/,
  },
];

/** What differs between two refusals of the same kind: the request's id, and how long the wait still is. */
const withoutId = ({ headers, ...refusal }: Awaited<ReturnType<typeof refusalOf>>) => ({
  ...refusal,
  headers: { retry: headers["x-should-retry"], after: "retry-after" in headers },
});

describe.each(doors)("$name refuses", (door) => {
  it.each(cases)(
    "$name, unary and streamed alike",
    async ({ row, change, headers = admin, param = null, message }) => {
      const target: Target = { url: gateway.url, headers };
      const request = { ...chat, ...change };
      const refusal = await refusalOf(door.chat(target, request));
      expect(refusal).toMatchObject({ ...fromRow(rows[row], door.kind), param });
      expect(refusal.message).toMatch(message);
      const streamed = await refusalOf(door.stream(target, request));
      expect(withoutId(streamed)).toEqual(withoutId(refusal));
    },
  );

  it("a body above the limit, naming it", async () => {
    const target: Target = { url: gateway.url, headers: admin };
    const request = { ...chat, messages: text("x".repeat(bodyBytesMax)) };
    for (const ask of [door.chat, door.stream]) {
      const thrown: unknown = await ask(target, request).catch((error: unknown) => error);
      // Over RPC the protocol refuses it before there is a message, with its own code and no details.
      if (thrown instanceof ConnectError) expect(thrown.code).toBe(rows.tooLarge[2]);
      else
        expect(await refusalOf(Promise.reject(thrown))).toMatchObject(
          fromRow(rows.tooLarge, "rest"),
        );
      expect(String(thrown)).toContain("4096");
    }
  });

  it("every bad key with one and the same answer", async () => {
    const bad = cases.filter(({ row }) => row === "unauthenticated");
    const refusals = bad.map(({ headers = {} }) =>
      refusalOf(door.chat({ url: gateway.url, headers }, chat)),
    );
    const different = new Set((await Promise.all(refusals)).map(({ message }) => message));
    expect(different.size).toBe(1);
  });

  it("a bad key before a bad request", async () => {
    const target = { url: gateway.url, headers: revoked.headers };
    const refusal = await refusalOf(door.chat(target, { ...chat, temperature: 9 }));
    expect(refusal.type).toBe("authentication_error");
  });

  it("a provider that is down without naming its address, but says when to try again", async () => {
    const call = door.chat({ url: gateway.url, headers: admin }, { ...chat, model: "gpt-4.1" });
    const refusal = await refusalOf(call);
    expect(JSON.stringify(refusal)).not.toMatch(/127\.0\.0\.1|ECONN|node:|\/v1|:\d{4}/);
    expect(refusal.headers["retry-after"]).toMatch(/^[1-9]\d*$/);
  });

  it("a model without a provider, naming the missing setting to admin keys only", async () => {
    const request = { ...chat, model: "claude-sonnet-4" };
    const toAdmin = await refusalOf(door.chat({ url: gateway.url, headers: admin }, request));
    expect(toAdmin.message).toContain("provider 'anthropic'");
    const { headers } = chatOnly;
    const toOthers = await refusalOf(door.chat({ url: gateway.url, headers }, request));
    expect(toOthers.message).not.toContain("anthropic");
  });

  it("an unknown model of the list", async () => {
    const refusal = await refusalOf(door.getModel({ url: gateway.url, headers: admin }, "gpt-99"));
    expect(refusal).toMatchObject({ ...fromRow(rows.noModel, door.kind), param: "model" });
  });

  it("the list to a key without its scope", async () => {
    const refusal = await refusalOf(
      door.listModels({ url: gateway.url, headers: chatOnly.headers }),
    );
    expect(refusal).toMatchObject({ ...fromRow(rows.forbidden, door.kind), param: null });
    expect(refusal.message).toContain("'models'");
  });
});

const path = "/v1/chat/completions";
const json = { "content-type": "application/json" };

interface RestCase {
  name: string;
  row: keyof typeof rows;
  request: RestRequest;
  param?: string;
  message: RegExp;
  /** The methods that `Allow` names. */
  allow?: string;
}

const restCases: RestCase[] = [
  {
    name: "JSON that breaks off",
    row: "invalid",
    request: { path, headers: json, body: '{"model": "auto", "messages": [' },
    message: /not valid JSON/,
  },
  {
    name: "an empty body",
    row: "invalid",
    request: { path, headers: json, body: "" },
    message: /empty/,
  },
  {
    name: "JSON that is no object",
    row: "invalid",
    request: { path, body: [chat] },
    message: /must be a JSON object/,
  },
  {
    name: "a request without a model",
    row: "invalid",
    request: { path, body: { messages: chat.messages } },
    param: "model",
    message: /'model': missing/,
  },
  {
    name: "a request without messages",
    row: "invalid",
    request: { path, body: { model: "auto" } },
    param: "messages",
    message: /'messages': missing/,
  },
  {
    name: "a number that is text",
    row: "invalid",
    request: { path, body: { ...chat, temperature: "hot" } },
    param: "temperature",
    message: /'temperature': expected a number/,
  },
  {
    name: "a content that is a number",
    row: "invalid",
    request: { path, body: { ...chat, messages: [{ role: "user", content: 5 }] } },
    param: "messages[0].content",
    message: /'messages\[0\]\.content': expected a string or an array, got a number/,
  },
  {
    name: "a path that is nowhere",
    row: "noPath",
    request: { path: "/v1/nowhere" },
    message: /\/v1\/nowhere/,
  },
  {
    name: "a path of another version",
    row: "noPath",
    request: { path: "/v2/chat/completions", body: chat },
    message: /\/v2\/chat\/completions/,
  },
  {
    name: "an RPC method that is none",
    row: "noPath",
    request: { path: "/optamil.v1.ChatService/Sing", body: {} },
    message: /Sing/,
  },
  {
    name: "an RPC service that is none",
    row: "noPath",
    request: { path: "/optamil.v1.SongService/Sing", body: {} },
    message: /Sing/,
  },
  {
    name: "GET where there is only POST",
    row: "method",
    request: { path },
    allow: "POST",
    message: /GET/,
  },
  {
    name: "POST where there is only GET",
    row: "method",
    request: { path: "/v1/models", body: {} },
    allow: "GET, HEAD",
    message: /POST/,
  },
  {
    name: "DELETE of a page",
    row: "method",
    request: { path: "/healthz", method: "DELETE" },
    allow: "GET, HEAD",
    message: /DELETE/,
  },
  {
    name: "GET of an RPC with side effects",
    row: "method",
    request: { path: "/optamil.v1.ChatService/CreateChatCompletion" },
    allow: "POST",
    message: /GET/,
  },
  {
    name: "a body that is text",
    row: "mediaType",
    request: { path, headers: { "content-type": "text/plain" }, body: "Say hello." },
    message: /application\/json/,
  },
  {
    name: "a form",
    row: "mediaType",
    request: {
      path,
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: "model=auto",
    },
    message: /application\/json/,
  },
  {
    name: "a body without a content type",
    row: "mediaType",
    request: { path, body: JSON.stringify(chat) },
    message: /application\/json/,
  },
  {
    name: "an RPC whose body is text",
    row: "mediaType",
    request: {
      path: "/optamil.v1.ChatService/CreateChatCompletion",
      headers: { "content-type": "text/plain" },
      body: "Say hello.",
    },
    message: /text\/plain/,
  },
  {
    name: "a body that says it is compressed",
    row: "mediaType",
    request: { path, headers: { "content-encoding": "gzip" }, body: chat },
    message: /gzip/,
  },
];

describe.each(doors)("$name", (door) => {
  it("gives answers that are larger than a request may be", async () => {
    const { body } = await door.listModels({ url: gateway.url, headers: admin });
    expect(JSON.stringify(body).length).toBeGreaterThan(bodyBytesMax);
  });
});

describe.each([
  ["HTTP/1.1", sendHttp1],
  ["HTTP/2", sendHttp2],
])("REST over %s refuses", (_name, send) => {
  it.each(restCases)("$name", async ({ row, request, param = null, message, allow }) => {
    const headers = { ...admin, ...request.headers };
    const refusal = readRefusal(await send(gateway.url, { ...request, headers }));
    expect(refusal).toMatchObject({ ...fromRow(rows[row], "rest"), param });
    expect(refusal.message).toMatch(message);
    expect(refusal.headers["allow"]).toBe(allow);
  });

  it("HEAD like GET, without the body", async () => {
    const reply = await send(gateway.url, { path: "/v1/nowhere", method: "HEAD", headers: admin });
    expect(reply).toMatchObject({ status: 404, text: "" });
    expect(reply.headers["x-request-id"]).toBeDefined();
  });
});

describe("a client's own deadline", () => {
  const request = { ...chat, model: "gpt-4o" };

  it("ends a gRPC call with deadline_exceeded when the provider is silent", async () => {
    const error = await callGrpc(
      gateway.url,
      "/optamil.v1.ChatService/StreamChatCompletion",
      frame(chatMessage(request)),
      { ...admin, "grpc-timeout": "100m" },
    );
    const refusal = await refusalOf(Promise.reject(error));
    expect(refusal).toMatchObject(fromRow(rows.deadline, "rpc"));
  });

  it.each(["x-stainless-timeout", "x-stainless-read-timeout"])(
    "ends a REST call with 408 when its SDK says it in %s, and its upstream with it",
    async (name) => {
      const before = silent.requests.length;
      const reply = await sendHttp1(gateway.url, {
        ...{ path: "/v1/chat/completions", body: request },
        // Long enough for the provider to have been asked.
        headers: { ...admin, [name]: "0.5" },
      });
      expect(readRefusal(reply)).toMatchObject(fromRow(rows.deadline, "rest"));
      await silent.requests[before]?.socketClosed;
      expect(silent.requests.length).toBe(before + 1);
    },
  );

  it("ends a Connect call with deadline_exceeded when the provider is silent", async () => {
    const reply = await sendHttp1(gateway.url, {
      path: "/optamil.v1.ChatService/CreateChatCompletion",
      headers: { ...admin, "content-type": "application/proto", "connect-timeout-ms": "100" },
      body: chatMessage(request),
    });
    expect(JSON.parse(reply.text)).toMatchObject({ code: "deadline_exceeded" });
    expect(reply.headers).toMatchObject({ "x-should-retry": "true" });
  });
});
