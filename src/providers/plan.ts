// Decides from configuration and environment which providers there are and what each serves.

import type { Catalogue, CatalogueModel } from "../catalogue/models.ts";
import { type ProviderKind, providerPresets } from "../catalogue/presets.ts";
import type {
  ProviderConfig,
  ProviderModel,
  Timeouts,
} from "../gen/optamil/config/v1/config_pb.ts";
import type { Deployment } from "./deployment.ts";
import { findKey, type KeySources, noKey, readKeyVariable } from "./provider-key.ts";

/** A provider to open. */
export type ProviderPlan = {
  readonly name: string;
  readonly kind: ProviderKind | "demo";
  readonly baseUrl: string;
  readonly apiKey: string | undefined;
  readonly relay: "verbatim" | "normalised";
  readonly allowPrivateNetwork: boolean;
  /** Its own; default: the gateway's. */
  readonly timeouts?: Timeouts | undefined;
  /** Whether `[DONE]` alone ends a stream. Default false. */
  readonly doneEndsStreams?: boolean | undefined;
  readonly deployments: readonly Deployment[];
  /** The same of embedding models. */
  readonly embeddings: readonly Deployment[];
};

/** The providers to open, and what is wrong. */
export type Plan = {
  readonly providers: readonly ProviderPlan[];
  /** Mistakes that must be mended first, a line each. */
  readonly problems: readonly string[];
  /** What the operator should know, a line each. */
  readonly notices: readonly string[];
};

/** The words that the configuration takes. */
const kinds = ["openai", "anthropic", "gemini", "demo"] as const satisfies ProviderPlan["kind"][];

/** One provider, or what is wrong with it. */
type Row = { readonly provider?: ProviderPlan; readonly problems: readonly string[] };

/** The plan for the configured providers; without any, for the presets with a key, else for the demo. */
export function toPlan(
  configs: readonly ProviderConfig[],
  sources: KeySources,
  catalogue: Catalogue,
): Plan {
  const rows =
    configs.length > 0
      ? configs.map((config, at) => toConfiguredRow(config, at, configs, sources, catalogue))
      : toPresetRows(sources, catalogue);
  const providers = rows.flatMap(({ provider }) => provider ?? []);
  const problems = rows.flatMap((row) => row.problems);
  const notices = providers
    .filter(({ deployments, embeddings }) => deployments.length + embeddings.length === 0)
    .map(({ name }) => `Provider '${name}' serves no model: list some under its models.`);
  if (configs.length > 0 || providers.length > 0) return { providers, problems, notices };
  const notice = "No provider key is set: the demo provider answers in place of every model.";
  return { providers: [toDemo(catalogue)], problems, notices: [...notices, notice] };
}

function toDemo(catalogue: Catalogue): ProviderPlan {
  const deployments = toDeployments(catalogue.models, "demo", false);
  const embeddings = toDeployments(catalogue.embeddingModels, "demo", false);
  return { ...blank, name: "demo", kind: "demo", deployments, embeddings };
}

const blank = {
  baseUrl: "",
  apiKey: undefined,
  relay: "verbatim",
  allowPrivateNetwork: false,
} as const;

function toPresetRows(sources: KeySources, catalogue: Catalogue): Row[] {
  return providerPresets
    .filter(({ apiKeyEnv }) => sources.environment[apiKeyEnv]?.trim())
    .map((preset) => {
      const { name, kind, baseUrl, apiKeyEnv } = preset;
      const key = readKeyVariable(sources, apiKeyEnv, apiKeyEnv);
      const { apiKey } = key;
      const served = findOwn(name, true, catalogue);
      const provider = { ...blank, name, kind, baseUrl, apiKey, ...served };
      return { provider, problems: key.problems };
    });
}

