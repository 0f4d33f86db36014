import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, describe, expect, it } from "vitest";
import { MessageService } from "../../src/gen/optamil/v1/messages_pb.ts";
import {
  message,
  messageEnd,
  messageStart,
  named,
  playAnthropic,
  textBlock,
} from "../fakes/anthropic-upstream.ts";
import { playClients } from "../fakes/client-upstream.ts";
import { playGemini, response } from "../fakes/gemini-upstream.ts";
import {
  chunk,
  completion,
  event,
  openUpstream,
  type Play,
  playJson,
  playStream,
  usageChunk,
} from "../fakes/openai-upstream.ts";
import { bearer } from "./doors.ts";
import { startGateway } from "./gateway.ts";
import { fromRow, readRefusal, refusalOf, rows } from "./refusals.ts";
import { sendHttp1 } from "./rest-client.ts";

const openai = await openUpstream(playClients);
const anthropic = await openUpstream(playAnthropic);
const gemini = await openUpstream(playGemini);
afterAll(async () => {
  await openai.close();
  await gemini.close();
  await anthropic.close();
});
const gateway = await startGateway({
  config: {
    models: [
      ...["lab", "claude", "gemini"].map((name) => ({ name, tier: "free" })),
      { name: "plain", tier: "free", unsupportedParameters: ["reasoning_effort"] },
    ],
    providers: [
      { name: "lab", kind: "openai", baseUrl: openai.baseUrl, models: ["lab", "plain"] },
      { name: "claude", kind: "anthropic", baseUrl: anthropic.baseUrl, models: ["claude"] },
      { name: "gemini", kind: "gemini", baseUrl: gemini.baseUrl, models: ["gemini"] },
      { name: "demo", kind: "demo", models: ["claude-sonnet-4"] },
    ],
  },
});
const headers = { "x-api-key": gateway.key, "anthropic-version": "2023-06-01" };
const hello = { role: "user", content: "Say hello." };
const path = "/v1/messages";

const send = (body: object, more: Record<string, string> = {}) =>
  sendHttp1(gateway.url, { path, headers: { ...headers, ...more }, body });

const ask = (body: object) => send({ max_tokens: 100, messages: [hello], ...body });

/** What the upstream is sent for a request. */
async function sent(upstream: typeof openai, body: object) {
  const reply = await ask(body);
  expect(reply.status, reply.text).toBe(200);
  return JSON.parse(upstream.requests.at(-1)?.text ?? "");
}

async function streamOf(play: Play, body: object = {}): Promise<string> {
  openai.play = play;
  try {
    const reply = await ask({ model: "lab", stream: true, ...body });
    expect(reply.headers["content-type"]).toBe("text/event-stream; charset=utf-8");
    return reply.text;
  } finally {
    openai.play = playClients;
  }
}

const usage = (input: number, output: number) => ({
  ...{ input_tokens: input, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 },
  output_tokens: output,
});

const start = (id = "msg_upstream", model = "lab") =>
  named({
    type: "message_start",
    message: {
      ...{ id, type: "message", role: "assistant", model, content: [] },
      ...{ stop_reason: null, stop_sequence: null, usage: usage(0, 0) },
    },
  });
const begin = (index: number, content_block: object) =>
  named({ type: "content_block_start", index, content_block });
const delta = (index: number, inner: object) =>
  named({ type: "content_block_delta", index, delta: inner });
const stop = (index: number) => named({ type: "content_block_stop", index });
const end = (stop_reason: string, counts: object = usage(7, 3)) =>
  named({ type: "message_delta", delta: { stop_reason, stop_sequence: null }, usage: counts }) +
  named({ type: "message_stop" });

