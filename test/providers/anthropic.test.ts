import { beforeEach, describe, expect, it } from "vitest";
import { anthropic } from "../../src/providers/anthropic.ts";
import type { Provider } from "../../src/providers/provider.ts";
import {
  message,
  messageEnd,
  messageStart,
  named,
  playAnthropic,
  textBlock,
  toolBlock,
} from "../fakes/anthropic-upstream.ts";
import { type OpenAiUpstream, playJson, playStream, playText } from "../fakes/openai-upstream.ts";
import { collect, toCall, toMessage } from "./calls.ts";
import { testOpenAiContract, useOpenAi } from "./openai-fixture.ts";

testOpenAiContract("anthropic", { dialect: anthropic }, playAnthropic, { choicesMax: 1 });

const fixture = useOpenAi();
let upstream: OpenAiUpstream;
let provider: Provider;
beforeEach(() => {
  upstream = fixture.upstream;
  upstream.play = playAnthropic;
  provider = fixture.open({ dialect: anthropic, apiKey: "sk-ant-secret" });
});

/** What the upstream is sent for a request. */
async function sent(request: object): Promise<Record<string, unknown>> {
  await provider.complete(toCall("json", request));
  const [seen] = upstream.requests;
  return JSON.parse(seen?.text ?? "{}");
}

const png = "data:image/png;base64,iVBORw0KGgo=";
const tool = {
  type: "function",
  function: { name: "get", description: "Gets.", parameters: { type: "object", properties: {} } },
};

