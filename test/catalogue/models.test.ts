/** What the catalogue holds, and how the configuration's rows are laid over the built-in ones. */

import { describe, expect, it } from "vitest";
import { createCatalogue } from "../../src/catalogue/models.ts";
import { providerPresets } from "../../src/catalogue/presets.ts";
import { type TierName, tierOfBlendedPrice } from "../../src/catalogue/tiers.ts";

const publicTable: readonly (readonly [TierName, readonly string[]])[] = [
  ["free", ["gemini-2.5-flash", "gemini-2.5-pro", "llama-3.3-70b"]],
  ["budget", ["deepseek-v3", "deepseek-r1", "qwen-2.5-72b"]],
  ["mid", ["gpt-4.1-mini", "claude-3.5-haiku"]],
  ["premium", ["claude-sonnet-4", "gpt-5", "gpt-4.1"]],
  ["ultra", ["claude-opus-4", "o3", "o4-mini"]],
];
const publicNames = publicTable.flatMap(([, names]) => names);

describe("the built-in models", () => {
  const { models, byName, autoModel } = createCatalogue();

  it.each(publicTable)("the public API's %s models are in that tier", (tier, names) => {
    expect(names.map((name) => byName(name)?.tier)).toEqual(names.map(() => tier));
  });

  it("are more than 55 and no two of them have the same name", () => {
    expect(models.length).toBeGreaterThanOrEqual(60);
    expect(new Set(models.map((model) => model.name)).size).toBe(models.length);
  });

  it("outside the public API's table are in the tier of their list price", () => {
    const others = models.filter((model) => !publicNames.includes(model.name));
    expect(others.length).toBe(models.length - 14);
    const misplaced = others.filter(
      ({ tier, cost }) =>
        tier !== tierOfBlendedPrice(cost.inputNanoUsdPerToken, cost.outputNanoUsdPerToken),
    );
    expect(misplaced).toEqual([]);
  });

  it("are each served by a provider that has a preset, under a name no other row has there", () => {
    const presets = providerPresets.map((preset) => preset.name);
    expect(models.filter(({ provider }) => !presets.includes(provider ?? ""))).toEqual([]);
    const upstreams = models.map(({ provider, upstreamName }) => `${provider} ${upstreamName}`);
    expect(new Set(upstreams).size).toBe(models.length);
  });

  it.each(models)("$name has whole token limits and a whole, dated price", (model) => {
    const { contextTokens, maxOutputTokens, cost } = model;
    for (const tokens of [contextTokens, maxOutputTokens]) {
      expect(Number.isSafeInteger(tokens) && tokens > 0).toBe(true);
    }
    expect(maxOutputTokens).toBeLessThanOrEqual(contextTokens);
    const input = cost.inputNanoUsdPerToken;
    const output = cost.outputNanoUsdPerToken;
    const cachedInput = cost.cachedInputNanoUsdPerToken ?? 0;
    for (const nanoUsd of [input, output, cachedInput]) {
      expect(Number.isSafeInteger(nanoUsd) && nanoUsd >= 0).toBe(true);
    }
    expect(output).toBeGreaterThanOrEqual(input);
    expect(cachedInput).toBeLessThanOrEqual(input);
    expect(cost.source).toMatch(/ page$/);
    expect(cost.asOf).toMatch(/^2026-\d\d-\d\d$/);
  });

  it.each(models)("$name was released on a day before its price was read", (model) => {
    const createdAt = model.createdAt ?? Number.NaN;
    expect(createdAt % 86_400).toBe(0);
    expect(createdAt).toBeGreaterThan(Date.UTC(2024, 0, 1) / 1_000);
    expect(createdAt).toBeLessThanOrEqual(Date.parse(model.cost.asOf ?? "") / 1_000);
  });

  it("have the release day at midnight UTC, in Unix seconds", () => {
    expect(byName("gpt-4.1")?.createdAt).toBe(1_744_588_800); // 2025-04-14
  });

  it("have the provider's price in nano-US$ per token, one thousandth of US$ per 1M", () => {
    expect(byName("gpt-4o-mini")?.cost).toMatchObject({
      inputNanoUsdPerToken: 150,
      outputNanoUsdPerToken: 600,
      cachedInputNanoUsdPerToken: 75,
    });
  });

  it("do not hold auto, whose window is the largest of theirs", () => {
    expect(byName("auto")).toBeUndefined();
    expect(autoModel).toEqual({
      name: "auto",
      ownedBy: "optamil",
      description: "Neural Router - automatic model selection",
      contextTokens: byName("llama-4-scout")?.contextTokens,
    });
    expect(models.filter((model) => model.contextTokens > autoModel.contextTokens)).toEqual([]);
  });

  it("cannot be changed", () => {
    const model = byName("gpt-5");
    for (const part of [models, model, model?.capabilities, model?.cost, autoModel]) {
      expect(typeof part === "object" && Object.isFrozen(part)).toBe(true);
    }
  });
});

