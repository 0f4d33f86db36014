import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createCatalogue } from "../../src/catalogue/models.ts";
import { tierNames } from "../../src/catalogue/tiers.ts";
import { CreateChatCompletionRequestSchema } from "../../src/gen/optamil/v1/chat_pb.ts";
import { choose, toExplanationText } from "../../src/router/choose.ts";
import { type Features, readFeatures } from "../../src/router/features.ts";

const { models } = createCatalogue();

const plain: Features = {
  promptChars: 47,
  promptTokens: 12,
  maxOutputTokens: undefined,
  tools: false,
  vision: false,
  jsonMode: false,
  jsonSchema: false,
};

const anyFeatures: fc.Arbitrary<Features> = fc.record({
  promptChars: fc.nat(2_000_000),
  promptTokens: fc.nat(1_500_000),
  maxOutputTokens: fc.option(fc.integer({ min: 1, max: 200_000 }), { nil: undefined }),
  tools: fc.boolean(),
  vision: fc.boolean(),
  jsonMode: fc.boolean(),
  jsonSchema: fc.boolean(),
});

describe("the length baseline", () => {
  it.each([
    { promptChars: 0, tier: "free" },
    { promptChars: 400, tier: "free" },
    { promptChars: 401, tier: "budget" },
    { promptChars: 1_500, tier: "budget" },
    { promptChars: 1_501, tier: "mid" },
    { promptChars: 6_000, tier: "mid" },
    { promptChars: 6_001, tier: "premium" },
    { promptChars: 24_000, tier: "premium" },
    { promptChars: 24_001, tier: "ultra" },
  ])("gives a conversation of $promptChars characters tier $tier", ({ promptChars, tier }) => {
    expect(choose({ ...plain, promptChars }, models).explanation.tier).toBe(tier);
  });

  it("picks the cheapest model of the tier", () => {
    const { models: ranked } = choose(plain, models);
    const costs = models
      .filter(({ tier }) => tier === "free")
      .map(({ cost }) => 3 * cost.inputNanoUsdPerToken + cost.outputNanoUsdPerToken);
    const { cost } = ranked[0];
    expect(3 * cost.inputNanoUsdPerToken + cost.outputNanoUsdPerToken).toBe(Math.min(...costs));
  });

  it("goes to the next stronger tier when no model of the wanted one can serve", () => {
    const paid = models.filter(({ tier }) => tier !== "free");
    const { explanation } = choose(plain, paid);
    expect(explanation.tierWanted).toBe("free");
    expect(explanation.tier).toBe("budget");
  });

  it("goes to a weaker tier only when there is no stronger one", () => {
    const weak = models.filter(({ tier }) => tier === "free" || tier === "budget");
    expect(choose({ ...plain, promptChars: 100_000 }, weak).explanation.tier).toBe("budget");
  });
});

describe("hard constraints", () => {
  it("never let a model through that cannot serve the request", () => {
    fc.assert(
      fc.property(anyFeatures, (features) => {
        let ranked: ReturnType<typeof choose>["models"];
        try {
          ranked = choose(features, models).models;
        } catch (error) {
          expect(error).toMatchObject({ row: { status: 400 } });
          return;
        }
        for (const { contextTokens, maxOutputTokens, capabilities } of ranked) {
          const output = features.maxOutputTokens ?? 1;
          expect(features.promptTokens + output).toBeLessThanOrEqual(contextTokens);
          expect(features.maxOutputTokens ?? 0).toBeLessThanOrEqual(maxOutputTokens);
          for (const need of ["tools", "vision", "jsonMode", "jsonSchema"] as const) {
            expect(capabilities[need] || !features[need]).toBe(true);
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  it("refuse a conversation that no context holds, with the estimate and the limit", () => {
    const error = refusal({ ...plain, promptChars: 20_000_000, promptTokens: 5_000_000 });
    expect(error).toMatchObject({ code: "context_length_exceeded", param: "messages" });
    const contextMax = Math.max(...models.map(({ contextTokens }) => contextTokens));
    expect(String(error)).toContain("5000001 tokens");
    expect(String(error)).toContain(`${contextMax} tokens`);
  });

  it("refuse a request that needs what no available model has, and say what", () => {
    const blind = models.filter(({ capabilities }) => !capabilities.vision);
    const error = refusal({ ...plain, vision: true, tools: true }, blind);
    expect(error).toMatchObject({ code: "invalid_request", param: "model" });
    expect(String(error)).toContain("it needs tools, images");
  });
});

describe("the explanation", () => {
  it("is one line of ASCII that names scorer, tier, margin and runner-up", () => {
    const decision = choose(plain, models);
    const [, runnerUp] = decision.models;
    const feasible = decision.models.length;
    expect(toExplanationText(decision.explanation)).toBe(
      `scorer=length; chars=47; wanted=free; tier=free; margin=353; runner-up=${runnerUp?.name}; feasible=${feasible}`,
    );
  });

  it("says so when the tier is not the wanted one", () => {
    const ultra = models.filter(({ tier }) => tier === tierNames[4]);
    expect(toExplanationText(choose(plain, ultra).explanation)).toContain(
      "wanted=free; tier=ultra",
    );
  });
});

describe("the features of a request", () => {
  it("count the characters of texts, parts and tool arguments, and 1,000 tokens for an image", () => {
    const request = create(CreateChatCompletionRequestSchema, {
      model: "auto",
      messages: [
        { role: "system", content: { kind: { case: "text", value: "abcd" } } },
        {
          role: "user",
          content: {
            kind: {
              case: "parts",
              value: {
                values: [
                  { type: "text", text: "efgh" },
                  { type: "image_url", imageUrl: { url: "https://example.com/a.png" } },
                ],
              },
            },
          },
        },
        { role: "assistant", toolCalls: [{ id: "1", function: { name: "f", arguments: "{}" } }] },
      ],
      tools: [{ type: "function", function: { name: "f" } }],
      responseFormat: { type: "json_object" },
      maxTokens: 99,
    });
    expect(readFeatures(request)).toEqual({
      promptChars: 10,
      promptTokens: 1_003,
      maxOutputTokens: 99,
      tools: true,
      vision: true,
      jsonMode: true,
      jsonSchema: false,
    });
  });
});

function refusal(features: Features, among = models): unknown {
  try {
    choose(features, among);
  } catch (error) {
    return error;
  }
  return undefined;
}
