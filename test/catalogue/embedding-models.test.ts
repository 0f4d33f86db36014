/** What the catalogue knows of embedding models, and how the configuration's rows are laid over them. */
import { describe, expect, it } from "vitest";
import { toCatalogue } from "../../src/catalogue/model-config.ts";
import { createCatalogue } from "../../src/catalogue/models.ts";
import { providerPresets } from "../../src/catalogue/presets.ts";
import { tierOfBlendedPrice } from "../../src/catalogue/tiers.ts";
import { parseConfig, SettingsError } from "../../src/platform/settings.ts";

const builtIn = createCatalogue();

/** The catalogue of a configuration with these models. */
const configured = (...models: object[]) =>
  toCatalogue(parseConfig(JSON.stringify({ models }), "test").models);

describe("the built-in embedding models", () => {
  it("are no chat models", () => {
    const names = builtIn.embeddingModels.map(({ name }) => name);
    expect(names).toContain("text-embedding-3-small");
    expect(names.filter((name) => builtIn.byName(name) !== undefined)).toEqual([]);
    expect(new Set(names).size).toBe(names.length);
  });

  it.each(builtIn.embeddingModels)(
    "$name has a preset, the tier of its price, limits, and a dated price of input alone",
    ({ provider, tier, cost, dimensions, inputsMax, contextTokens }) => {
      expect(providerPresets.map(({ name }) => name)).toContain(provider);
      expect(tier).toBe(tierOfBlendedPrice(cost.inputNanoUsdPerToken, 0));
      expect(cost).toMatchObject({ outputNanoUsdPerToken: 0 });
      expect(cost.source).toMatch(/ page$/);
      expect(cost.asOf).toMatch(/^\d{4}-\d\d-\d\d$/);
      expect(cost.inputNanoUsdPerToken).toBeGreaterThan(0);
      for (const limit of [dimensions, inputsMax, contextTokens]) {
        expect(Number.isSafeInteger(limit) && limit > 0).toBe(true);
      }
      expect(inputsMax).toBeLessThanOrEqual(2_048);
    },
  );
});

describe("the configuration", () => {
  it("adds an embedding model by its dimensions, which is no chat model", () => {
    const own = { name: "nomic-embed-text", tier: "free", dimensions: 768 };
    const { models, embeddingByName, byName } = configured(own);
    expect(embeddingByName("nomic-embed-text")).toEqual({
      ...{ ...own, upstreamName: "nomic-embed-text", ownedBy: "custom" },
      ...{ contextTokens: 8_192, inputsMax: 2_048 },
      cost: { inputNanoUsdPerToken: 0, outputNanoUsdPerToken: 0, source: "price of the tier" },
    });
    expect(byName("nomic-embed-text")).toBeUndefined();
    expect(models).toEqual(builtIn.models);
  });

  it("changes what it says of one that is there, and keeps the rest", () => {
    const { embeddingByName } = configured({
      ...{ name: "text-embedding-3-small", tier: "mid", inputsMax: 16 },
      unsupportedParameters: ["user"],
    });
    expect(embeddingByName("text-embedding-3-small")).toEqual({
      ...builtIn.embeddingByName("text-embedding-3-small"),
      ...{ tier: "mid", inputsMax: 16, unsupportedParameters: ["user"] },
    });
  });

  it("is refused with the path of every mistake", () => {
    const check = () =>
      configured(
        { name: "own-vectors", dimensions: 8 },
        { name: "gpt-5", dimensions: 8 },
        { name: "own", tier: "mid", inputsMax: 8 },
        { name: "bge-m3", tools: true, maxOutputTokens: 5 },
        { name: "own", tier: "mid", dimensions: 4 },
      );
    expect(check).toThrow(SettingsError);
    expect(() => check()).toThrow(
      expect.objectContaining({
        problems: [
          "models[0].tier: is missing; a model that the catalogue does not have needs it",
          "models[1].dimensions: 'gpt-5' is a chat model",
          "models[2].inputsMax: belongs to an embedding model, which has dimensions",
          "models[3].maxOutputTokens: an embedding model has none",
          "models[3].tools: an embedding model has none",
          "models[4].dimensions: 'own' has none elsewhere",
        ],
      }),
    );
  });
});