describe("a message", () => {
  it("is the answer of any provider, with the gateway's own headers", async () => {
    const reply = await ask({ model: "lab" });
    expect(JSON.parse(reply.text)).toEqual({
      id: "msg_upstream",
      type: "message",
      role: "assistant",
      model: "lab",
      content: [{ type: "text", text: "Hello from the lab \u{1F642}!" }],
      stop_reason: "end_turn",
      stop_sequence: null,
      usage: usage(7, 3),
    });
    expect(reply.headers).toMatchObject({
      "x-optamil-model": "lab",
      "x-optamil-credits": "1",
      "request-id": reply.headers["x-request-id"],
    });
  });

  it("has its tool calls as blocks", async () => {
    const tools = [{ name: "get_weather", input_schema: { type: "object" } }];
    const { content, stop_reason } = JSON.parse((await ask({ model: "lab", tools })).text);
    const call = (city: string) => ({
      ...{ type: "tool_use", id: `call_${city}`, name: "get_weather", input: { city } },
    });
    expect(content).toEqual([call("Paris"), call("Rome")]);
    expect(stop_reason).toBe("tool_use");
  });

  it("counts what Anthropic's cache held apart from the input", async () => {
    const reply = JSON.parse((await ask({ model: "claude" })).text);
    expect(reply.usage).toEqual({
      ...{ input_tokens: 4, cache_creation_input_tokens: 1, cache_read_input_tokens: 2 },
      output_tokens: 3,
    });
  });

  it("comes for auto from the model that the router picks", async () => {
    const reply = await ask({ model: "auto" });
    expect(reply.status).toBe(200);
    expect(JSON.parse(reply.text).model).toBe(reply.headers["x-optamil-model"]);
    expect(reply.headers["x-optamil-route"]).toMatch(/./);
  });

  it.each([
    ["stop", "end_turn"],
    ["length", "max_tokens"],
    ["tool_calls", "tool_use"],
    ["content_filter", "refusal"],
  ])("that ended by %s says %s", async (finish_reason, wanted) => {
    const inner = { role: "assistant", content: "x", refusal: null };
    const choice = { index: 0, message: inner, logprobs: null, finish_reason };
    openai.play = playJson(200, completion("", { choices: [choice] }));
    expect(JSON.parse((await ask({ model: "lab" })).text).stop_reason).toBe(wanted);
    openai.play = playClients;
  });
});

