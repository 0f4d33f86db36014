/** What is known of each provider. */

import { expect, it } from "vitest";
import { createCatalogue } from "../../src/catalogue/models.ts";
import { providerPresets } from "../../src/catalogue/presets.ts";

it("a preset's name and key variable belong to it alone", () => {
  expect(new Set(providerPresets.map((preset) => preset.name)).size).toBe(providerPresets.length);
  const keys = new Set(providerPresets.map((preset) => preset.apiKeyEnv));
  expect(keys.size).toBe(providerPresets.length);
});

it.each(providerPresets)("$name is called over TLS with a key of its own", (preset) => {
  const url = new URL(preset.baseUrl);
  expect(url.protocol).toBe("https:");
  expect(preset.baseUrl.endsWith("/")).toBe(false);
  expect(preset.apiKeyEnv).toMatch(/^[A-Z]+_API_KEY$/);
});

it("anthropic and gemini speak their own API, all others OpenAI's", () => {
  const others = providerPresets.filter((preset) => preset.kind !== "openai");
  expect(others.map(({ name, kind }) => [name, kind])).toEqual([
    ["anthropic", "anthropic"],
    ["gemini", "gemini"],
  ]);
});

it.each(providerPresets)("$name serves at least one built-in model", ({ name }) => {
  expect(createCatalogue().models.some((model) => model.provider === name)).toBe(true);
});