describe("an override", () => {
  it("with a new name and a tier adds a model with the documented defaults", () => {
    const { models, byName } = createCatalogue([{ name: "team/own:7b", tier: "budget" }]);
    expect(models.at(-1)).toBe(byName("team/own:7b"));
    expect(byName("team/own:7b")).toEqual({
      name: "team/own:7b",
      tier: "budget",
      upstreamName: "team/own:7b",
      ownedBy: "custom",
      contextTokens: 128_000,
      maxOutputTokens: 4_096,
      capabilities: {
        tools: true,
        vision: false,
        jsonMode: true,
        jsonSchema: false,
        reasoning: false,
      },
      cost: {
        inputNanoUsdPerToken: 140,
        outputNanoUsdPerToken: 140,
        source: "price of the tier",
      },
    });
  });

  it("of a new model is owned by its provider unless it says otherwise", () => {
    const { byName } = createCatalogue([
      { name: "a", tier: "mid", provider: "vllm" },
      { name: "b", tier: "mid", provider: "vllm", ownedBy: "us" },
    ]);
    expect([byName("a")?.ownedBy, byName("b")?.ownedBy]).toEqual(["vllm", "us"]);
  });

  it("of a built-in model replaces the fields it gives and keeps the others and the place", () => {
    const before = createCatalogue();
    const after = createCatalogue([
      { name: "o3", provider: "proxy", capabilities: { vision: false } },
    ]);
    const o3 = before.byName("o3");
    expect(after.byName("o3")).toEqual({
      ...o3,
      provider: "proxy",
      capabilities: { ...o3?.capabilities, vision: false },
    });
    expect(after.models.map((model) => model.name)).toEqual(
      before.models.map((model) => model.name),
    );
  });

  it("that comes later is laid over the earlier one of the same name", () => {
    const { byName } = createCatalogue([
      { name: "own", tier: "mid", contextTokens: 32_000 },
      { name: "own", tier: "ultra" },
    ]);
    expect(byName("own")).toMatchObject({ tier: "ultra", contextTokens: 32_000 });
  });

  it("with a window shorter than the answer shortens the answer", () => {
    const { byName } = createCatalogue([{ name: "tiny", tier: "free", contextTokens: 2_048 }]);
    expect(byName("tiny")?.maxOutputTokens).toBe(2_048);
  });

  it("with a larger window than all others widens auto's", () => {
    const { autoModel } = createCatalogue([
      { name: "vast", tier: "ultra", contextTokens: 10_000_000 },
    ]);
    expect(autoModel.contextTokens).toBe(10_000_000);
  });

  it("does not reach another catalogue", () => {
    createCatalogue([{ name: "own", tier: "mid" }]);
    expect(createCatalogue().byName("own")).toBeUndefined();
  });

  it("named auto is refused", () => {
    expect(() => createCatalogue([{ name: "auto", tier: "mid" }])).toThrow(/auto/);
  });

  it("with a new name but no tier is refused by that name", () => {
    expect(() => createCatalogue([{ name: "own" }])).toThrow(/own is new and needs a tier/);
  });
});
