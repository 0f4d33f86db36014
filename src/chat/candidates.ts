// Tries the deployments of a route in their order until one has begun its answer.
import type { CatalogueModel } from "../catalogue/models.ts";
import type { Clock } from "../platform/clock.ts";
import { OptamilError } from "../platform/errors.ts";
import type { Deployment } from "../providers/deployment.ts";
import type { ProviderFailure } from "../providers/provider.ts";
import type { MeteredCall } from "./call.ts";
import type { DeploymentHealth } from "./deployment-health.ts";
import { endedBy, type MeteredRequest, unserved } from "./metered-request.ts";
import type { Slots } from "./provider-slots.ts";

/** A model at a provider that can be tried. */
export type Candidate<M extends CatalogueModel = CatalogueModel> = {
  readonly model: M;
  readonly deployment: Deployment;
};

/** What became of an answer by one candidate. */
export type Attempted = {
  /** Whether any of it has gone to the client: then nobody else can answer. */
  readonly hasBegun: boolean;
  /** How the provider failed; undefined: it did not. */
  readonly failure: ProviderFailure | undefined;
};

/** One of them, when it is its turn. */
export type Trial<M extends CatalogueModel> = {
  readonly candidate: Candidate<M>;
  readonly request: MeteredRequest;
  /** Since the request came in. */
  readonly elapsedMs: number;
  /** Of that, in the gateway itself. */
  readonly overheadMs: number;
};

/** What trying stands on. */
export type TrialParts = {
  readonly slots: Slots;
  readonly health: DeploymentHealth;
  readonly clock: Clock;
};

/**
 * Tries the candidates of an admitted request. Resolves when one of them has answered, well or with an error frame;
 * settles and throws what the client is to be told when none has begun.
 */
export async function tryInOrder<M extends CatalogueModel>(
  call: MeteredCall,
  candidates: readonly Candidate<M>[],
  request: MeteredRequest,
  parts: TrialParts,
  attempt: (trial: Trial<M>) => Promise<Attempted>,
): Promise<void> {
  let last: ProviderFailure | undefined;
  let upstreamMs = 0;
  for (const candidate of candidates) {
    const startedAtMs = parts.clock.monotonicMs();
    const elapsedMs = startedAtMs - call.receivedAtMs;
    const trial = { candidate, request, elapsedMs, overheadMs: elapsedMs - upstreamMs };
    const { hasBegun, failure } = await attemptInTurn(call, parts, trial, attempt);
    const latencyMs = parts.clock.monotonicMs() - startedAtMs;
    parts.health.ended(candidate.deployment, failure, latencyMs);
    const errorClass = failure?.errorClass;
    const model = candidate.model.name;
    const { provider } = candidate.deployment;
    call.trail?.attempted({ model, provider, startedAtMs, latencyMs, errorClass });
    if (hasBegun || failure === undefined) return;
    last = failure;
    upstreamMs += latencyMs;
    request.attempted({ ...failure, model, provider, latencyMs });
    const isLate = parts.clock.monotonicMs() - call.receivedAtMs >= call.timeoutMs;
    if (!failure.tryNext || call.cancellation.cancelled || isLate) break;
  }
  const error = last?.error ?? new OptamilError("service_unavailable", "No model is available.");
  await request.settle(unserved(endedBy(call.cancellation), error.row.status));
  throw error;
}

/** One candidate, when its provider has a place for another request. */
async function attemptInTurn<M extends CatalogueModel>(
  call: MeteredCall,
  { slots, health }: TrialParts,
  trial: Trial<M>,
  attempt: (trial: Trial<M>) => Promise<Attempted>,
): Promise<Attempted> {
  const { deployment } = trial.candidate;
  const taken = slots.take(deployment, call.caller.accountId);
  if (!(taken === true || (await taken))) return { hasBegun: false, failure: noSlot() };
  health.began(deployment);
  try {
    return await attempt(trial);
  } finally {
    slots.give(deployment);
  }
}

function noSlot(): ProviderFailure {
  const message = "The model is busy. Please try again.";
  const error = new OptamilError("service_unavailable", message, { retryAfterMs: 1_000 });
  return { ok: false, error, status: 0, errorClass: "no_slot", tryNext: true };
}
