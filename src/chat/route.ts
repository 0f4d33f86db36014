// Turns the model that was asked for into the deployments to try, in order.
import type { Catalogue, CatalogueModel, Model } from "../catalogue/models.ts";
import type { TierName } from "../catalogue/tiers.ts";
import type { Caller } from "../keys/verify.ts";
import { invalidRequest, OptamilError } from "../platform/errors.ts";
import type { ParameterPolicy } from "../platform/settings.ts";
import type { Deployment } from "../providers/deployment.ts";
import type { Provider } from "../providers/provider.ts";
import { choose, type Explanation, toExplanationText } from "../router/choose.ts";
import type { Exploration } from "../router/explore.ts";
import { type Features, readFeatures } from "../router/features.ts";
import type { Network } from "../router/network.ts";
import { readPreferences } from "../router/read-preferences.ts";
import type { Question, Shadow } from "../router/shadow.ts";
import type { ChatCall, MeteredCall } from "./call.ts";
import type { Candidate } from "./candidates.ts";
import type { DeploymentHealth } from "./deployment-health.ts";
import { affinityOf, orderDeployments } from "./order-deployments.ts";
import { policyOf, refuseParameter, untakenAt } from "./parameters.ts";

/** What to try, best first, and why. */
export type Route = {
  readonly candidates: readonly Candidate<Model>[];
  /** What the request needs and how long it is. */
  readonly features: Features;
  /** Tier of the model that the client named; undefined for `auto`. */
  readonly requestedTier: TierName | undefined;
  /** The router's reasons in one line, if it was asked. */
  readonly explanation: string | undefined;
  /** The same, whole. */
  readonly decision?: Explanation | undefined;
  /** What was asked of it. */
  readonly question?: Question | undefined;
};

/** What a route is found in. */
export type RouteParts = {
  readonly catalogue: Catalogue;
  /** Deployments by the catalogue's model name; a model without one is not configured. */
  readonly deployments: ReadonlyMap<string, readonly Deployment[]>;
  /** Chooses for `auto`. */
  readonly network: Network;
  /** What it gives to others than the best. Default: nothing. */
  readonly exploration?: Exploration | undefined;
  /** Asked beside it. Default: nobody is. */
  readonly shadow?: Shadow | undefined;
  readonly health: DeploymentHealth;
  readonly providers: ReadonlyMap<string, Provider>;
  /** What becomes of parameters that a model cannot take, unless the key says otherwise. Default: drop. */
  readonly parameterPolicy?: ParameterPolicy | undefined;
  /** Quality of a caller's requests that ask for none. Default: the router's. */
  readonly qualityOf?: ((caller: Caller) => number | undefined) | undefined;
};

/** Deployments tried for one request, at most: each costs the client's time. */
export const candidatesMax = 4;

/**
 * The deployments that may answer a call, best first; at least one.
 *
 * Throws `permission_denied` (the key may not ask for the model), `model_not_found`, `service_unavailable`
 * (no provider of the model is configured), or what `choose` throws.
 */
export function findRoute(call: ChatCall, parts: RouteParts): Route {
  const name = call.request.model;
  refuseForbiddenName(call);
  if (name === parts.catalogue.autoModel.name) return findAutoRoute(call, parts);
  const model = parts.catalogue.byName(name);
  if (model === undefined) throw noSuchModel(name, parts);
  refuseForbiddenTier(call, model);
  if (!parts.deployments.has(name)) throw notConfigured(model, call);
  const taking = refuseUntaken([model], call, parts);
  const candidates = candidatesOf(model, () => affinityOf(call.request), taking);
  if (candidates.length === 0) throw notWell([model], taking);
  return {
    candidates: candidates.slice(0, candidatesMax),
    features: readFeatures(call.request),
    requestedTier: model.tier,
    explanation: undefined,
  };
}

function findAutoRoute(call: ChatCall, parts: RouteParts): Route {
  const allowed = new Set(call.caller.models);
  allowed.delete(parts.catalogue.autoModel.name);
  // A key for `auto` alone may be given any model; one that names models too gets only those.
  const configured = parts.catalogue.models.filter(
    ({ name }) => parts.deployments.has(name) && (allowed.size === 0 || allowed.has(name)),
  );
  const taking = refuseUntaken(configured, call, parts);
  const able = configured.filter(({ name }) => taking.deployments.has(name));
  const models = parts.health.allWell ? able : able.filter(({ name }) => isWell(name, taking));
  if (models.length === 0) throw notWell(able, taking);
  const features = readFeatures(call.request);
  const quality = call.quality ?? parts.qualityOf?.(call.caller);
  const preferences = readPreferences(call.request, quality);
  const decision = choose(features, models, parts.network, preferences, parts.exploration);
  const candidates: Candidate<Model>[] = [];
  for (const model of decision.models) {
    candidates.push(...candidatesOf(model, () => affinityOf(call.request), taking));
    if (candidates.length >= candidatesMax) break;
  }
  return {
    candidates: candidates.slice(0, candidatesMax),
    features,
    requestedTier: undefined,
    explanation: toExplanationText(decision.explanation),
    decision: decision.explanation,
    question: { features, models, preferences },
  };
}