describe("a request to Anthropic", () => {
  it("has its path, its version and its key, and no bearer token", async () => {
    await sent({});
    const [seen] = upstream.requests;
    expect(seen?.url).toBe("/v1/messages");
    expect(seen?.headers).toMatchObject({
      "anthropic-version": "2023-06-01",
      "x-api-key": "sk-ant-secret",
      "x-request-id": "req-1",
    });
    expect(seen?.headers.authorization).toBeUndefined();
  });

  it("has the instructions apart, turns in order, and results of several tools in one turn", async () => {
    const call = (id: string, text: string) => ({
      ...{ id, type: "function", function: { name: "get", arguments: text } },
    });
    const body = await sent({
      messages: [
        { role: "system", content: "Be brief." },
        { role: "developer", content: [{ type: "text", text: "In English." }] },
        {
          role: "user",
          content: [
            { type: "text", text: "Look:" },
            { type: "image_url", image_url: { url: png } },
          ],
        },
        {
          role: "assistant",
          content: "I will.",
          tool_calls: [call("a", '{"x":1}'), call("b", "{}")],
        },
        { role: "tool", tool_call_id: "a", content: "one" },
        { role: "tool", tool_call_id: "b", content: "two" },
        {
          role: "user",
          content: [{ type: "image_url", image_url: { url: "https://example.com/a.png" } }],
        },
      ],
    });
    expect(body).toEqual({
      model: "upstream-large",
      max_tokens: 4_096,
      system: "Be brief.\n\nIn English.",
      messages: [
        {
          role: "user",
          content: [
            { type: "text", text: "Look:" },
            {
              type: "image",
              source: { type: "base64", media_type: "image/png", data: "iVBORw0KGgo=" },
            },
          ],
        },
        {
          role: "assistant",
          content: [
            { type: "text", text: "I will." },
            { type: "tool_use", id: "a", name: "get", input: { x: 1 } },
            { type: "tool_use", id: "b", name: "get", input: {} },
          ],
        },
        {
          role: "user",
          content: [
            { type: "tool_result", tool_use_id: "a", content: [{ type: "text", text: "one" }] },
            { type: "tool_result", tool_use_id: "b", content: [{ type: "text", text: "two" }] },
            { type: "image", source: { type: "url", url: "https://example.com/a.png" } },
          ],
        },
      ],
    });
  });

  it.each([
    [{ tool_choice: "auto" }, { type: "auto" }],
    [{ tool_choice: "none" }, { type: "none" }],
    [{ tool_choice: "required" }, { type: "any" }],
    [
      { tool_choice: { type: "function", function: { name: "get" } } },
      { type: "tool", name: "get" },
    ],
    [{ parallel_tool_calls: false }, { type: "auto", disable_parallel_tool_use: true }],
  ])("has tools, and with %j the choice %j", async (given, choice) => {
    const body = await sent({ tools: [tool], ...given });
    expect(body["tools"]).toEqual([
      { name: "get", description: "Gets.", input_schema: { type: "object", properties: {} } },
    ]);
    expect(body["tool_choice"]).toEqual(choice);
  });

  it.each([
    [{ max_completion_tokens: 50 }, { max_tokens: 50 }],
    [{ stop: ["a", "b"] }, { stop_sequences: ["a", "b"] }],
    [
      { temperature: 1.7, top_p: 0.5 },
      { temperature: 1, top_p: 0.5 },
    ],
    [{ user: "u-1" }, { metadata: { user_id: "u-1" } }],
    [
      { reasoning_effort: "low", max_tokens: 2_000 },
      { thinking: { type: "enabled", budget_tokens: 1_024 } },
    ],
    [
      { response_format: { type: "json_object" } },
      { system: "Answer with one JSON object and nothing else." },
    ],
  ])("says %j in its words: %j", async (given, expected) => {
    expect(await sent(given)).toMatchObject(expected);
  });

  it.each([
    ["claude-3-7-sonnet-20250219", "high", { budget_tokens: 16_384 }],
    ["claude-sonnet-4-20250514", "low", { budget_tokens: 1_024 }],
    ["claude-opus-4-5-20251101", "medium", { budget_tokens: 4_096 }],
    ["claude-haiku-4-5-20251001", "high", { budget_tokens: 16_384 }],
    ["upstream-large", "high", { budget_tokens: 16_384 }],
    ["claude-opus-4-6", "medium", { effort: "medium" }],
    ["claude-sonnet-4.6", "max", { effort: "max" }],
    ["claude-opus-4-7-20260416", "xhigh", { effort: "xhigh" }],
    ["eu.anthropic.claude-opus-4-8-v1:0", "high", { effort: "high" }],
    ["claude-sonnet-5", "minimal", { effort: "low" }],
    ["claude-haiku-5-5", "low", { effort: "low" }],
    ["claude-fable-5", "high", { effort: "high" }],
  ])("asks %s to think with effort %s as %j", async (upstreamModel, effort, expected) => {
    const call = toCall(
      "json",
      { reasoning_effort: effort, max_tokens: 20_000, temperature: 0.5 },
      { upstreamModel },
    );
    expect(await provider.complete(call)).toMatchObject({ ok: true, dropped: ["temperature"] });
    const { thinking, output_config } = JSON.parse(upstream.requests[0]?.text ?? "{}");
    if ("effort" in expected) {
      expect(thinking).toEqual({ type: "adaptive", display: "summarized" });
      expect(output_config).toEqual(expected);
    } else {
      expect(thinking).toEqual({ type: "enabled", ...expected });
      expect(output_config).toBeUndefined();
    }
  });

  it.each([
    ["claude-opus-4-5-20251101", "xhigh", 20_000],
    ["claude-opus-4-5-20251101", "high", 1_024],
    ["claude-opus-4-6", "xhigh", 20_000],
    ["claude-opus-4-7", "utmost", 20_000],
  ])(
    "names the effort that %s cannot be asked for: %s of %i tokens",
    async (name, effort, most) => {
      const asked = { reasoning_effort: effort, max_tokens: most, temperature: 0.5 };
      const call = toCall("json", asked, { upstreamModel: name });
      expect(await provider.complete(call)).toMatchObject({ dropped: ["reasoning_effort"] });
      const body = JSON.parse(upstream.requests[0]?.text ?? "{}");
      expect(body).toMatchObject({ temperature: 0.5 });
      expect(body).not.toHaveProperty("thinking");
      expect(body).not.toHaveProperty("output_config");
    },
  );

  const called = [
    { role: "user", content: "Get it." },
    {
      role: "assistant",
      tool_calls: [{ id: "c1", type: "function", function: { name: "get", arguments: "{}" } }],
    },
    { role: "tool", tool_call_id: "c1", content: "42" },
  ];
  const named = { type: "function", function: { name: "get" } };
  const signed = { type: "thinking", thinking: "I get it.", signature: "c2ln" };
  const thoughtOf = (thought: object) =>
    called.map((one) => (one.role === "assistant" ? { ...one, thinking_blocks: [thought] } : one));

  it.each([
    ["claude-sonnet-5", { tools: [tool], tool_choice: "required" }, true],
    ["claude-opus-4-5", { tools: [tool], tool_choice: named }, true],
    ["claude-sonnet-5", { tools: [tool], tool_choice: "auto" }, false],
    ["claude-opus-4-5", { tools: [tool], tool_choice: "none" }, false],
    ["claude-opus-4-5", { tools: [tool], messages: called }, true],
    ["claude-opus-4-5", { tools: [tool], messages: thoughtOf(signed) }, false],
    ["claude-opus-4-5", { tools: [tool], messages: thoughtOf({ ...signed, signature: "" }) }, true],
    ["claude-sonnet-5", { tools: [tool], messages: called }, false],
    [
      "claude-opus-4-5",
      { tools: [tool], messages: [...called, { role: "user", content: "So?" }] },
      true,
    ],
    [
      "claude-opus-4-5",
      { tools: [tool], messages: [...called, { role: "assistant", content: "It is 42." }] },
      false,
    ],
  ])("of %s with %j leaves its effort out: %s", async (upstreamModel, given, isDropped) => {
    const asked = { ...given, reasoning_effort: "low", max_tokens: 4_000 };
    const result = await provider.complete(toCall("json", asked, { upstreamModel }));
    expect(result).toMatchObject({ ok: true });
    expect("dropped" in result ? result.dropped : []).toEqual(
      isDropped ? ["reasoning_effort"] : [],
    );
    const body = JSON.parse(upstream.requests[0]?.text ?? "{}");
    expect("thinking" in body).toBe(!isDropped);
  });

  it("takes a short answer's effort where no budget has to fit into it", async () => {
    const asked = { reasoning_effort: "low", max_tokens: 500 };
    const result = await provider.complete(
      toCall("json", asked, { upstreamModel: "claude-sonnet-5" }),
    );
    expect(result).not.toHaveProperty("dropped");
  });

  it.each([
    [{ n: 2 }, "n must be 1"],
    [
      {
        messages: [
          {
            role: "user",
            content: [{ type: "input_audio", input_audio: { data: "", format: "wav" } }],
          },
        ],
      },
      "no part of type 'input_audio'",
    ],
  ])("is not made for %j: another deployment may do", async (given, reason) => {
    const outcome = await provider.complete(toCall("json", given));
    expect(outcome).toMatchObject({
      ...{ ok: false, errorClass: "unsupported", tryNext: true },
      error: { code: "invalid_request", message: expect.stringContaining(reason) },
    });
    const delivery = await collect(provider, toCall("json", { ...given, stream: true }));
    expect(delivery.failure).toMatchObject({ errorClass: "unsupported" });
    expect(upstream.requests).toEqual([]);
  });
});