describe("a request for a message", () => {
  it("reaches an OpenAI-compatible provider as a chat request", async () => {
    const source = { type: "base64", media_type: "image/png", data: "iVBORw0KGgo=" };
    const body = await sent(openai, {
      model: "lab",
      system: [
        { type: "text", text: "Be brief." },
        { type: "text", text: "Be kind." },
      ],
      messages: [
        {
          role: "user",
          content: [
            { type: "image", source },
            { type: "text", text: "What?" },
          ],
        },
        {
          role: "assistant",
          content: [{ type: "tool_use", id: "t1", name: "get", input: { a: 1 } }],
        },
        {
          role: "user",
          content: [
            { type: "tool_result", tool_use_id: "t1", content: "18" },
            { type: "text", text: "And?" },
          ],
        },
      ],
      ...{ temperature: 0.5, top_p: 0.9, stop_sequences: ["END"], metadata: { user_id: "u1" } },
      tools: [{ name: "get", description: "Gets.", input_schema: { type: "object" } }],
      tool_choice: { type: "tool", name: "get", disable_parallel_tool_use: true },
      thinking: { type: "enabled", budget_tokens: 5_000 },
    });
    const called = { name: "get", arguments: '{"a":1}' };
    expect(body).toEqual({
      model: "lab",
      messages: [
        { role: "system", content: "Be brief.\n\nBe kind." },
        {
          role: "user",
          content: [
            { type: "image_url", image_url: { url: "data:image/png;base64,iVBORw0KGgo=" } },
            { type: "text", text: "What?" },
          ],
        },
        {
          role: "assistant",
          tool_calls: [{ id: "t1", type: "function", function: called }],
        },
        { role: "tool", content: "18", tool_call_id: "t1" },
        { role: "user", content: "And?" },
      ],
      ...{ max_completion_tokens: 100, temperature: 0.5, top_p: 0.9, stop: ["END"], user: "u1" },
      tools: [
        {
          type: "function",
          function: { name: "get", description: "Gets.", parameters: { type: "object" } },
        },
      ],
      tool_choice: { type: "function", function: { name: "get" } },
      parallel_tool_calls: false,
      reasoning_effort: "medium",
    });
  });

  it("asks for JSON of a schema", async () => {
    const schema = { type: "object", properties: { age: { type: "integer" } } };
    const output_config = { format: { type: "json_schema", schema }, effort: "max" };
    const reply = await ask({ model: "lab", output_config });
    expect(JSON.parse(reply.text).content).toEqual([
      { type: "text", text: '{"name":"Ada","age":36}' },
    ]);
    expect(JSON.parse(openai.requests.at(-1)?.text ?? "")).toMatchObject({
      response_format: {
        type: "json_schema",
        json_schema: { name: "answer", schema, strict: true },
      },
      reasoning_effort: "high",
    });
  });

  it.each([
    [{ messages: [] }, "messages"],
    [{ max_tokens: undefined }, "max_tokens"],
    [{ max_tokens: 0 }, "max_tokens"],
    [{ temperature: 1.5 }, "temperature"],
    [{ messages: [{ role: "tool", content: "x" }] }, "messages[0].role"],
    [{ messages: [{ role: "user" }] }, "messages[0].content"],
    [{ messages: [{ role: "user", content: [{ type: "video" }] }] }, "messages[0].content[0].type"],
    [{ messages: [{ role: "user", content: [{ type: "text" }] }] }, "messages[0].content[0].text"],
    [
      { messages: [{ role: "user", content: [{ type: "image", source: { type: "url" } }] }] },
      "messages[0].content[0].source.url",
    ],
    [{ system: [{ type: "image" }] }, "system[0].type"],
    [{ tools: [{ type: "web_search_20250305", name: "web_search" }] }, "tools[0].type"],
    [{ thinking: { type: "enabled" } }, "thinking"],
    [{ tool_choice: { type: "tool" } }, "tool_choice"],
    [{ output_config: { effort: "huge" } }, "output_config.effort"],
  ])("that is wrong is refused by the name of the place: %j", async (change, place) => {
    const reply = await ask({ model: "lab", ...change });
    const refusal = readRefusal(reply);
    expect(refusal).toMatchObject(fromRow(rows.invalid, "rest"));
    expect(refusal.message).toContain(`'${place}'`);
  });
});

/** A conversation with what only Anthropic's API knows. */
const marked = {
  system: [{ type: "text", text: "Be brief.", cache_control: { type: "ephemeral" } }],
  tools: [{ name: "get", input_schema: { type: "object" }, cache_control: { type: "ephemeral" } }],
  top_k: 5,
  messages: [
    { role: "user", content: "Get it." },
    {
      role: "assistant",
      content: [
        { type: "thinking", thinking: "I get it.", signature: "c2ln" },
        { type: "redacted_thinking", data: "eHh4" },
        { type: "tool_use", id: "t1", name: "get", input: {} },
      ],
    },
    {
      role: "user",
      content: [
        {
          ...{ type: "tool_result", tool_use_id: "t1", is_error: true },
          content: [{ type: "text", text: "no" }],
        },
        { type: "text", text: "So?", cache_control: { type: "ephemeral", ttl: "1h" } },
      ],
    },
  ],
};