function toConfiguredRow(
  config: ProviderConfig,
  at: number,
  configs: readonly ProviderConfig[],
  sources: KeySources,
  catalogue: Catalogue,
): Row {
  const path = `providers[${at}]`;
  const { name } = config;
  const preset = providerPresets.find((row) => row.name === name);
  const named = kinds.find((word) => word === config.kind);
  const kind = named ?? preset?.kind ?? (name === "demo" ? "demo" : "openai");
  const baseUrl = config.baseUrl || preset?.baseUrl || "";
  const problems: string[] = [];
  if (configs.findIndex((other) => other.name === name) < at) {
    problems.push(`${path}.name: another provider is called '${name}' already`);
  }
  if (kind !== "demo" && baseUrl === "") {
    problems.push(`${path}.baseUrl: is missing, and there is no preset called '${name}'`);
  } else if (kind !== "demo" && !/^https?:\/\/[^/@]+(\/|$)/.test(baseUrl)) {
    problems.push(`${path}.baseUrl: must be an http or https URL without user and password`);
  }
  const key = kind === "demo" ? noKey : findKey(config, preset, sources, path);
  const served = findModels(config, kind, catalogue, path);
  const relay = config.relay === "normalised" ? "normalised" : "verbatim";
  const { apiKey } = key;
  const { allowPrivateNetwork, maxConcurrent } = config;
  const bounded = (deployments: readonly Deployment[]) =>
    maxConcurrent === undefined
      ? deployments
      : deployments.map((deployment) => ({ ...deployment, maxConcurrent }));
  const provider = {
    name,
    kind,
    baseUrl,
    apiKey,
    relay,
    allowPrivateNetwork,
    ...(config.timeouts !== undefined && { timeouts: config.timeouts }),
    ...(config.doneEndsStreams && { doneEndsStreams: true }),
    deployments: bounded(served.deployments),
    embeddings: bounded(served.embeddings),
  } as const;
  return { provider, problems: [...problems, ...key.problems, ...served.problems] };
}

type Served = Pick<ProviderPlan, "deployments" | "embeddings"> & {
  readonly problems: readonly string[];
};

/** What a provider serves that lists nothing: its models of the catalogue, and the demo provider all of them. */
function findOwn(name: string, live: boolean, catalogue: Catalogue): Omit<Served, "problems"> {
  const isOwn = ({ provider }: CatalogueModel) => !live || provider === name;
  return {
    deployments: toDeployments(catalogue.models.filter(isOwn), name, live),
    embeddings: toDeployments(catalogue.embeddingModels.filter(isOwn), name, live),
  };
}

function findModels(
  config: ProviderConfig,
  kind: ProviderPlan["kind"],
  catalogue: Catalogue,
  path: string,
): Served {
  const { name, models } = config;
  const live = kind !== "demo";
  if (models.length === 0) return { ...findOwn(name, live, catalogue), problems: [] };
  const deployments: Deployment[] = [];
  const embeddings: Deployment[] = [];
  const problems: string[] = [];
  for (const [at, entry] of models.entries()) {
    const { modelName, upstreamName, ...details } = readEntry(entry);
    const embedding = catalogue.embeddingByName(modelName);
    const model = embedding ?? catalogue.byName(modelName);
    if (model === undefined) {
      problems.push(`${path}.models[${at}]: there is no model '${modelName}'; add it under models`);
      continue;
    }
    if (embedding !== undefined && kind === "anthropic") {
      const reason = `'${modelName}' makes embeddings, which the API of kind anthropic does not have`;
      problems.push(`${path}.models[${at}]: ${reason}`);
      continue;
    }
    const upstreamModel = upstreamName || model.upstreamName;
    const deployment = { model: model.name, provider: name, upstreamModel, live, ...details };
    (embedding === undefined ? deployments : embeddings).push(deployment);
  }
  return { deployments, embeddings, problems };
}

function readEntry({ kind }: ProviderModel) {
  if (kind.case !== "deployment")
    return { modelName: kind.value ?? "", upstreamName: "", weight: 1 };
  const { name, upstreamName, weight = 1, timeouts } = kind.value;
  return { modelName: name, upstreamName, weight, ...(timeouts !== undefined && { timeouts }) };
}

function toDeployments(
  models: readonly CatalogueModel[],
  provider: string,
  live: boolean,
): Deployment[] {
  return models.map(({ name, upstreamName }) => ({
    model: name,
    provider,
    upstreamModel: upstreamName,
    weight: 1,
    live,
  }));
}