describe("an answer of Anthropic", () => {
  it("counts what was read from the cache and written into it as prompt", async () => {
    const { usage } = toMessage(await provider.complete(toCall("messages")));
    expect(usage).toMatchObject({ promptTokens: 7, completionTokens: 3, totalTokens: 10 });
    expect(usage?.promptTokensDetails?.cachedTokens).toBe(2);
    const asked = { stream: true, stream_options: { include_usage: true } };
    const delivery = await collect(provider, toCall("messages", asked));
    expect(delivery.usage).toMatchObject({ promptTokens: 7, completionTokens: 3, totalTokens: 10 });
  });

  it.each([
    ["end_turn", "stop"],
    ["stop_sequence", "stop"],
    ["max_tokens", "length"],
    ["refusal", "content_filter"],
    ["something new", "stop"],
  ])("that stops for %s finishes with %s", async (stopReason, finishReason) => {
    upstream.play = playJson(200, message([{ type: "text", text: "x" }], stopReason));
    const [choice] = toMessage(await provider.complete(toCall("messages"))).choices;
    expect(choice?.finishReason).toBe(finishReason);
    upstream.play = playStream([messageStart(), ...textBlock(["x"]), ...messageEnd(stopReason)]);
    const delivery = await collect(provider, toCall("messages", { stream: true }));
    expect(delivery.finishReasons()).toEqual([finishReason]);
  });

  it("has its thoughts apart, and calls of several tools with their positions", async () => {
    const thought = [
      named({
        type: "content_block_start",
        index: 0,
        content_block: { type: "thinking", thinking: "" },
      }),
      named({
        type: "content_block_delta",
        index: 0,
        delta: { type: "thinking_delta", thinking: "Hm." },
      }),
      named({
        type: "content_block_delta",
        index: 0,
        delta: { type: "signature_delta", signature: "s" },
      }),
      named({ type: "content_block_stop", index: 0 }),
    ];
    upstream.play = playStream([
      messageStart(),
      ...thought,
      ...toolBlock("one", ["{}"], 1),
      ...toolBlock("two", ['{"a":', "2}"], 2),
      ...messageEnd("tool_use"),
    ]);
    const { chunks } = await collect(provider, toCall("messages", { stream: true }));
    const deltas = chunks.flatMap(({ choices }) => choices.map(({ delta }) => delta));
    expect(deltas.map((delta) => delta?.reasoningContent ?? "").join("")).toBe("Hm.");
    const calls = deltas.flatMap((delta) => delta?.toolCalls ?? []);
    const textOf = (index: number) =>
      calls
        .filter((call) => call.index === index)
        .map((call) => call.function?.arguments ?? "")
        .join("");
    expect([textOf(0), textOf(1)]).toEqual(["{}", '{"a":2}']);
    expect(calls.flatMap(({ id }) => id ?? [])).toEqual(["toolu_1", "toolu_2"]);
  });

  it("in pieces of one byte says the same", async () => {
    const whole = [messageStart(), ...textBlock(["Zürich ", "🙂"]), ...messageEnd()].join("");
    const bytes = Buffer.from(whole);
    upstream.play = playStream(Array.from(bytes, (_, at) => bytes.subarray(at, at + 1)));
    const delivery = await collect(provider, toCall("messages", { stream: true }));
    expect(delivery.text()).toBe("Zürich 🙂");
    expect(delivery.endCount).toBe(1);
  });
});