describe("what only Anthropic's API knows", () => {
  it("is the stop sequence, whole and in a stream", async () => {
    const ended = { stop_reason: "stop_sequence", stop_sequence: "END" };
    const whole = { ...message([{ type: "text", text: "Hi" }], "stop_sequence"), ...ended };
    anthropic.play = playJson(200, whole);
    expect(JSON.parse((await ask({ model: "claude" })).text)).toMatchObject(ended);
    const counts = { output_tokens: 3 };
    const last = named({ type: "message_delta", delta: ended, usage: counts });
    const pieces = [messageStart(), ...textBlock(["Hi"]), last, named({ type: "message_stop" })];
    anthropic.play = playStream(pieces);
    const streamed = await ask({ model: "claude", stream: true });
    anthropic.play = playAnthropic;
    expect(streamed.text).toContain(JSON.stringify(ended));
  });

  it("reaches an Anthropic upstream as it is", async () => {
    const body = await sent(anthropic, { model: "claude", ...marked });
    const asked = { role: "user", content: [{ type: "text", text: "Get it." }] };
    expect(body).toEqual({
      ...marked,
      ...{ model: "claude", max_tokens: 100 },
      messages: [asked, ...marked.messages.slice(1)],
    });
  });

  it("is left out for another provider, and told in the header", async () => {
    const { top_k: _, ...request } = marked;
    const reply = await ask({ model: "lab", ...request });
    expect(reply.headers["x-optamil-dropped-params"]).toBe(
      "cache_control,is_error,thinking_blocks",
    );
    const body = openai.requests.at(-1)?.text ?? "";
    expect(body).not.toMatch(/cache_control|is_error|thinking_blocks/);
    const [, , answer, result] = JSON.parse(body).messages;
    expect(answer.reasoning_content).toBe("I get it.");
    expect(result).toEqual({ role: "tool", tool_call_id: "t1", content: "no" });
  });

  it("is named by a provider whose API has another form", async () => {
    const { top_k: _, ...request } = marked;
    const reply = await ask({ model: "gemini", ...request });
    expect(reply.status, reply.text).toBe(200);
    expect(reply.headers["x-optamil-dropped-params"]).toBe(
      "cache_control,is_error,thinking_blocks",
    );
  });

  it("has its counterpart in Gemini's signed calls, which go back as they came", async () => {
    const part = { functionCall: { name: "get", args: { a: 1 } }, thoughtSignature: "c2ln" };
    const tools = [{ name: "get", input_schema: { type: "object" } }];
    const asked = { model: "gemini", tools };
    gemini.play = playJson(200, response([part], "STOP"));
    const { content } = JSON.parse((await ask(asked)).text);
    gemini.play = playStream([response([part]), response([], "STOP")].map(event));
    const streamed = await ask({ ...asked, stream: true });
    gemini.play = playGemini;
    const signature = { extra_content: { google: { thought_signature: "c2ln" } } };
    expect(content).toMatchObject([{ type: "tool_use", input: { a: 1 }, ...signature }]);
    expect(streamed.text).toContain(JSON.stringify(signature).slice(1, -1));
    const result = { type: "tool_result", tool_use_id: content[0].id, content: "18" };
    const messages = [hello, { role: "assistant", content }, { role: "user", content: [result] }];
    expect((await ask({ ...asked, messages })).status).toBe(200);
    expect(JSON.parse(gemini.requests.at(-1)?.text ?? "").contents[1].parts).toEqual([part]);
  });

  it("comes back signed, whole and in a stream", async () => {
    const thought = { type: "thinking", thinking: "Hm.", signature: "c2ln" };
    const hidden = { type: "redacted_thinking", data: "eHh4" };
    anthropic.play = playJson(
      200,
      message([thought, hidden, { type: "text", text: "Hi" }], "end_turn"),
    );
    const whole = JSON.parse((await ask({ model: "claude" })).text);
    expect(whole.content).toEqual([thought, hidden, { type: "text", text: "Hi" }]);
    const blocks =
      begin(0, { type: "thinking", thinking: "", signature: "" }) +
      delta(0, { type: "thinking_delta", thinking: "Hm." }) +
      delta(0, { type: "signature_delta", signature: "c2ln" }) +
      stop(0) +
      begin(1, hidden) +
      stop(1) +
      textBlock(["Hi"], 2).join("");
    anthropic.play = playStream([messageStart(), blocks, ...messageEnd()]);
    const streamed = await ask({ model: "claude", stream: true });
    anthropic.play = playAnthropic;
    expect(streamed.text).toContain(blocks);
  });
});

