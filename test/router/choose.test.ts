import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createCatalogue, type Model } from "../../src/catalogue/models.ts";
import { tierNames } from "../../src/catalogue/tiers.ts";
import { CreateChatCompletionRequestSchema } from "../../src/gen/optamil/v1/chat_pb.ts";
import { choose, type Explanation, toExplanationText } from "../../src/router/choose.ts";
import { type Features, readFeatures } from "../../src/router/features.ts";
import { type Network, openNetwork } from "../../src/router/network.ts";

const { models } = createCatalogue();

const network = openNetwork();

const plain: Features = {
  task: "Name the capital of France.",
  promptChars: 47,
  promptTokens: 12,
  maxOutputTokens: undefined,
  tools: false,
  vision: false,
  jsonMode: false,
  jsonSchema: false,
};

const anyFeatures: fc.Arbitrary<Features> = fc.record({
  task: fc.string({ maxLength: 3_000 }),
  promptChars: fc.nat(2_000_000),
  promptTokens: fc.nat(1_500_000),
  maxOutputTokens: fc.option(fc.integer({ min: 1, max: 200_000 }), { nil: undefined }),
  tools: fc.boolean(),
  vision: fc.boolean(),
  jsonMode: fc.boolean(),
  jsonSchema: fc.boolean(),
});

/** A network that gives these chances to every prompt. */
function networkOf(...chances: number[]): Network {
  const assessment = { need: 0, chances, outputTokens: 100 };
  return Object.assign(openNetwork(), { assess: () => assessment });
}

function costOf({ cost }: Model): number {
  return 3 * cost.inputNanoUsdPerToken + cost.outputNanoUsdPerToken;
}

describe("the choice", () => {
  it("at quality 1 is the tier with the best chance, at 0 the cheapest tier", () => {
    const rising = networkOf(0.2, 0.4, 0.6, 0.8, 0.9);
    expect(choose(plain, models, rising, 1).explanation.tier).toBe("ultra");
    expect(choose(plain, models, rising, 0).explanation.tier).toBe("free");
  });

  it("is the cheapest tier where a stronger one is no better", () => {
    const flat = networkOf(0.7, 0.7, 0.7, 0.7, 0.7);
    expect(choose(plain, models, flat, 1).explanation.tier).toBe("free");
  });

  it("is the cheapest model of its tier", () => {
    const { models: ranked, explanation } = choose(plain, models, network);
    const costs = models.filter(({ tier }) => tier === explanation.tier).map(costOf);
    expect(costOf(ranked[0])).toBe(Math.min(...costs));
  });

  it("goes by what it is asked, not by how long the conversation is", () => {
    const features = { ...plain, promptChars: 100_000, promptTokens: 25_000 };
    expect(choose(features, models, network).explanation.chances).toEqual(
      choose(plain, models, network).explanation.chances,
    );
  });

  it("never becomes cheaper, nor less likely to be good, with a higher quality", () => {
    const qualities = fc.tuple(
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.double({ min: 0, max: 1, noNaN: true }),
    );
    fc.assert(
      fc.property(fc.string({ maxLength: 300 }), qualities, (task, pair) => {
        const [low = 0, high = 1] = pair.toSorted((one, other) => one - other);
        const weak = choose({ ...plain, task }, models, network, low);
        const strong = choose({ ...plain, task }, models, network, high);
        const rankOf = ({ tier }: Explanation) => tierNames.indexOf(tier);
        expect(rankOf(strong.explanation)).toBeGreaterThanOrEqual(rankOf(weak.explanation));
        const chanceOf = ({ chances, tier }: Explanation) => chances[tierNames.indexOf(tier)] ?? 0;
        expect(chanceOf(strong.explanation)).toBeGreaterThanOrEqual(chanceOf(weak.explanation));
      }),
      { numRuns: 1_000 },
    );
  });
});

describe("hard constraints", () => {
  it("never let a model through that cannot serve the request", () => {
    fc.assert(
      fc.property(anyFeatures, (features) => {
        let ranked: ReturnType<typeof choose>["models"];
        try {
          ranked = choose(features, models, network).models;
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
      { numRuns: 10_000 },
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
  it("is one line of ASCII that names scorer, chances, quality, tier, margin and runner-up", () => {
    const decision = choose(plain, models, networkOf(0.2, 0.4, 0.6, 0.8, 0.9), 1);
    const [, runnerUp] = decision.models;
    expect(toExplanationText(decision.explanation)).toBe(
      `scorer=neural; p=0.20,0.40,0.60,0.80,0.90; quality=1; lambda=0.000; tier=ultra; margin=0.100; runner-up=${runnerUp?.name}; feasible=${models.length}`,
    );
  });

  it("has no margin where there is one tier only", () => {
    const ultra = models.filter(({ tier }) => tier === "ultra");
    expect(toExplanationText(choose(plain, ultra, network).explanation)).not.toContain("margin");
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
      task: "efgh",
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
    choose(features, among, network);
  } catch (error) {
    return error;
  }
  return undefined;
}
