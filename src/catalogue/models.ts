/** The catalogue of models: the built-in rows, with those of the configuration laid over them. */

import assert from "node:assert/strict";
import { createEmbeddingModels, type EmbeddingOverride } from "./embedding-models.ts";
import type { Capabilities, EmbeddingModel, Model, ModelCost } from "./model.ts";
import { builtInModels } from "./models-data.ts";
import { parametersOf } from "./parameters.ts";
import { type TierName, tiers } from "./tiers.ts";

// The rows' types live apart, or models-data.ts and this file would import each other.
export type { Capabilities, CatalogueModel, EmbeddingModel, Model } from "./model.ts";

/** The name that asks the Neural Router for a model; no row may have it. */
export const autoModelName = "auto";

/** `auto` as `/v1/models` shows it: not a row, for it is whichever model the router picks. */
export interface AutoModel {
  readonly name: typeof autoModelName;
  readonly ownedBy: "optamil";
  readonly description: string;
  /** The largest context of the catalogue: a longer prompt fits no model. */
  readonly contextTokens: number;
}

/** All models one process knows. It never changes once it is made. */
export interface Catalogue {
  /** Chat models, in the order of the built-in rows, then of the overrides that added one. */
  readonly models: readonly Model[];
  readonly autoModel: AutoModel;
  /** The chat model with exactly this name; undefined for an unknown one and for `auto`. */
  byName(name: string): Model | undefined;
  /** Models for embeddings alone, in the same order. No name is of both kinds. */
  readonly embeddingModels: readonly EmbeddingModel[];
  /** The embedding model with exactly this name. */
  embeddingByName(name: string): EmbeddingModel | undefined;
}

/**
 * What the configuration says of one model. For the name of a model that exists, the fields given
 * replace its own. A new name needs `tier`; its other fields default as below.
 *
 * - `provider`: none, so a provider of the configuration must list the model.
 * - `upstreamName`: the name itself, which is what most servers of own models expect.
 * - `ownedBy`: the provider, else "custom".
 * - `contextTokens`: 128,000, the smallest window common among today's models.
 * - `maxOutputTokens`: 4,096, which nearly every model can answer; never above `contextTokens`.
 * - `capabilities`: tools and JSON mode, as most servers have them; the others must be claimed.
 * - `cost`: the tier's price for input and output alike, so that the router can compare it.
 * - `createdAt`: not known.
 * - `unsupportedParameters`, `whileReasoning`, `renamedParameters`: none.
 */
export interface ModelOverride extends Partial<Omit<Model, "name" | "capabilities">> {
  readonly name: string;
  /** Those given replace the model's; the others stay. */
  readonly capabilities?: Partial<Capabilities>;
}

const defaultCapabilities: Capabilities = {
  tools: true,
  vision: false,
  jsonMode: true,
  jsonSchema: false,
  reasoning: false,
};

/**
 * A catalogue of the built-in models with `overrides` laid over them in order, by name (default:
 * none). Fails on a built-in name that occurs twice, on the name `auto`, and on a new model
 * without a tier, or for embeddings without dimensions.
 */
export function createCatalogue(
  overrides: readonly ModelOverride[] = [],
  embeddingOverrides: readonly EmbeddingOverride[] = [],
): Catalogue {
  const models = new Map<string, Model>();
  for (const model of builtInModels) {
    assert(!models.has(model.name), `model ${model.name} has two rows in the catalogue`);
    models.set(model.name, toFrozen({ ...model, ...parametersOf(model) }));
  }
  for (const override of overrides) {
    assert(override.name !== autoModelName, "auto is the router's name, no model can have it");
    models.set(override.name, toFrozen(toModel(override, models.get(override.name))));
  }
  const embeddings = createEmbeddingModels(embeddingOverrides);
  for (const name of embeddings.keys()) {
    assert(!models.has(name) && name !== autoModelName, `${name} is a chat model already`);
  }
  return toCatalogue(models, embeddings);
}

function toCatalogue(
  models: ReadonlyMap<string, Model>,
  embeddings: ReadonlyMap<string, EmbeddingModel>,
): Catalogue {
  const rows = Object.freeze([...models.values()]);
  return Object.freeze({
    models: rows,
    autoModel: Object.freeze({
      name: autoModelName,
      ownedBy: "optamil",
      description: "Neural Router - automatic model selection",
      contextTokens: Math.max(...rows.map((model) => model.contextTokens)),
    }),
    byName: (name: string) => models.get(name),
    embeddingModels: Object.freeze([...embeddings.values()]),
    embeddingByName: (name: string) => embeddings.get(name),
  });
}

function toModel(override: ModelOverride, existing: Model | undefined): Model {
  const base = existing ?? toNewModel(override);
  const model = {
    ...base,
    ...override,
    capabilities: { ...base.capabilities, ...override.capabilities },
  };
  return { ...model, maxOutputTokens: Math.min(model.maxOutputTokens, model.contextTokens) };
}

function toNewModel({ name, tier, provider }: ModelOverride): Model {
  assert(tier !== undefined, `model ${name} is new and needs a tier`);
  return {
    name,
    tier,
    upstreamName: name,
    ownedBy: provider ?? "custom",
    contextTokens: 128_000,
    maxOutputTokens: 4_096,
    capabilities: defaultCapabilities,
    cost: toAssumedCost(tier),
  };
}

function toAssumedCost(tier: TierName): ModelCost {
  const nanoUsdPerToken = Number(tiers[tier].priceMicroUsdPerMillionTokens / 1_000n);
  return {
    inputNanoUsdPerToken: nanoUsdPerToken,
    outputNanoUsdPerToken: nanoUsdPerToken,
    source: "price of the tier",
  };
}

function toFrozen(model: Model): Model {
  return Object.freeze({
    ...model,
    capabilities: Object.freeze({ ...model.capabilities }),
    cost: Object.freeze({ ...model.cost }),
  });
}