describe("a parameter that a model cannot take", () => {
  const thinking = { type: "enabled", budget_tokens: 1_024 };

  it("is told in the header by the name that Anthropic's clients know", async () => {
    const reply = await ask({ model: "plain", thinking });
    expect(reply.status, reply.text).toBe(200);
    expect(reply.headers["x-optamil-dropped-params"]).toBe("thinking");
  });

  it("is refused by that name for a key that rejects", async () => {
    const made = await sendHttp1(gateway.url, {
      ...{ path: "/v1/keys", headers: bearer(gateway.key) },
      body: { name: "strict", scopes: ["chat"], parameter_policy: "reject" },
    });
    const { key } = JSON.parse(made.text);
    const request = { model: "plain", max_tokens: 100, messages: [hello], thinking };
    const { code, message: told } = readRefusal(await send(request, { "x-api-key": key }));
    expect(code).toBe(400);
    expect(told).toMatch(/'plain' does not take 'thinking'/);
  });
});

describe("a refusal has Anthropic's body and type", () => {
  it.each([
    ["401", { "x-api-key": "none" }, { model: "lab" }, [401, "authentication_error"]],
    ["404", {}, { model: "no-such-model" }, [404, "not_found_error"]],
    ["415", { "content-type": "text/plain" }, {}, [415, "invalid_request_error"]],
  ])("for %s", async (_status, more, body, [code, type]) => {
    const { error, ...rest } = JSON.parse((await send(body, more)).text);
    const refusal = readRefusal(await send({ max_tokens: 1, messages: [hello], ...body }, more));
    expect(refusal).toMatchObject({ code, type });
    expect(rest.type).toBe("error");
    expect(Object.keys(error)).toEqual(["type", "message"]);
  });

  it("for a wrong method", async () => {
    const refusal = readRefusal(await sendHttp1(gateway.url, { path, headers }));
    expect(refusal).toMatchObject({ code: 405, type: "invalid_request_error" });
    expect(refusal.headers["allow"]).toBe("POST");
  });

  it("for a provider that is overloaded", async () => {
    openai.play = playJson(529, { error: { message: "overloaded" } });
    const refusal = readRefusal(await ask({ model: "lab" }));
    expect(refusal).toMatchObject({ code: 503, type: "overloaded_error" });
    openai.play = playClients;
  });
});

describe("the bytes of a stream", () => {
  it("are those of Anthropic's events, for text", async () => {
    expect(await streamOf(playClients)).toBe(
      start() +
        begin(0, { type: "text", text: "" }) +
        ["Hello ", "from ", "the ", "lab ", "\u{1F642}!"]
          .map((text) => delta(0, { type: "text_delta", text }))
          .join("") +
        stop(0) +
        end("end_turn"),
    );
  });

  it("are one block after the other for calls that alternate upstream", async () => {
    const tools = [{ name: "get_weather", input_schema: { type: "object" } }];
    const call = (city: string) => ({
      ...{ type: "tool_use", id: `call_${city}`, name: "get_weather", input: {} },
    });
    const piece = (partial_json: string) => ({ type: "input_json_delta", partial_json });
    expect(await streamOf(playClients, { tools })).toBe(
      start() +
        begin(0, call("Paris")) +
        delta(0, piece('{"city":')) +
        delta(0, piece('"Paris"}')) +
        stop(0) +
        begin(1, call("Rome")) +
        delta(1, piece('{"city":"Rome"}')) +
        stop(1) +
        end("tool_use"),
    );
  });

  it("have what was thought before the text", async () => {
    const pieces = [
      chunk({ role: "assistant", reasoning_content: "Hm" }),
      chunk({ reasoning_content: "." }),
      chunk({ content: "Yes" }),
      chunk({}, "length"),
      usageChunk(),
    ].map(event);
    expect(await streamOf(playStream([...pieces, "data: [DONE]\n\n"]))).toBe(
      start() +
        begin(0, { type: "thinking", thinking: "", signature: "" }) +
        delta(0, { type: "thinking_delta", thinking: "Hm" }) +
        delta(0, { type: "thinking_delta", thinking: "." }) +
        stop(0) +
        begin(1, { type: "text", text: "" }) +
        delta(1, { type: "text_delta", text: "Yes" }) +
        stop(1) +
        end("max_tokens"),
    );
  });

  it("end in an error event where the provider breaks off", async () => {
    const pieces = [event(chunk({ role: "assistant", content: "Hel" }))];
    const text = await streamOf(async (reply, request) => {
      await playStream(pieces, "stall")(reply, request);
      reply.socket?.end();
    });
    const { request_id, ...error } = JSON.parse(text.split("event: error\ndata: ")[1] ?? "");
    expect(text).toBe(
      start() +
        begin(0, { type: "text", text: "" }) +
        delta(0, { type: "text_delta", text: "Hel" }) +
        named({ ...error, request_id }),
    );
    expect(error).toEqual({
      type: "error",
      error: { type: "overloaded_error", message: expect.stringMatching(/./) },
    });
    expect(request_id).toMatch(/^[0-9a-f-]{36}$/);
  });

  it("count what an Anthropic upstream counted", async () => {
    anthropic.play = playStream([messageStart(), ...textBlock(["Hi"]), ...messageEnd()]);
    const { text } = await ask({ model: "claude", stream: true });
    anthropic.play = playAnthropic;
    expect(text).toBe(
      start("msg_1", "claude") +
        begin(0, { type: "text", text: "" }) +
        delta(0, { type: "text_delta", text: "Hi" }) +
        stop(0) +
        end("end_turn", {
          ...{ input_tokens: 4, cache_creation_input_tokens: 1, cache_read_input_tokens: 2 },
          output_tokens: 3,
        }),
    );
  });
});

