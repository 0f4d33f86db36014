// Lays the models of the configuration over the catalogue's own.
import type { ModelConfig } from "../gen/optamil/config/v1/config_pb.ts";
import { SettingsError } from "../platform/settings.ts";
import type { EmbeddingOverride } from "./embedding-models.ts";
import {
  type Catalogue,
  type CatalogueModel,
  createCatalogue,
  type EmbeddingModel,
  type Model,
  type ModelOverride,
} from "./models.ts";
import { tierNames } from "./tiers.ts";

/** The catalogue that the configuration asks for; throws SettingsError with the path of every mistake. */
export function toCatalogue(configs: readonly ModelConfig[]): Catalogue {
  const builtIn = createCatalogue();
  const problems: string[] = [];
  const models: ModelOverride[] = [];
  const embeddingModels: EmbeddingOverride[] = [];
  for (const [at, config] of configs.entries()) {
    const known = builtIn.byName(config.name);
    const embedding = builtIn.embeddingByName(config.name);
    problems.push(
      ...findProblems(config, known ?? embedding, builtIn).map(
        (problem) => `models[${at}].${problem}`,
      ),
    );
    const isEmbedding = embedding !== undefined || config.dimensions !== undefined;
    const others: readonly { readonly name: string }[] = isEmbedding ? models : embeddingModels;
    if (others.some(({ name }) => name === config.name)) {
      problems.push(`models[${at}].dimensions: '${config.name}' has none elsewhere`);
    }
    if (isEmbedding) embeddingModels.push(toEmbeddingOverride(config, embedding));
    else models.push(toOverride(config, known));
  }
  if (problems.length > 0) throw new SettingsError(problems);
  return createCatalogue(models, embeddingModels);
}

/** What is wrong with one of them, each with its field. */
function findProblems(
  { name, tier, dimensions, ...config }: ModelConfig,
  known: CatalogueModel | undefined,
  builtIn: Catalogue,
): string[] {
  if (name === builtIn.autoModel.name) return ["name: 'auto' is the router"];
  const problems: string[] = [];
  if (tier === "" && known === undefined) {
    problems.push("tier: is missing; a model that the catalogue does not have needs it");
  }
  if (dimensions !== undefined && builtIn.byName(name) !== undefined) {
    problems.push(`dimensions: '${name}' is a chat model`);
  }
  const isEmbedding = dimensions !== undefined || builtIn.embeddingByName(name) !== undefined;
  if (!isEmbedding && config.inputsMax !== undefined) {
    problems.push("inputsMax: belongs to an embedding model, which has dimensions");
  }
  const foreign = ["maxOutputTokens", "tools", "vision", "jsonMode"] as const;
  for (const field of foreign) {
    if (isEmbedding && config[field] !== undefined) {
      problems.push(`${field}: an embedding model has none`);
    }
  }
  return problems;
}

function toEmbeddingOverride(
  config: ModelConfig,
  known: EmbeddingModel | undefined,
): EmbeddingOverride {
  const { dimensions, inputsMax } = config;
  return {
    ...toCommon(config, known),
    ...(dimensions !== undefined && { dimensions }),
    ...(inputsMax !== undefined && { inputsMax }),
  };
}

/** What the configuration says of a model of either kind. */
function toCommon(config: ModelConfig, known: CatalogueModel | undefined) {
  const { name, provider, ownedBy, contextTokens } = config;
  const { unsupportedParameters: more, supportedParameters: fewer } = config;
  const untaken = [...(known?.unsupportedParameters ?? []), ...more];
  const tier = tierNames.find((one) => one === config.tier);
  return {
    name,
    ...(tier !== undefined && { tier }),
    ...(provider !== "" && { provider }),
    ...(ownedBy !== "" && { ownedBy }),
    ...(contextTokens !== undefined && { contextTokens }),
    ...(more.length + fewer.length > 0 && {
      unsupportedParameters: untaken.filter((one) => !fewer.includes(one)),
    }),
  };
}

/** Only what the configuration says: everything else is the catalogue's, or its default. */
function toOverride(model: ModelConfig, known: Model | undefined): ModelOverride {
  const { maxOutputTokens, tools, vision, jsonMode, supportedParameters: fewer } = model;
  const reasoning = known?.whileReasoning;
  return {
    ...toCommon(model, known),
    ...(maxOutputTokens !== undefined && { maxOutputTokens }),
    ...(reasoning !== undefined && {
      whileReasoning: {
        ...reasoning,
        unsupportedParameters: reasoning.unsupportedParameters.filter(
          (name) => !fewer.includes(name),
        ),
      },
    }),
    capabilities: {
      ...(tools !== undefined && { tools }),
      ...(vision !== undefined && { vision }),
      ...(jsonMode !== undefined && { jsonMode }),
    },
  };
}
