import { beforeEach, describe, expect, it } from "vitest";
import { gemini } from "../../src/providers/gemini.ts";
import type { Provider } from "../../src/providers/provider.ts";
import { playGemini, response } from "../fakes/gemini-upstream.ts";
import {
  event,
  type OpenAiUpstream,
  playJson,
  playStream,
  playText,
} from "../fakes/openai-upstream.ts";
import { collect, toCall, toMessage } from "./calls.ts";
import { testOpenAiContract, useOpenAi } from "./openai-fixture.ts";

testOpenAiContract("gemini", { dialect: gemini }, playGemini);

const fixture = useOpenAi();
let upstream: OpenAiUpstream;
let provider: Provider;
beforeEach(() => {
  upstream = fixture.upstream;
  upstream.play = playGemini;
  provider = fixture.open({ dialect: gemini, apiKey: "AIza-secret" });
});

/** What the upstream is sent for a request. */
async function sent(request: object): Promise<Record<string, unknown>> {
  await provider.complete(toCall("json", request));
  const [seen] = upstream.requests;
  return JSON.parse(seen?.text ?? "{}");
}

const schema = { type: "object", properties: { city: { type: "string" } } };
const tool = {
  type: "function",
  function: { name: "get", description: "Gets.", parameters: schema },
};

describe("a request to Gemini", () => {
  it("has the model in its path, and its key", async () => {
    await sent({});
    await collect(provider, toCall("json", { stream: true }));
    expect(upstream.requests.map(({ url }) => url)).toEqual([
      "/v1/models/upstream-large:generateContent",
      "/v1/models/upstream-large:streamGenerateContent?alt=sse",
    ]);
    expect(upstream.requests[0]?.headers).toMatchObject({ "x-goog-api-key": "AIza-secret" });
    expect(upstream.requests[0]?.headers.authorization).toBeUndefined();
  });

  it("has the instructions apart, and results under the names of their functions", async () => {
    const call = (id: string, name: string) => ({
      ...{ id, type: "function", function: { name, arguments: '{"x":1}' } },
    });
    const image = "data:image/png;base64,iVBORw0KGgo=";
    const body = await sent({
      messages: [
        { role: "system", content: "Be brief." },
        {
          role: "user",
          content: [
            { type: "text", text: "Look:" },
            { type: "image_url", image_url: { url: image } },
          ],
        },
        { role: "assistant", content: null, tool_calls: [call("a", "one"), call("b", "two")] },
        { role: "tool", tool_call_id: "b", content: "2" },
        { role: "tool", tool_call_id: "a", content: "1" },
      ],
    });
    expect(body).toEqual({
      systemInstruction: { parts: [{ text: "Be brief." }] },
      contents: [
        {
          role: "user",
          parts: [
            { text: "Look:" },
            { inlineData: { mimeType: "image/png", data: "iVBORw0KGgo=" } },
          ],
        },
        {
          role: "model",
          parts: [
            { functionCall: { name: "one", args: { x: 1 } } },
            { functionCall: { name: "two", args: { x: 1 } } },
          ],
        },
        {
          role: "user",
          parts: [
            { functionResponse: { name: "two", response: { result: "2" } } },
            { functionResponse: { name: "one", response: { result: "1" } } },
          ],
        },
      ],
      generationConfig: {},
    });
  });

  it.each([
    [
      { max_tokens: 50, temperature: 0.3, top_p: 0.5, stop: "x", seed: 7 },
      { maxOutputTokens: 50, temperature: 0.3, topP: 0.5, stopSequences: ["x"], seed: 7 },
    ],
    [{ response_format: { type: "json_object" } }, { responseMimeType: "application/json" }],
    [
      { response_format: { type: "json_schema", json_schema: { name: "city", schema } } },
      { responseMimeType: "application/json", responseJsonSchema: schema },
    ],
    [
      { reasoning_effort: "low" },
      { thinkingConfig: { thinkingBudget: 1_024, includeThoughts: true } },
    ],
    [{ n: 2 }, { candidateCount: 2 }],
  ])("says %j in its words: %j", async (given, expected) => {
    expect((await sent(given))["generationConfig"]).toEqual(expected);
  });

  const pro = "gemini-3.1-pro-preview";
  it.each([
    ["gemini-2.5-flash", "none", { thinkingBudget: 0, includeThoughts: false }],
    ["gemini-2.5-flash-lite", "medium", { thinkingBudget: 8_192, includeThoughts: true }],
    ["gemini-2.5-pro", "none", { thinkingBudget: 128, includeThoughts: true }],
    ["gemini-2.5-pro", "high", { thinkingBudget: 24_576, includeThoughts: true }],
    ["gemini-3-flash-preview", "none", { thinkingLevel: "minimal", includeThoughts: true }],
    ["gemini-3.5-flash", "medium", { thinkingLevel: "medium", includeThoughts: true }],
    ["gemini-3-pro-preview", "medium", { thinkingLevel: "high", includeThoughts: true }],
    [pro, "minimal", { thinkingLevel: "low", includeThoughts: true }],
    [pro, "medium", { thinkingLevel: "medium", includeThoughts: true }],
    [pro, "high", { thinkingLevel: "high", includeThoughts: true }],
    [pro, "utmost", undefined],
    ["gemini-2.5-flash", "utmost", undefined],
  ])("asks %s to think with effort %s as %j", async (upstreamModel, effort, expected) => {
    const call = toCall("json", { reasoning_effort: effort }, { upstreamModel });
    const result = await provider.complete(call);
    expect("dropped" in result ? result.dropped : []).toEqual(
      expected === undefined ? ["reasoning_effort"] : [],
    );
    const { generationConfig } = JSON.parse(upstream.requests[0]?.text ?? "{}");
    expect(generationConfig.thinkingConfig).toEqual(expected);
  });

  it.each([
    ["auto", { mode: "AUTO" }],
    ["required", { mode: "ANY" }],
    ["none", { mode: "NONE" }],
    [
      { type: "function", function: { name: "get" } },
      { mode: "ANY", allowedFunctionNames: ["get"] },
    ],
  ])("has tools, and with the choice %j the mode %j", async (choice, config) => {
    const body = await sent({ tools: [tool], tool_choice: choice });
    expect(body["tools"]).toEqual([
      {
        functionDeclarations: [{ name: "get", description: "Gets.", parametersJsonSchema: schema }],
      },
    ]);
    expect(body["toolConfig"]).toEqual({ functionCallingConfig: config });
  });
});

