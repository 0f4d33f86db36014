import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createCatalogue, type Model } from "../../src/catalogue/models.ts";
import { tierNames, tiers } from "../../src/catalogue/tiers.ts";
import { CreateChatCompletionRequestSchema } from "../../src/gen/optamil/v1/chat_pb.ts";
import {
  choose,
  type Decision,
  type Explanation,
  toExplanationText,
} from "../../src/router/choose.ts";
import { type Features, readFeatures } from "../../src/router/features.ts";
import { openNetwork } from "../../src/router/network.ts";
import type { Preferences } from "../../src/router/preferences.ts";
import { prompts } from "./prompts.ts";

const { models } = createCatalogue();

const network = openNetwork();

const plain: Features = {
  prompt: "Explain quantum computing in one sentence, please.",
  promptChars: 47,
  promptTokens: 12,
  maxOutputTokens: undefined,
  tools: false,
  vision: false,
  jsonMode: false,
  jsonSchema: false,
};

const anyFeatures: fc.Arbitrary<Features> = fc.record({
  prompt: fc.oneof(fc.string({ maxLength: 300 }), fc.constantFrom(...prompts)),
  promptChars: fc.nat(2_000_000),
  promptTokens: fc.nat(1_500_000),
  maxOutputTokens: fc.option(fc.integer({ min: 1, max: 200_000 }), { nil: undefined }),
  tools: fc.boolean(),
  vision: fc.boolean(),
  jsonMode: fc.boolean(),
  jsonSchema: fc.boolean(),
});

const anyQuality = fc.double({ min: 0, max: 1, noNaN: true });

const anyPreferences = fc.record({
  quality: anyQuality,
  maxCostUsd: fc.double({ min: 0, max: 1, noNaN: true }),
  prefer: fc.subarray(models.map(({ name }) => name)),
  avoid: fc.subarray(models.map(({ name }) => name)),
  tierMin: fc.constantFrom(...tierNames),
  tierMax: fc.constantFrom(...tierNames),
});

describe("the knob", () => {
  it("at 0 picks the cheapest model that can serve", () => {
    const { explanation } = decide(plain, models, { quality: 0 });
    const costs = models.map(({ name }) => decide(plain, [named(name)]).explanation.costUsd);
    expect(explanation.costUsd).toBe(Math.min(...costs));
  });

  it("at 1 picks a model of the highest chance, whatever it costs", () => {
    const { explanation } = decide(plain, models, { quality: 1 });
    expect(explanation.p[explanation.tier]).toBe(Math.max(...Object.values(explanation.p)));
  });

  it("never lowers the expected cost or the chance of a good answer when it is turned up", () => {
    fc.assert(
      fc.property(anyFeatures, anyQuality, anyQuality, (features, a, b) => {
        const low = decisionOf(features, { quality: Math.min(a, b) });
        const high = decisionOf(features, { quality: Math.max(a, b) });
        if (low === undefined || high === undefined) return;
        expect(high.costUsd).toBeGreaterThanOrEqual(low.costUsd);
        expect(high.p[high.tier]).toBeGreaterThanOrEqual(low.p[low.tier]);
      }),
      { numRuns: 10_000 },
    );
  });
});

describe("the caller's bounds", () => {
  it("are kept by every model that is ranked", () => {
    fc.assert(
      fc.property(anyFeatures, anyPreferences, (features, preferences) => {
        const ranked = rankedOf(features, preferences);
        for (const { name, tier } of ranked) {
          expect(preferences.avoid).not.toContain(name);
          expect(tiers[tier].rank).toBeGreaterThanOrEqual(tiers[preferences.tierMin].rank);
          expect(tiers[tier].rank).toBeLessThanOrEqual(tiers[preferences.tierMax].rank);
        }
        const [first] = ranked;
        if (first === undefined) return;
        const { costUsd } = decide(features, [first]).explanation;
        expect(costUsd).toBeLessThanOrEqual(preferences.maxCostUsd);
      }),
      { numRuns: 10_000 },
    );
  });

  it("that leave no model are refused by the name of the member", () => {
    expect(refusal(plain, [named("gpt-5")], { quality: 0.5, maxCostUsd: 0 })).toMatchObject({
      code: "invalid_request",
      param: "optamil",
    });
  });

  it("let a preferred model win over one that is about as good", () => {
    const { models: ranked } = decide(plain, models);
    const [, next] = ranked;
    expect(next).toBeDefined();
    const prefer = [next?.name ?? ""];
    expect(decide(plain, models, { quality: 0.7, prefer }).models[0].name).toBe(next?.name);
  });
});