describe("count_tokens", () => {
  const count = (body: object) =>
    sendHttp1(gateway.url, { path: `${path}/count_tokens`, headers, body });

  it("estimates the input, free of charge", async () => {
    const reply = await count({ model: "lab", messages: [hello] });
    expect(JSON.parse(reply.text)).toEqual({ input_tokens: 3 });
    const tools = [{ name: "get", input_schema: { type: "object" } }];
    const more = await count({ model: "auto", system: "Be brief.", messages: [hello], tools });
    expect(JSON.parse(more.text).input_tokens).toBeGreaterThan(10);
  });

  it("refuses a model that there is not", async () => {
    const refusal = readRefusal(await count({ model: "none", messages: [hello] }));
    expect(refusal).toMatchObject({ code: 404, type: "not_found_error" });
  });
});

describe.each([
  ["gRPC", createGrpcTransport({ baseUrl: gateway.url })],
  ["Connect", createConnectTransport({ baseUrl: gateway.url, httpVersion: "1.1" })],
] as const)("over %s", (_name, transport) => {
  const client = createClient(MessageService, transport);
  const content = { kind: { case: "text" as const, value: "Say hello." } };
  const request = { model: "lab", maxTokens: 100, messages: [{ role: "user", content }] };
  const options = { headers: bearer(gateway.key) };

  it("a message comes whole, in events and counted", async () => {
    const whole = await client.createMessage(request, options);
    expect(whole.content[0]?.text).toBe("Hello from the lab \u{1F642}!");
    const types = [];
    for await (const { type } of client.streamMessage(request, options)) types.push(type);
    expect(types).toEqual([
      "message_start",
      "content_block_start",
      ...Array.from({ length: 5 }, () => "content_block_delta"),
      "content_block_stop",
      "message_delta",
      "message_stop",
    ]);
    const { model, messages } = request;
    const { inputTokens } = await client.countMessageTokens({ model, messages }, options);
    expect(inputTokens).toBe(3);
  });

  it("a refusal is the table's", async () => {
    const refusal = await refusalOf(client.createMessage({ ...request, maxTokens: 0 }, options));
    expect(refusal).toMatchObject(fromRow(rows.invalid, "rpc"));
    expect(refusal.param).toBe("max_tokens");
  });
});

it("a request that is repeated with its Idempotency-Key gets the same message again", async () => {
  const keyed = () =>
    send({ model: "lab", max_tokens: 100, messages: [hello] }, { "idempotency-key": "message-1" });
  const first = await keyed();
  const again = await keyed();
  expect(again.text).toBe(first.text);
  expect(again.headers["x-optamil-idempotent-replay"]).toBe("true");
});
