import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { createCatalogue } from "../../src/catalogue/models.ts";
import { ChatUsageSchema } from "../../src/gen/optamil/v1/chat_pb.ts";
import { costNanoUsd, findBaseline } from "../../src/usage/cost.ts";
import { countTokens, estimateTokens } from "../../src/usage/estimate.ts";
import { noTokens } from "../../src/usage/tokens.ts";

const given = create(ChatUsageSchema, {
  promptTokens: 100,
  completionTokens: 20,
  totalTokens: 120,
  promptTokensDetails: { cachedTokens: 60 },
  completionTokensDetails: { reasoningTokens: 5 },
});

describe("the provider's usage", () => {
  it("is taken as it is where there is one", () => {
    const counts = countTokens(given, { promptTokens: 7, events: 30 });
    expect(counts).toEqual({
      prompt: 100,
      cached: 60,
      completion: 20,
      reasoning: 5,
      estimated: false,
    });
  });

  it("is taken at its word about an answer without content", () => {
    const empty = create(ChatUsageSchema, { promptTokens: 100 });
    const counts = countTokens(empty, { promptTokens: 7, events: 0 });
    expect(counts).toEqual({ ...noTokens, prompt: 100 });
  });

  it("never has more cached or reasoning tokens than the whole", () => {
    const odd = create(ChatUsageSchema, {
      promptTokens: 10,
      completionTokens: 2,
      promptTokensDetails: { cachedTokens: 99 },
      completionTokensDetails: { reasoningTokens: 99 },
    });
    expect(countTokens(odd, { promptTokens: 0, events: 1 })).toMatchObject({
      cached: 10,
      reasoning: 2,
    });
  });
});

describe("usage is estimated, never free,", () => {
  it("where the provider gave none: a token for each event at least", () => {
    const counts = countTokens(undefined, { promptTokens: 7, events: 30 });
    expect(counts).toEqual({ prompt: 7, cached: 0, completion: 30, reasoning: 0, estimated: true });
  });

  it("where it gave none for an answer in one piece: by its text", () => {
    const counts = countTokens(undefined, { promptTokens: 7, events: 0, text: "x".repeat(400) });
    expect(counts.completion).toBe(100);
  });

  it("where it says that content had no tokens, but its prompt count stays", () => {
    const odd = create(ChatUsageSchema, { promptTokens: 100 });
    expect(countTokens(odd, { promptTokens: 7, events: 3 })).toMatchObject({
      prompt: 100,
      completion: 3,
      estimated: true,
    });
  });
});

describe("the estimate of a text", () => {
  it.each([
    ["nothing", "", 0],
    ["four ASCII characters", "word", 1],
    ["five", "words", 2],
    ["three Chinese characters", "你好吗", 3],
    ["six Cyrillic letters", "привет", 4],
    ["three faces", "😀😀😀", 4],
  ])("of %s", (_case, text, tokens) => {
    expect(estimateTokens(text)).toBe(tokens);
  });
});

describe("the list cost", () => {
  const cost = { inputNanoUsdPerToken: 300, outputNanoUsdPerToken: 2_500, source: "page" };
  const tokens = { ...noTokens, prompt: 100, cached: 60, completion: 20, reasoning: 5 };

  it("counts cached tokens at their own price", () => {
    const listed = { cost: { ...cost, cachedInputNanoUsdPerToken: 30 } };
    expect(costNanoUsd(listed, tokens)).toBe(40n * 300n + 60n * 30n + 20n * 2_500n);
  });

  it("counts them as any other where none is listed", () => {
    expect(costNanoUsd({ cost }, tokens)).toBe(100n * 300n + 20n * 2_500n);
  });
});

describe("the baseline", () => {
  const { models } = createCatalogue();

  it("is the dearest model of the highest tier", () => {
    expect(findBaseline(models)?.name).toBe("claude-opus-4");
  });

  it("is among the models that are given", () => {
    const cheap = models.filter(({ tier }) => tier === "free" || tier === "budget");
    expect(findBaseline(cheap)?.tier).toBe("budget");
    expect(findBaseline([])).toBeUndefined();
  });
});
