// A circuit breaker for each deployment: what has just failed again and again is left alone for a while.
import type { Clock } from "../platform/clock.ts";
import type { Deployment } from "../providers/deployment.ts";
import type { ProviderFailure } from "../providers/provider.ts";

/** How long a deployment is left alone, and after what. */
export type HealthOptions = {
  readonly clock: Pick<Clock, "monotonicMs">;
  /** Failures in a row that open the circuit. Default 5: a few are what any upstream has. */
  readonly failuresMax?: number | undefined;
  /** The first rest, milliseconds. Default 2,000; each failed probe doubles it. */
  readonly restMs?: number | undefined;
  /** The longest rest, milliseconds. Default 60,000. */
  readonly restMsMax?: number | undefined;
};

type Circuit = {
  /** Failures in a row. */
  failures: number;
  /** The last rest; 0: the circuit was never open. */
  restMs: number;
  openUntilMs: number;
  /** Until when somebody tries whether it is well again, if nobody says before what became of it. */
  probedUntilMs: number;
};

/** How a deployment has answered so far. */
type HealthRecord = {
  answers: number;
  /** Of whole answers, a mean in which the last ones count most; undefined: there was none. */
  latencyMs: number | undefined;
  /** Kind of the last failure, and when it was, monotonic milliseconds; undefined: there was none. */
  lastError: { readonly errorClass: string; readonly atMs: number } | undefined;
};

/** "unused": not asked yet. "failing": asked on although it failed. "resting": left alone for a while. */
export type DeploymentStateName = "unused" | "well" | "failing" | "resting";

/** How a deployment is. */
export type DeploymentReport = {
  readonly state: DeploymentStateName;
  /** Failures in a row. */
  readonly failures: number;
  /** Milliseconds until it is asked again; 0: it may be now. */
  readonly retryAfterMs: number;
  readonly answers: number;
  /** Milliseconds of a whole answer; undefined: there was none. */
  readonly latencyMs: number | undefined;
  /** Its last failure, and how long ago that was; undefined: there was none. */
  readonly lastError: { readonly errorClass: string; readonly agoMs: number } | undefined;
};

/** The share of the last answer in the mean. */
const lastShare = 1 / 8;
const probeMsMax = 30_000;
/** What becomes of a probe is known soon, as a rule. */
const probeWaitMs = 1_000;
/** An upstream that does not answer for so long is not well, whatever the client's deadline. */
const patienceMs = 4_000;
/** Failures that another deployment may not have, and that still say nothing of this one. */
const ofRequest: ReadonlySet<string> = new Set([...["unsupported", "invalid_json", "no_slot"]]);
/** An upstream that asks for more is asked all the same. */
const retryAfterMsMax = 600_000;

/** The health of all deployments of a gateway. Of one without failures only its answers are counted. */
export class DeploymentHealth {
  readonly #options: HealthOptions;
  /** Those whose last request failed. */
  readonly #circuits = new Map<string, Circuit>();
  readonly #records = new Map<Deployment, HealthRecord>();

  constructor(options: HealthOptions) {
    this.#options = options;
  }

