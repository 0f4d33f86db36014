// ModelService: the catalogue as OpenAI's model objects.
import { create } from "@bufbuild/protobuf";
import type {
  AutoModel,
  Catalogue,
  CatalogueModel,
  EmbeddingModel,
  Model,
} from "../../catalogue/models.ts";
import type { DeploymentReport, DeploymentStateName } from "../../chat/deployment-health.ts";
import {
  ListModelHealthResponseSchema,
  type ListModelsResponse,
  ListModelsResponseSchema,
  type Model as ModelMessage,
  ModelSchema,
  ModelService,
} from "../../gen/optamil/v1/models_pb.ts";
import { OptamilError } from "../../platform/errors.ts";
import type { Deployment } from "../../providers/deployment.ts";
import { type MethodEntry, unary } from "../exchange.ts";

/** What the list is made of. */
export type ModelParts = {
  readonly catalogue: Catalogue;
  readonly deployments: ReadonlyMap<string, readonly Deployment[]>;
  /** The same of embedding models. */
  readonly embeddings: ReadonlyMap<string, readonly Deployment[]>;
};

/** How the deployment is of whatever version of the configuration is in force. */
export type ReportDeployment = (deployment: Deployment) => DeploymentReport;

/** The methods of ModelService. Messages are made once for each version of the configuration. */
export function modelMethods(
  current: () => ModelParts,
  report: ReportDeployment,
): readonly MethodEntry[] {
  let made: { readonly of: ModelParts; readonly page: ModelPage } | undefined;
  const page = () => {
    const parts = current();
    if (made?.of !== parts) made = { of: parts, page: toPage(parts) };
    return made.page;
  };
  return [
    unary(ModelService.method.listModels, () => page().list),
    unary(ModelService.method.listModelHealth, () =>
      create(ListModelHealthResponseSchema, { object: "list", data: toHealth(current(), report) }),
    ),
    unary(ModelService.method.getModel, ({ model }) => {
      const message = page().byName.get(model);
      if (message !== undefined) return message;
      throw new OptamilError("model_not_found", `The model '${model}' does not exist.`, {
        param: "model",
      });
    }),
  ];
}

type ModelPage = {
  readonly list: ListModelsResponse;
  readonly byName: ReadonlyMap<string, ModelMessage>;
};

function toPage(parts: ModelParts): ModelPage {
  const { autoModel, models, embeddingModels } = parts.catalogue;
  const byName = new Map<string, ModelMessage>([[autoModel.name, toAutoMessage(autoModel, parts)]]);
  for (const model of models) byName.set(model.name, toMessage(model, parts));
  for (const model of embeddingModels) byName.set(model.name, toEmbeddingMessage(model, parts));
  const data = [...byName.values()];
  return { byName, list: create(ListModelsResponseSchema, { object: "list", data }) };
}

function toAutoMessage(auto: AutoModel, { catalogue, deployments }: ModelParts): ModelMessage {
  const all = [...deployments.values()].flat();
  return create(ModelSchema, {
    id: auto.name,
    object: "model",
    created: BigInt(Math.max(...catalogue.models.map(({ createdAt }) => createdAt ?? 0))),
    ownedBy: auto.ownedBy,
    description: auto.description,
    contextLength: auto.contextTokens,
    maxOutputTokens: Math.max(...catalogue.models.map(({ maxOutputTokens }) => maxOutputTokens)),
    status: toStatus(all),
  });
}

function toMessage(model: Model, { deployments }: ModelParts): ModelMessage {
  const { capabilities } = model;
  return create(ModelSchema, {
    ...toCommon(model, deployments),
    maxOutputTokens: model.maxOutputTokens,
    capabilities: {
      tools: capabilities.tools,
      vision: capabilities.vision,
      jsonMode: capabilities.jsonMode,
      jsonSchema: capabilities.jsonSchema,
      reasoning: capabilities.reasoning,
    },
  });
}

function toEmbeddingMessage(model: EmbeddingModel, { embeddings }: ModelParts): ModelMessage {
  const { dimensions } = model;
  return create(ModelSchema, { ...toCommon(model, embeddings), dimensions });
}

/** What is said of a model of either kind. */
function toCommon(
  { name, tier, provider, ownedBy, createdAt, contextTokens, cost }: CatalogueModel,
  deployments: ModelParts["deployments"],
) {
  return {
    id: name,
    object: "model",
    created: BigInt(createdAt ?? 0),
    ownedBy,
    tier,
    ...(provider !== undefined && { provider }),
    contextLength: contextTokens,
    pricing: {
      prompt: toUsd(cost.inputNanoUsdPerToken),
      completion: toUsd(cost.outputNanoUsdPerToken),
      ...(cost.cachedInputNanoUsdPerToken !== undefined && {
        inputCacheRead: toUsd(cost.cachedInputNanoUsdPerToken),
      }),
      ...(cost.asOf !== undefined && { asOf: cost.asOf }),
    },
    status: toStatus(deployments.get(name) ?? []),
  };
}

/** States from the best to the worst; what was not asked is not told. */
const stateOrder: readonly DeploymentStateName[] = ["well", "failing", "resting"];

function toHealth({ deployments, embeddings }: ModelParts, report: ReportDeployment) {
  return [...deployments, ...embeddings].flatMap(([id, all]) => {
    const reports = all.map(report);
    for (const state of stateOrder) {
      const best = reports.filter((one) => one.state === state);
      const [{ latencyMs } = {}] = best.toSorted(byLatency);
      if (best.length > 0) return [{ id, state, ...(latencyMs !== undefined && { latencyMs }) }];
    }
    return [];
  });
}

function byLatency(one: DeploymentReport, other: DeploymentReport): number {
  return (one.latencyMs ?? Infinity) - (other.latencyMs ?? Infinity);
}

function toStatus(deployments: readonly Deployment[]): string {
  if (deployments.length === 0) return "not_configured";
  return deployments.some(({ live }) => live) ? "live" : "demo";
}

/** Nano-US$ as an exact decimal of US$: 140 is "0.00000014". */
function toUsd(nanoUsd: number): string {
  const digits = String(nanoUsd).padStart(10, "0");
  const decimals = digits.slice(-9).replace(/0+$/, "");
  const whole = digits.slice(0, -9);
  return decimals === "" ? whole : `${whole}.${decimals}`;
}