describe("the signed thoughts behind calls of functions", () => {
  const signed = { functionCall: { name: "one", args: {} }, thoughtSignature: "c2ln" };
  const parts = [signed, { functionCall: { name: "two", args: { a: 2 } } }];
  const extra = { google: { thought_signature: "c2ln" } };

  it.each(["json", "messages"] as const)(
    "reach the client of the form %s, whole or streamed",
    async (form) => {
      upstream.play = (reply, request) => {
        const answered = response(parts, "STOP");
        const isStream = request.url.includes(":streamGenerateContent");
        return (isStream ? playStream([event(answered)]) : playJson(200, answered))(reply, request);
      };
      const [choice] = toMessage(await provider.complete(toCall(form))).choices;
      expect(choice?.message?.toolCalls.map(({ extra }) => extra?.["extra_content"])).toEqual([
        extra,
        undefined,
      ]);
      const delivery = await collect(provider, toCall(form, { stream: true }));
      const calls = delivery.chunks.flatMap(({ choices }) =>
        choices.flatMap(({ delta }) => delta?.toolCalls ?? []),
      );
      expect(calls.map(({ extra }) => extra?.["extra_content"])).toEqual([extra, undefined]);
    },
  );

  it.each([
    ["gemini-3.5-flash", extra, ["c2ln", undefined]],
    ["gemini-3.5-flash", undefined, ["skip_thought_signature_validator", undefined]],
    ["gemini-2.5-flash", extra, ["c2ln", undefined]],
    ["gemini-2.5-flash", undefined, [undefined, undefined]],
  ])("go back to %s with the call: %j as %j", async (upstreamModel, given, expected) => {
    const tool_calls = ["one", "two"].map((name, at) => ({
      ...{ id: name, type: "function", function: { name, arguments: "{}" } },
      ...(at === 0 && given !== undefined && { extra_content: given }),
    }));
    const results = ["one", "two"].map((id) => ({ role: "tool", tool_call_id: id, content: "1" }));
    const history = [{ role: "user", content: "?" }, { role: "assistant", tool_calls }, ...results];
    await provider.complete(toCall("json", { messages: history }, { upstreamModel }));
    const { contents } = JSON.parse(upstream.requests[0]?.text ?? "{}");
    const sent: { thoughtSignature?: string }[] = contents[1].parts;
    expect(sent.map(({ thoughtSignature }) => thoughtSignature)).toEqual(expected);
  });
});

