import { describe, expect, it } from "vitest";
import { anthropic } from "../../src/providers/anthropic.ts";
import { gemini } from "../../src/providers/gemini.ts";
import { costNanoUsd } from "../../src/usage/cost.ts";
import { fromChatUsage } from "../../src/usage/tokens.ts";
import { message } from "../fakes/anthropic-upstream.ts";
import { response } from "../fakes/gemini-upstream.ts";
import { completion, playJson } from "../fakes/openai-upstream.ts";
import { toCall } from "./calls.ts";
import { useOpenAi } from "./openai-fixture.ts";

/** 2.50, 0.25 and 10 US$ for a million tokens of prompt, of cached prompt, and of completion. */
const cost = {
  inputNanoUsdPerToken: 2_500,
  cachedInputNanoUsdPerToken: 250,
  outputNanoUsdPerToken: 10_000,
  source: "this test",
};
const ofOpenAi = (usage: object) => completion("Hello", { usage });
const ofAnthropic = (usage: object) => ({
  ...message([{ type: "text", text: "Hello" }], "end_turn"),
  usage,
});
const ofGemini = (usageMetadata: object) => ({
  ...response([{ text: "Hello" }], "STOP"),
  usageMetadata,
});

/** Each says in its own way: 1,000 tokens of prompt, 600 of them cached, and 50 of completion, 20 of them reasoning. */
const invoices = [
  {
    name: "OpenAI: cached tokens are part of the prompt's",
    options: {},
    answer: ofOpenAi({
      ...{ prompt_tokens: 1_000, completion_tokens: 50, total_tokens: 1_050 },
      prompt_tokens_details: { cached_tokens: 600 },
      completion_tokens_details: { reasoning_tokens: 20 },
    }),
  },
  {
    name: "DeepSeek: hits and misses beside the prompt's",
    options: {},
    answer: ofOpenAi({
      ...{ prompt_tokens: 1_000, completion_tokens: 50, total_tokens: 1_050 },
      ...{ prompt_cache_hit_tokens: 600, prompt_cache_miss_tokens: 400 },
      completion_tokens_details: { reasoning_tokens: 20 },
    }),
  },
  {
    name: "Moonshot: one count beside the prompt's",
    options: {},
    answer: ofOpenAi({
      ...{ prompt_tokens: 1_000, completion_tokens: 50, total_tokens: 1_050, cached_tokens: 600 },
      completion_tokens_details: { reasoning_tokens: 20 },
    }),
  },
  {
    name: "Gemini: cached ones are part of the prompt's, thoughts are beside the candidates'",
    options: { dialect: gemini },
    answer: ofGemini({
      ...{ promptTokenCount: 1_000, cachedContentTokenCount: 600 },
      ...{ candidatesTokenCount: 30, thoughtsTokenCount: 20, totalTokenCount: 1_050 },
    }),
  },
];

describe("the invoice of an answer by", () => {
  const fixture = useOpenAi();

  async function usageOf(options: object, answer: unknown) {
    fixture.upstream.play = playJson(200, answer);
    const result = await fixture.open(options).complete(toCall("messages"));
    if (!result.ok || result.usage === undefined) throw new Error("no usage");
    return fromChatUsage(result.usage);
  }

  it.each(invoices)("$name", async ({ options, answer }) => {
    const tokens = await usageOf(options, answer);
    expect(tokens).toEqual({
      ...{ prompt: 1_000, cached: 600, completion: 50, reasoning: 20, estimated: false },
    });
    // 400 · 2,500 + 600 · 250 + 50 · 10,000
    expect(costNanoUsd({ cost }, tokens)).toBe(1_650_000n);
  });

  it("Anthropic: what was read from the cache and written into it is beside the input's", async () => {
    const tokens = await usageOf(
      { dialect: anthropic },
      ofAnthropic({
        ...{ input_tokens: 300, cache_creation_input_tokens: 100, cache_read_input_tokens: 600 },
        output_tokens: 50,
      }),
    );
    expect(tokens).toEqual({
      ...{ prompt: 1_000, cached: 600, completion: 50, reasoning: 0, estimated: false },
    });
    expect(costNanoUsd({ cost }, tokens)).toBe(1_650_000n);
  });

  it("one without a word on its cache is for the whole prompt", async () => {
    const counts = { prompt_tokens: 1_000, completion_tokens: 50, total_tokens: 1_050 };
    expect(costNanoUsd({ cost }, await usageOf({}, ofOpenAi(counts)))).toBe(3_000_000n);
  });
});
