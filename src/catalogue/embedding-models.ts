// The built-in embedding models, one row each, and how the configuration's rows are laid over them.
import assert from "node:assert/strict";
import type { EmbeddingModel } from "./model.ts";
import { type TierName, tiers } from "./tiers.ts";

/** The most inputs of one request, to any model: OpenAI's own bound. */
const inputsMax = 2_048;

/** What a model takes where the configuration does not say: tokens of one input. */
const contextTokens = 8_192;

/** All built-in embedding models. A price is that of input; vectors cost nothing. */
const builtInEmbeddingModels: readonly EmbeddingModel[] = [
  {
    name: "text-embedding-3-small",
    tier: "budget",
    provider: "openai",
    upstreamName: "text-embedding-3-small",
    ownedBy: "openai",
    createdAt: startOf("2024-01-25"),
    contextTokens,
    dimensions: 1_536,
    inputsMax,
    cost: price("OpenAI model page", 20),
  },
  {
    name: "text-embedding-3-large",
    tier: "budget",
    provider: "openai",
    upstreamName: "text-embedding-3-large",
    ownedBy: "openai",
    createdAt: startOf("2024-01-25"),
    contextTokens,
    dimensions: 3_072,
    inputsMax,
    cost: price("OpenAI model page", 130),
  },
  {
    name: "text-embedding-ada-002",
    tier: "budget",
    provider: "openai",
    upstreamName: "text-embedding-ada-002",
    ownedBy: "openai",
    createdAt: startOf("2022-12-15"),
    contextTokens,
    dimensions: 1_536,
    inputsMax,
    cost: price("OpenRouter model page", 100),
    unsupportedParameters: ["dimensions"],
  },
  {
    name: "gemini-embedding-001",
    tier: "budget",
    provider: "gemini",
    upstreamName: "gemini-embedding-001",
    ownedBy: "google",
    createdAt: startOf("2025-07-14"),
    contextTokens: 2_048,
    dimensions: 3_072,
    // What batchEmbedContents takes.
    inputsMax: 100,
    cost: price("OpenCode model page", 150),
  },
  {
    name: "mistral-embed",
    tier: "budget",
    provider: "mistral",
    upstreamName: "mistral-embed",
    ownedBy: "mistral",
    createdAt: startOf("2023-12-11"),
    contextTokens,
    dimensions: 1_024,
    inputsMax,
    cost: price("OpenRouter model page", 100),
    unsupportedParameters: ["dimensions"],
  },
  {
    name: "codestral-embed",
    tier: "budget",
    provider: "mistral",
    upstreamName: "codestral-embed-2505",
    ownedBy: "mistral",
    createdAt: startOf("2025-05-28"),
    contextTokens,
    dimensions: 1_536,
    inputsMax,
    cost: price("OpenRouter model page", 150),
    // Its API has another name for it.
    unsupportedParameters: ["dimensions"],
  },
  {
    name: "bge-m3",
    tier: "budget",
    provider: "openrouter",
    upstreamName: "baai/bge-m3",
    ownedBy: "baai",
    createdAt: startOf("2024-01-30"),
    contextTokens,
    dimensions: 1_024,
    inputsMax,
    cost: price("OpenRouter model page", 10),
    unsupportedParameters: ["dimensions"],
  },
];

/**
 * What the configuration says of one embedding model. For the name of one that exists, the fields given replace its
 * own. A new name needs `tier` and `dimensions`; its other fields default as a chat model's do, but for 8,192 tokens
 * of an input and 2,048 inputs.
 */
export type EmbeddingOverride = Partial<EmbeddingModel> & { readonly name: string };

/** The built-in rows with `overrides` laid over them in order, by name. */
export function createEmbeddingModels(
  overrides: readonly EmbeddingOverride[],
): ReadonlyMap<string, EmbeddingModel> {
  const models = new Map(builtInEmbeddingModels.map((model) => [model.name, model]));
  for (const override of overrides) {
    models.set(override.name, toModel(override, models.get(override.name)));
  }
  return new Map([...models].map(([name, model]) => [name, Object.freeze(model)]));
}

function toModel(
  override: EmbeddingOverride,
  existing: EmbeddingModel | undefined,
): EmbeddingModel {
  if (existing !== undefined) return { ...existing, ...override };
  const { name, tier, dimensions, provider } = override;
  assert(tier && dimensions, `embedding model ${name} is new and needs a tier and dimensions`);
  const ownedBy = provider ?? "custom";
  const cost = toAssumedCost(tier);
  const given = { upstreamName: name, ownedBy, contextTokens, inputsMax, cost, ...override };
  return { ...given, name, tier, dimensions };
}

function toAssumedCost(tier: TierName) {
  const inputNanoUsdPerToken = Number(tiers[tier].priceMicroUsdPerMillionTokens / 1_000n);
  return { inputNanoUsdPerToken, outputNanoUsdPerToken: 0, source: "price of the tier" };
}

function startOf(day: string): number {
  return Date.parse(`${day}T00:00:00Z`) / 1_000;
}

function price(source: string, inputNanoUsdPerToken: number) {
  return { inputNanoUsdPerToken, outputNanoUsdPerToken: 0, source, asOf: "2026-11-29" };
}