  /** The deployments that have failed lately, and whether they are left alone now. */
  troubled(): { provider: string; model: string; isResting: boolean }[] {
    const nowMs = this.#options.clock.monotonicMs();
    return [...this.#circuits].map(([key, { openUntilMs }]) => {
      const [provider = "", model = ""] = key.split("\n");
      return { provider, model, isResting: nowMs < openUntilMs };
    });
  }

  /** How a deployment is, and has been since the first request to it. */
  report(deployment: Deployment): DeploymentReport {
    const nowMs = this.#options.clock.monotonicMs();
    const circuit = this.#find(deployment);
    const record = this.#records.get(deployment);
    const lastError = record?.lastError;
    return {
      state: stateOf(circuit, record, nowMs),
      failures: circuit?.failures ?? 0,
      retryAfterMs: Math.max(0, (circuit?.openUntilMs ?? 0) - nowMs),
      answers: record?.answers ?? 0,
      latencyMs: record?.latencyMs,
      lastError: lastError && {
        errorClass: lastError.errorClass,
        agoMs: nowMs - lastError.atMs,
      },
    };
  }

  /** Whether none has failed lately. */
  get allWell(): boolean {
    return this.#circuits.size === 0;
  }

  /** Milliseconds until a deployment should be asked again; 0: it may be now. */
  waitMs(deployment: Deployment): number {
    const circuit = this.#find(deployment);
    if (circuit === undefined) return 0;
    const nowMs = this.#options.clock.monotonicMs();
    const probeMs = Math.min(probeWaitMs, circuit.probedUntilMs - nowMs);
    return Math.max(0, circuit.openUntilMs - nowMs, probeMs);
  }

  /** To be told of each request to a deployment: the first one after a rest is a probe, which others wait for. */
  began(deployment: Deployment): void {
    const circuit = this.#find(deployment);
    if (circuit === undefined || circuit.restMs === 0) return;
    circuit.probedUntilMs = this.#options.clock.monotonicMs() + probeMsMax;
  }

  /** To be told how each request to a deployment ended, after how many milliseconds; undefined: well. */
  ended(deployment: Deployment, failure: ProviderFailure | undefined, tookMs: number): void {
    this.#note(deployment, failure, tookMs);
    if (failure === undefined && this.allWell) return;
    const circuit = this.#find(deployment);
    if (failure !== undefined && isOfDeployment(failure, tookMs)) {
      this.#fail(circuit ?? this.#add(deployment), failure);
    } else if (failure === undefined || failure.status > 0) {
      // It has answered, if only that the request is wrong.
      this.#circuits.delete(keyOf(deployment));
    } else if (circuit !== undefined) circuit.probedUntilMs = 0;
  }

  #note(deployment: Deployment, failure: ProviderFailure | undefined, tookMs: number): void {
    let record = this.#records.get(deployment);
    if (record === undefined) {
      record = { answers: 0, latencyMs: undefined, lastError: undefined };
      this.#records.set(deployment, record);
    }
    if (failure === undefined) {
      record.answers += 1;
      record.latencyMs ??= tookMs;
      record.latencyMs += (tookMs - record.latencyMs) * lastShare;
    } else if (isOfDeployment(failure, tookMs)) {
      const { errorClass } = failure;
      record.lastError = { errorClass, atMs: this.#options.clock.monotonicMs() };
    }
  }

  #fail(circuit: Circuit, { status, error }: ProviderFailure): void {
    const { clock, failuresMax = 5, restMs = 2_000, restMsMax = 60_000 } = this.#options;
    const nowMs = clock.monotonicMs();
    circuit.failures += 1;
    circuit.probedUntilMs = 0;
    const isLimited = status === 429;
    // Those that were under way when it opened say nothing new.
    if (nowMs < circuit.openUntilMs || (!isLimited && circuit.failures < failuresMax)) return;
    circuit.restMs = Math.min(restMsMax, circuit.restMs === 0 ? restMs : 2 * circuit.restMs);
    const askedMs = Math.min(retryAfterMsMax, error.retryAfterMs ?? 0);
    const waitMs = isLimited ? askedMs : Math.max(circuit.restMs, askedMs);
    circuit.openUntilMs = nowMs + waitMs;
  }

  #find(deployment: Deployment): Circuit | undefined {
    return this.allWell ? undefined : this.#circuits.get(keyOf(deployment));
  }

  #add(deployment: Deployment): Circuit {
    const circuit = { failures: 0, restMs: 0, openUntilMs: 0, probedUntilMs: 0 };
    this.#circuits.set(keyOf(deployment), circuit);
    return circuit;
  }
}

function stateOf(
  circuit: Circuit | undefined,
  record: HealthRecord | undefined,
  nowMs: number,
): DeploymentStateName {
  if (circuit === undefined) return record === undefined ? "unused" : "well";
  return nowMs < circuit.openUntilMs ? "resting" : "failing";
}

function keyOf({ provider, model, upstreamModel }: Deployment): string {
  return `${provider}\n${model}\n${upstreamModel}`;
}

/** Nobody can make others wait by what he asks for, or by how little time he gives. */
function isOfDeployment({ tryNext, errorClass }: ProviderFailure, tookMs: number): boolean {
  if (errorClass === "timeout") return tookMs >= patienceMs;
  return tryNext && !ofRequest.has(errorClass);
}
