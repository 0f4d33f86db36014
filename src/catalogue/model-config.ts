// Reads the models of the configuration into overrides of the catalogue.
import type { ModelConfig } from "../gen/optamil/config/v1/config_pb.ts";
import { SettingsError } from "../platform/settings.ts";
import { createCatalogue, type Model, type ModelOverride } from "./models.ts";
import { tierNames } from "./tiers.ts";

/** The overrides; throws SettingsError with the path of every mistake. */
export function toModelOverrides(models: readonly ModelConfig[]): ModelOverride[] {
  const builtIn = createCatalogue();
  const problems: string[] = [];
  const overrides = models.map((model, at) => {
    const path = `models[${at}]`;
    if (model.name === builtIn.autoModel.name) problems.push(`${path}.name: 'auto' is the router`);
    else if (model.tier === "" && builtIn.byName(model.name) === undefined) {
      problems.push(`${path}.tier: is missing; a model that the catalogue does not have needs it`);
    }
    return toOverride(model, builtIn.byName(model.name));
  });
  if (problems.length > 0) throw new SettingsError(problems);
  return overrides;
}

/** Only what the configuration says: everything else is the catalogue's, or its default. */
function toOverride(model: ModelConfig, known: Model | undefined): ModelOverride {
  const { contextTokens, maxOutputTokens, tools, vision, jsonMode } = model;
  const { unsupportedParameters: more, supportedParameters: fewer } = model;
  const untaken = [...(known?.unsupportedParameters ?? []), ...more];
  const takes = (name: string) => !fewer.includes(name);
  const reasoning = known?.whileReasoning;
  const tier = tierNames.find((name) => name === model.tier);
  return {
    name: model.name,
    ...(tier !== undefined && { tier }),
    ...(model.provider !== "" && { provider: model.provider }),
    ...(model.ownedBy !== "" && { ownedBy: model.ownedBy }),
    ...(contextTokens !== undefined && { contextTokens }),
    ...(maxOutputTokens !== undefined && { maxOutputTokens }),
    ...(more.length + fewer.length > 0 && {
      unsupportedParameters: untaken.filter(takes),
    }),
    ...(reasoning !== undefined && {
      whileReasoning: {
        ...reasoning,
        unsupportedParameters: reasoning.unsupportedParameters.filter(takes),
      },
    }),
    capabilities: {
      ...(tools !== undefined && { tools }),
      ...(vision !== undefined && { vision }),
      ...(jsonMode !== undefined && { jsonMode }),
    },
  };
}