describe("hard constraints", () => {
  it("never let a model through that cannot serve the request", () => {
    fc.assert(
      fc.property(anyFeatures, (features) => {
        const ranked = rankedOf(features, { quality: 0.7 });
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
  it("is one line of ASCII with the knob, the chances, the margin, the runner-up and the reasons", () => {
    const decision = decide(plain, models);
    const text = toExplanationText(decision.explanation);
    expect(text).toMatch(
      /^scorer=neural; quality=0\.80; lambda=0\.\d+; need=-?[\d.]+; p=[\d.,]+; tier=\w+; cost=[\d.e-]+; margin=[\d.e-]+; runner-up=\S+; because=[+-].+; feasible=\d+$/,
    );
    expect(text).toContain(`runner-up=${decision.models[1]?.name}`);
  });

  it("gives the stronger tier no lower chance than the weaker one", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 3_000 }), (prompt) => {
        const chances = Object.values(decide({ ...plain, prompt }, models).explanation.p);
        expect(chances).toEqual(chances.toSorted((a, b) => a - b));
      }),
      { numRuns: 300 },
    );
  });
});

describe("a decision", () => {
  const atDraw = (draw: number) => {
    const exploration = { sharePpm: 50_000, random: () => draw };
    return choose(plain, models, network, { quality: 0.8 }, exploration);
  };

  it("holds what it is learned from: the weights, what was ranked and how likely the choice was", () => {
    const { models: tried, explanation } = decide(plain, models);
    expect(explanation).toMatchObject({ weights: network.id, propensityPpm: 1_000_000 });
    expect(explanation.ranked.map(({ model }) => model)).toEqual(tried);
    const worths = explanation.ranked.map(({ worth }) => worth);
    expect(worths).toEqual(worths.toSorted((one, other) => other - one));
    expect(explanation.ranked[0]?.costUsd).toBe(explanation.costUsd);
  });

  it("is explored among the best, says how likely that was, and falls back to the best one", () => {
    const best = decide(plain, models);
    expect(atDraw(0.5).models).toEqual(best.models);
    expect(atDraw(0.5).explanation.propensityPpm).toBe(956_250);
    const [first, second, third, ...others] = best.models;
    const explored = atDraw(0.0063);
    expect(explored.models).toEqual([third, first, second, ...others]);
    expect(explored.explanation).toMatchObject({ propensityPpm: 6_250, runnerUp: first.name });
    expect(explored.explanation.margin).toBeLessThanOrEqual(0);
    expect(toExplanationText(explored.explanation)).toContain("; propensity=0.00625; because=");
  });

  it("is explored within the caller's bounds alone", () => {
    const preferences = { quality: 0.8, tierMax: "budget" } as const;
    for (let draw = 0; draw < 0.05; draw += 0.001) {
      const exploration = { sharePpm: 50_000, random: () => draw };
      const { explanation } = choose(plain, models, network, preferences, exploration);
      expect(["free", "budget"]).toContain(explanation.tier);
    }
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
      prompt: "efgh\n",
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

function named(name: string): Model {
  const model = models.find((row) => row.name === name);
  if (model === undefined) throw new Error(`no model ${name}`);
  return model;
}

function decide(features: Features, among: readonly Model[], preferences?: Preferences): Decision {
  return choose(features, among, network, preferences);
}

function rankedOf(features: Features, preferences: Preferences): readonly Model[] {
  try {
    return decide(features, models, preferences).models;
  } catch (error) {
    expect(error).toMatchObject({ row: { status: 400 } });
    return [];
  }
}

function decisionOf(features: Features, preferences: Preferences): Explanation | undefined {
  const ranked = rankedOf(features, preferences);
  return ranked.length === 0 ? undefined : decide(features, models, preferences).explanation;
}

function refusal(features: Features, among = models, preferences?: Preferences): unknown {
  try {
    decide(features, among, preferences);
  } catch (error) {
    return error;
  }
  return undefined;
}