/** The parts with only the deployments that take every parameter, if the rest is refused; throws if none is left. */
function refuseUntaken(models: readonly Model[], call: ChatCall, parts: RouteParts): RouteParts {
  const { deployments, providers, parameterPolicy } = parts;
  if (policyOf(call, parameterPolicy) !== "reject" || models.length === 0) return parts;
  let refused = "";
  const taking = new Map<string, readonly Deployment[]>();
  for (const model of models) {
    const able = (deployments.get(model.name) ?? []).filter(({ provider, upstreamModel }) => {
      const at = providers.get(provider);
      const [untaken] = untakenAt(model, at, upstreamModel, call.request);
      if (untaken !== undefined) refused = untaken;
      return untaken === undefined;
    });
    if (able.length > 0) taking.set(model.name, able);
  }
  if (taking.size > 0) return { ...parts, deployments: taking };
  throw refuseParameter(refused, call.request.model);
}

/** Throws `permission_denied` where the caller's key names models, and not this one. */
export function refuseForbiddenName({ caller, request: { model: name } }: MeteredCall): void {
  if (caller.models === undefined || caller.models.includes(name)) return;
  throw new OptamilError("permission_denied", `This key may not use the model '${name}'.`, {
    param: "model",
  });
}

/** Throws `permission_denied` where the caller's key may not ask for models of this tier. */
export function refuseForbiddenTier(
  { caller: { tiers } }: MeteredCall,
  { tier }: CatalogueModel,
): void {
  if (tiers === undefined || tiers.includes(tier)) return;
  const message = `This key may not use models of the tier '${tier}'.`;
  throw new OptamilError("permission_denied", message, { param: "model" });
}

function noSuchModel(name: string, { catalogue }: RouteParts): OptamilError {
  if (catalogue.embeddingByName(name) !== undefined) {
    return invalidRequest(
      `The model '${name}' makes embeddings and does not chat: POST /v1/embeddings asks it.`,
      "model",
    );
  }
  return new OptamilError(
    "model_not_found",
    `The model '${name}' does not exist. GET /v1/models lists the models; 'auto' picks one.`,
    { param: "model" },
  );
}

/** Where models are had, and which of these places are well. */
export type Places = Pick<RouteParts, "deployments" | "health">;

/**
 * The deployments of a model that may be asked now, in the order in which they should be. Requests of one affinity
 * have the same order.
 */
export function candidatesOf<M extends CatalogueModel>(
  model: M,
  affinity: () => string,
  { deployments, health }: Places,
): Candidate<M>[] {
  const all = deployments.get(model.name) ?? [];
  const well = all.filter((one) => health.waitMs(one) === 0);
  const ordered = well.length < 2 ? well : orderDeployments(well, affinity());
  return ordered.map((deployment) => ({ model, deployment }));
}

function isWell(name: string, { deployments, health }: RouteParts): boolean {
  return (deployments.get(name) ?? []).some((deployment) => health.waitMs(deployment) === 0);
}

/** All have just failed: when the first of them may be asked again. */
export function notWell(
  models: readonly CatalogueModel[],
  { deployments, health }: Places,
): OptamilError {
  const waitsMs = models
    .flatMap(({ name }) => deployments.get(name) ?? [])
    .map((deployment) => health.waitMs(deployment));
  const message =
    models.length === 1 ? "The model is temporarily unavailable." : "No model is available.";
  return new OptamilError("service_unavailable", message, {
    ...(waitsMs.length > 0 && { retryAfterMs: Math.max(1, Math.min(...waitsMs)) }),
  });
}

/** The operator is told what to set. */
export function notConfigured(model: CatalogueModel, call: MeteredCall): OptamilError {
  const hint = call.caller.scopes.includes("admin")
    ? ` No provider serves it: set the key of provider '${model.provider}' in the environment, or name the model under providers in the configuration.`
    : "";
  return new OptamilError(
    "service_unavailable",
    `The model '${model.name}' is not configured on this gateway.${hint}`,
    { param: "model", shouldRetry: false },
  );
}