describe("an Anthropic that misbehaves", () => {
  const start = [messageStart(), ...textBlock(["half"])];

  it.each([
    ["is cut off before its end", playStream(start), "cut"],
    ["resets the connection", playStream(start, "reset"), "cut"],
    ["sends an event that is no JSON", playStream([...start, "data: {oops\n\n"]), "protocol"],
    [
      "says that it is overloaded in the middle",
      playStream([
        ...start,
        named({ type: "error", error: { type: "overloaded_error", message: "Overloaded" } }),
      ]),
      "upstream_error",
    ],
  ])("and %s fails the stream after what came", async (_name, play, errorClass) => {
    upstream.play = play;
    const delivery = await collect(provider, toCall("messages", { stream: true }));
    expect(delivery.text()).toBe("half");
    expect(delivery.failure).toMatchObject({ errorClass });
    expect(delivery.endCount).toBe(1);
  });

  it.each([
    ["an HTML page", playText(200, "text/html", "<html>busy</html>"), "protocol"],
    ["no content", playJson(200, { type: "message", usage: {} }), "protocol"],
    [
      "an error with status 200",
      playJson(200, { type: "error", error: { type: "api_error", message: "x" } }),
      "upstream_error",
    ],
    [
      "529",
      playJson(529, { type: "error", error: { type: "overloaded_error", message: "x" } }),
      "http_5xx",
    ],
    [
      "429",
      playJson(
        429,
        { type: "error", error: { type: "rate_limit_error", message: "x" } },
        { "retry-after": "7" },
      ),
      "http_429",
    ],
    [
      "401",
      playJson(401, {
        type: "error",
        error: { type: "authentication_error", message: "invalid x-api-key" },
      }),
      "http_401",
    ],
  ])("and answers %s fails the request", async (_name, play, errorClass) => {
    upstream.play = play;
    const outcome = await provider.complete(toCall("messages"));
    expect(outcome).toMatchObject({ ok: false, errorClass, tryNext: true });
  });

  it("and finds fault with the request is believed, with its words and without the key", async () => {
    const text = "messages: at least one message is required; key sk-ant-secret";
    upstream.play = playJson(400, {
      type: "error",
      error: { type: "invalid_request_error", message: text },
    });
    const outcome = await provider.complete(toCall("messages"));
    expect(outcome).toMatchObject({ ok: false, errorClass: "http_400", tryNext: false });
    const said = outcome.ok ? "" : outcome.error.message;
    expect(said).toContain("at least one message is required");
    expect(said).not.toContain("sk-ant-secret");
  });
});
