// Turns the model that was asked for into the deployments to try, in order.
import type { Catalogue, Model } from "../catalogue/models.ts";
import type { TierName } from "../catalogue/tiers.ts";
import { OptamilError } from "../platform/errors.ts";
import type { Deployment } from "../providers/deployment.ts";
import { choose, type Explanation, toExplanationText } from "../router/choose.ts";
import { type Features, readFeatures } from "../router/features.ts";
import type { Network } from "../router/network.ts";
import { readPreferences } from "../router/read-preferences.ts";
import type { ChatCall } from "./call.ts";

/** A model at a provider that can be tried. */
export type Candidate = { readonly model: Model; readonly deployment: Deployment };

/** What to try, best first, and why. */
export type Route = {
  readonly candidates: readonly Candidate[];
  /** What the request needs and how long it is. */
  readonly features: Features;
  /** Tier of the model that the client named; undefined for `auto`. */
  readonly requestedTier: TierName | undefined;
  /** The router's reasons in one line, if it was asked. */
  readonly explanation: string | undefined;
  /** The same, whole. */
  readonly decision?: Explanation | undefined;
};

/** What a route is found in. */
export type RouteParts = {
  readonly catalogue: Catalogue;
  /** Deployments by the catalogue's model name; a model without one is not configured. */
  readonly deployments: ReadonlyMap<string, readonly Deployment[]>;
  /** Chooses for `auto`. */
  readonly network: Network;
  /** A number from 0 up to 1, for the weights. */
  readonly random: () => number;
};

/** Deployments tried for one request, at most: each costs the client's time. */
const candidatesMax = 4;

/**
 * The deployments that may answer a call, best first; at least one.
 *
 * Throws `permission_denied` (the key may not ask for the model), `model_not_found`, `service_unavailable`
 * (no provider of the model is configured), or what `choose` throws.
 */
export function findRoute(call: ChatCall, parts: RouteParts): Route {
  const name = call.request.model;
  const allowed = call.caller.models;
  if (allowed !== undefined && !allowed.includes(name)) {
    throw new OptamilError("permission_denied", `This key may not use the model '${name}'.`, {
      param: "model",
    });
  }
  if (name === parts.catalogue.autoModel.name) return findAutoRoute(call, parts);
  const model = parts.catalogue.byName(name);
  if (model === undefined) {
    throw new OptamilError(
      "model_not_found",
      `The model '${name}' does not exist. GET /v1/models lists the models; 'auto' picks one.`,
      { param: "model" },
    );
  }
  if (!mayUse(call, model)) {
    const message = `This key may not use models of the tier '${model.tier}'.`;
    throw new OptamilError("permission_denied", message, { param: "model" });
  }
  const candidates = candidatesOf(model, parts);
  if (candidates.length === 0) throw notConfigured(model, call);
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
  const models = parts.catalogue.models.filter(
    ({ name }) => parts.deployments.has(name) && (allowed.size === 0 || allowed.has(name)),
  );
  if (models.length === 0) throw new OptamilError("service_unavailable", "No model is available.");
  const features = readFeatures(call.request);
  const decision = choose(
    features,
    models,
    parts.network,
    readPreferences(call.request, call.quality),
  );
  const candidates: Candidate[] = [];
  for (const model of decision.models) {
    candidates.push(...candidatesOf(model, parts));
    if (candidates.length >= candidatesMax) break;
  }
  return {
    candidates: candidates.slice(0, candidatesMax),
    features,
    requestedTier: undefined,
    explanation: toExplanationText(decision.explanation),
    decision: decision.explanation,
  };
}

/** Whether the caller's key may ask for models of this tier. */
function mayUse({ caller: { tiers } }: ChatCall, { tier }: Model): boolean {
  return tiers === undefined || tiers.includes(tier);
}

/** The deployments of a model: one drawn by weight, then the others, heaviest first. */
function candidatesOf(model: Model, parts: RouteParts): Candidate[] {
  const deployments = parts.deployments.get(model.name) ?? [];
  const [only] = deployments;
  if (only === undefined) return [];
  if (deployments.length === 1) return [{ model, deployment: only }];
  const drawn = drawByWeight(deployments, parts.random()) ?? only;
  const others = deployments.filter((deployment) => deployment !== drawn);
  others.sort((a, b) => b.weight - a.weight);
  return [drawn, ...others].map((deployment) => ({ model, deployment }));
}

function drawByWeight(deployments: readonly Deployment[], at: number): Deployment | undefined {
  let rest = at * deployments.reduce((sum, { weight }) => sum + weight, 0);
  return deployments.find(({ weight }) => {
    rest -= weight;
    return rest < 0;
  });
}

function notConfigured(model: Model, call: ChatCall): OptamilError {
  const hint = call.caller.scopes.includes("admin")
    ? ` No provider serves it: set the key of provider '${model.provider}' in the environment, or name the model under providers in the configuration.`
    : "";
  return new OptamilError(
    "service_unavailable",
    `The model '${model.name}' is not configured on this gateway.${hint}`,
    { param: "model", shouldRetry: false },
  );
}
