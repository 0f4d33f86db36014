/** What the tiers cost, and into which tier a price puts a model. */

import { describe, expect, it } from "vitest";
import { tierNames, tierOfBlendedPrice, tiers } from "../../src/catalogue/tiers.ts";

describe("tiers", () => {
  it.each([
    ["free", 0, 0n, "Simple queries, classification, summarization"],
    ["budget", 1, 140_000n, "Code generation, analysis, reasoning"],
    ["mid", 2, 1_500_000n, "Complex tasks, nuanced writing"],
    ["premium", 3, 5_000_000n, "Expert reasoning, creative work"],
    ["ultra", 4, 15_000_000n, "Frontier tasks, research, max capability"],
  ] as const)("%s has rank %i and the price and words of the public API's table", (...row) => {
    const [name, rank, priceMicroUsdPerMillionTokens, bestFor] = row;
    expect(tiers[name]).toEqual({ name, rank, priceMicroUsdPerMillionTokens, bestFor });
  });

  it("are listed by ascending rank and price", () => {
    const ascending = Object.values(tiers).toSorted((a, b) => a.rank - b.rank);
    expect(ascending.map((tier) => tier.name)).toEqual(tierNames);
    const prices = ascending.map((tier) => tier.priceMicroUsdPerMillionTokens);
    expect(prices).toEqual(prices.toSorted((a, b) => (a < b ? -1 : 1)));
  });
});

describe("the tier of a price", () => {
  it.each([
    ["nothing", 0, 0, "free"],
    ["the least there is", 0, 1, "budget"],
    ["US$ 0.50 per 1M tokens", 500, 500, "budget"],
    ["a quarter nano-US$ more than that", 500, 501, "mid"],
    ["US$ 3", 3_000, 3_000, "mid"],
    ["a little more than US$ 3", 3_000, 3_001, "premium"],
    ["US$ 10", 10_000, 10_000, "premium"],
    ["a little more than US$ 10", 10_000, 10_001, "ultra"],
  ])("of %s is right at the bound", (_price, input, output, tier) => {
    expect(tierOfBlendedPrice(input, output)).toBe(tier);
  });

  it("counts three input tokens for each output token", () => {
    expect(tierOfBlendedPrice(5_000, 25_000)).toBe("premium");
    expect(tierOfBlendedPrice(25_000, 5_000)).toBe("ultra");
  });
});