describe("an answer of Gemini", () => {
  it("counts thoughts as completion, and what was cached as prompt", async () => {
    const expected = { promptTokens: 7, completionTokens: 5, totalTokens: 12 };
    const { usage } = toMessage(await provider.complete(toCall("messages")));
    expect(usage).toMatchObject(expected);
    expect(usage?.promptTokensDetails?.cachedTokens).toBe(4);
    expect(usage?.completionTokensDetails?.reasoningTokens).toBe(2);
    const delivery = await collect(provider, toCall("messages", { stream: true }));
    expect(delivery.usage).toMatchObject(expected);
  });

  it.each([
    ["STOP", "stop"],
    ["MAX_TOKENS", "length"],
    ["SAFETY", "content_filter"],
    ["PROHIBITED_CONTENT", "content_filter"],
    ["SOMETHING_NEW", "stop"],
  ])("that stops for %s finishes with %s", async (reason, finishReason) => {
    upstream.play = playJson(200, response([{ text: "x" }], reason));
    const [choice] = toMessage(await provider.complete(toCall("messages"))).choices;
    expect(choice?.finishReason).toBe(finishReason);
    upstream.play = playStream([event(response([{ text: "x" }], reason))]);
    const delivery = await collect(provider, toCall("messages", { stream: true }));
    expect(delivery.finishReasons()).toEqual([finishReason]);
  });

  it("to a prompt that was blocked is an answer without content", async () => {
    const value = {
      promptFeedback: { blockReason: "SAFETY" },
      usageMetadata: { promptTokenCount: 7 },
    };
    upstream.play = playJson(200, value);
    const [choice] = toMessage(await provider.complete(toCall("messages"))).choices;
    expect(choice).toMatchObject({ finishReason: "content_filter" });
    upstream.play = playStream([event(value)]);
    const delivery = await collect(provider, toCall("messages", { stream: true }));
    expect(delivery.finishReasons()).toEqual(["content_filter"]);
    expect(delivery.endCount).toBe(1);
  });

  it("has its thoughts apart, and calls with ids of their own", async () => {
    const parts = [
      { text: "Hm.", thought: true },
      { functionCall: { name: "one", args: {} } },
      { functionCall: { name: "two", args: { a: 2 } } },
    ];
    upstream.play = playJson(200, response(parts, "STOP"));
    const [choice] = toMessage(await provider.complete(toCall("messages"))).choices;
    expect(choice?.finishReason).toBe("tool_calls");
    expect(choice?.message?.reasoningContent).toBe("Hm.");
    const calls = choice?.message?.toolCalls ?? [];
    expect(calls.map((call) => call.function?.arguments)).toEqual(["{}", '{"a":2}']);
    expect(new Set(calls.map(({ id }) => id)).size).toBe(2);
  });
});

describe("a Gemini that misbehaves", () => {
  const start = [event(response([{ text: "half" }]))];

  it.each([
    ["is cut off before its end", playStream(start), "cut"],
    ["resets the connection", playStream(start, "reset"), "cut"],
    ["sends an event that is no JSON", playStream([...start, "data: {oops\n\n"]), "protocol"],
    [
      "says in the middle that it is overloaded",
      playStream([
        ...start,
        event({ error: { code: 503, message: "overloaded", status: "UNAVAILABLE" } }),
      ]),
      "http_5xx",
    ],
  ])("and %s fails the stream after what came", async (_name, play, errorClass) => {
    upstream.play = play;
    const delivery = await collect(provider, toCall("messages", { stream: true }));
    expect(delivery.text()).toBe("half");
    expect(delivery.failure).toMatchObject({ errorClass });
  });

  it.each([
    ["an HTML page", playText(200, "text/html", "<html>busy</html>"), "protocol"],
    ["no candidates", playJson(200, { usageMetadata: { promptTokenCount: 1 } }), "protocol"],
    [
      "429",
      playJson(429, { error: { code: 429, message: "quota", status: "RESOURCE_EXHAUSTED" } }),
      "http_429",
    ],
    ["500", playJson(500, { error: { code: 500, message: "x", status: "INTERNAL" } }), "http_5xx"],
  ])("and answers %s fails the request", async (_name, play, errorClass) => {
    upstream.play = play;
    const outcome = await provider.complete(toCall("messages"));
    expect(outcome).toMatchObject({ ok: false, errorClass, tryNext: true });
  });
});
