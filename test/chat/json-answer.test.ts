import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { completeJson, streamJson } from "../../src/chat/json-answer.ts";
import { jsonFormOf, mendJson } from "../../src/chat/json-form.ts";
import {
  ChatUsageSchema,
  CreateChatCompletionRequestSchema,
  CreateChatCompletionResponseSchema,
} from "../../src/gen/optamil/v1/chat_pb.ts";
import type { ProviderAnswer } from "../../src/providers/provider.ts";
import { failure, scriptedProvider } from "../fakes/scripted-provider.ts";
import { Delivery, toCall, toMessage } from "../providers/calls.ts";

const schema = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
};
const form = { schema };
const bern = '{"city":"Bern"}';
const fenced = `\`\`\`json\n${bern}\n\`\`\``;
const toolCall = { id: "a", type: "function", function: { name: "get", arguments: "{}" } };

/** An answer of these texts, as messages or as the bytes that REST clients get. */
function said(
  texts: string[],
  change: object = {},
  as: "message" | "json" = "message",
): ProviderAnswer {
  const message = create(CreateChatCompletionResponseSchema, {
    ...{ id: "answer-1", object: "chat.completion", created: 5n, model: "m" },
    choices: texts.map((content, index) => ({
      index,
      finishReason: "stop",
      message: { role: "assistant", content, ...change },
      ...change,
    })),
  });
  if (as === "message") return { ok: true, body: { form: "message", message }, usage: undefined };
  const choices = texts.map((content, index) => ({
    ...{ index, logprobs: null, finish_reason: "stop" },
    message: { role: "assistant", content, refusal: null },
  }));
  const value = { id: "answer-1", object: "chat.completion", created: 5, model: "m", choices };
  const bytes = Buffer.from(JSON.stringify(value));
  return { ok: true, body: { form: "json", bytes }, usage: undefined };
}

function complete(answer: ProviderAnswer) {
  return completeJson(scriptedProvider("one", [answer]), toCall("messages"), form);
}

describe("a text that should be JSON is", () => {
  it.each([
    ["left as it is where it has the form", '{ "city": "Bern" }', '{ "city": "Bern" }'],
    ["taken out of a fence", fenced, bern],
    ["taken out of prose", `Sure! ${bern} Anything else?`, bern],
    ["mended", "{city: 'Bern',}", '{"city": "Bern"}'],
  ])("%s", (_what, text, wanted) => {
    expect(mendJson(text, form)).toBe(wanted);
  });

  it.each(["Bern", "", '{"town":"Bern"}', '{"city":3}', "[1]"])("none where it is %j", (text) => {
    expect(mendJson(text, form)).toBeUndefined();
  });
});

describe("the form that a request asks for", () => {
  it.each([
    [{ type: "json_object" }, { schema: { type: "object" } }],
    [{ type: "json_schema", jsonSchema: { name: "a", schema } }, { schema }],
    [{ type: "text" }, undefined],
  ])("of %j is %j", (responseFormat, wanted) => {
    expect(jsonFormOf(create(CreateChatCompletionRequestSchema, { responseFormat }))).toEqual(
      wanted,
    );
  });
});

describe("a whole answer in JSON", () => {
  it.each(["message", "json"] as const)(
    "is passed on as it came where it is good (%s)",
    async (as) => {
      const answer = said([bern], {}, as);
      expect(await complete(answer)).toBe(answer);
    },
  );

  it.each(["message", "json"] as const)("has each choice mended that needs it (%s)", async (as) => {
    const result = await complete(said([bern, fenced], {}, as));
    expect(toMessage(result).choices.map(({ message }) => message?.content)).toEqual([bern, bern]);
    expect(result).toMatchObject({ body: { form: as } });
  });

  it("is a failure, which another candidate may not have, where a choice cannot be mended", async () => {
    expect(await complete(said([bern, "I cannot say."]))).toMatchObject({
      ...{ ok: false, errorClass: "invalid_json", tryNext: true },
      error: { code: "service_unavailable", shouldRetry: true },
    });
  });

  it.each([
    ["was cut for its length", { finishReason: "length" }],
    ["was filtered", { finishReason: "content_filter" }],
    ["is a refusal", { refusal: "No." }],
    ["calls a tool", { toolCalls: [toolCall] }],
  ])("is the model's last word where it %s", async (_what, change) => {
    const answer = said(['{"city":"Be'], change);
    expect(await complete(answer)).toBe(answer);
  });

  it("that failed has failed", async () => {
    const failed = failure("http_5xx");
    expect(await completeJson(scriptedProvider("one", [failed]), toCall("json"), form)).toBe(
      failed,
    );
  });
});

describe("a stream in JSON of a model that is only told so", () => {
  async function stream(result: Parameters<typeof scriptedProvider>[1], request: object = {}) {
    const delivery = new Delivery();
    const call = toCall("json", { stream: true, ...request });
    streamJson(scriptedProvider("one", result), call, form, delivery);
    await delivery.ended;
    return delivery;
  }

  it("comes when it is known to be good: what was said, how it ended, and the usage if asked for", async () => {
    const usage = { promptTokens: 3, completionTokens: 4, totalTokens: 7 };
    const answer = { ...said([fenced]), usage: create(ChatUsageSchema, usage) };
    const { chunks, failure: failed } = await stream([answer], {
      stream_options: { include_usage: true },
    });
    expect(failed).toBeUndefined();
    expect(chunks).toMatchObject([
      { id: "answer-1", choices: [{ index: 0, delta: { role: "assistant", content: bern } }] },
      { id: "answer-1", choices: [{ index: 0, delta: {}, finishReason: "stop" }] },
      { id: "answer-1", choices: [], usage },
    ]);
  });

  it("has tool calls with their places", async () => {
    const { chunks } = await stream([
      said([""], { finishReason: "tool_calls", toolCalls: [toolCall] }),
    ]);
    expect(chunks[0]?.choices[0]?.delta?.toolCalls).toMatchObject([{ index: 0, id: "a" }]);
  });

  it("names what its API cannot be told before there is an answer", () => {
    const provider = { ...scriptedProvider("one", [said([bern])]), untold: () => ["seed"] };
    const call = toCall("json", { stream: true, seed: 7 });
    expect(streamJson(provider, call, form, new Delivery()).dropped).toEqual(["seed"]);
  });

  it("fails before its first chunk where it is not JSON", async () => {
    const { chunks, failure: failed } = await stream([said(["I cannot say."])]);
    expect(chunks).toEqual([]);
    expect(failed).toMatchObject({ errorClass: "invalid_json", tryNext: true });
  });
});
