// The counters of one gateway among many: the shared ones while they can be trusted, its own share otherwise.
import type { Clock } from "../platform/clock.ts";
import { OptamilError } from "../platform/errors.ts";
import type {
  AccountUsage,
  Admission,
  AdmitRequest,
  Admitted,
  ConfirmedSums,
  Counters,
  HoldRef,
  RateSnapshot,
  Release,
  Settlement,
  SettleResult,
  SweptHold,
} from "./counters.ts";
import { Journal } from "./journal.ts";
import { needsSharedCredits, toLocalRequest } from "./local-share.ts";
import { type ReadBase, Recovery } from "./recovery.ts";
import { CountersUnreachable, type KnownRequest, type SharedCounters } from "./shared-counters.ts";

/** How the counters of a gateway in a fleet are made. */
export type FleetCountersOptions = {
  readonly shared: SharedCounters;
  /** The gateway's own: they decide while the shared ones cannot; their bases must be empty. */
  readonly local: Counters;
  readonly readBase: ReadBase;
  readonly clock: Clock;
  /** Settled requests that are kept for a rebuild. Default 100,000: some 50 MB. */
  readonly settledMax?: number | undefined;
};

/** What metrics show. */
export type FleetStatus = {
  readonly state: Recovery["state"];
  readonly lastRoundTripMs: number | undefined;
  /** Gateways, as far as is known: limits are divided by it while the state is not "up". */
  readonly replicas: number;
};

const retryAfterMs = 2_000;

/**
 * Counters that go on when the shared ones are out of reach. Bounds, for one account:
 * - what is admitted without them costs at most the overdraft in a period (0: `service_unavailable`, unless
 *   it is free), and at most each limit + the number of gateways;
 * - budgets are not asked about without them: the overdraft bounds by how much they can be passed;
 * - after a loss, gateways that do not hand in their open requests within 2 s are missing: these requests.
 */
export class FleetCounters implements Counters {
  readonly #shared: SharedCounters;
  readonly #local: Counters;
  readonly #clock: Clock;
  readonly #journal: Journal;
  readonly #recovery: Recovery;
  #ticking: Promise<void> | undefined;

  constructor({ shared, local, readBase, clock, settledMax }: FleetCountersOptions) {
    this.#shared = shared;
    this.#local = local;
    this.#clock = clock;
    this.#journal = new Journal(settledMax);
    this.#recovery = new Recovery({ shared, journal: this.#journal, readBase, clock });
  }

  status(): FleetStatus {
    const { state, replicas } = this.#recovery;
    return { state, lastRoundTripMs: this.#shared.lastRoundTripMs(), replicas };
  }

  /**
   * Since when, Unix milliseconds, the shared counters are known to have lost nothing: what is not in them and
   * cannot be older than this is nothing.
   */
  get completeSinceMs(): number {
    return this.#recovery.completeSinceMs;
  }

  /** Gives a sign of life and mends what can be mended. To be called at the start and every second. */
  tick(): Promise<void> {
    this.#journal.prune(this.#clock.monotonicMs());
    this.#ticking ??= this.#recovery.step().finally(() => {
      this.#ticking = undefined;
    });
    return this.#ticking;
  }

  async admit(request: AdmitRequest): Promise<Admission> {
    await this.#recovery.gate;
    const admission = await this.#ask(() => this.#shared.admit(request));
    if (admission === undefined) return this.#admitLocally(request);
    if (admission.admitted) this.#note(request, admission, true);
    return admission;
  }

  async settle(eventId: string, settlement: Settlement): Promise<SettleResult> {
    await this.#recovery.gate;
    const isOurs = this.#journal.settle(eventId, settlement, this.#clock.monotonicMs());
    const entry = isOurs ? this.#journal.get(eventId) : undefined;
    await this.#local.settle(eventId, settlement);
    const result = await this.#ask(() => this.#shared.settle(eventId, settlement));
    if (result === undefined) return isOurs ? "settled" : "ignored";
    if (entry) this.#journal.known(entry);
    return result;
  }

  async release(eventId: string, release: Release): Promise<void> {
    await this.#recovery.gate;
    const isOurs = this.#journal.release(eventId, this.#clock.monotonicMs());
    const entry = isOurs ? this.#journal.get(eventId) : undefined;
    await this.#local.release(eventId, release);
    const done = await this.#ask(async () => {
      await this.#shared.release(eventId, release);
      return true;
    });
    if (done && entry) this.#journal.known(entry);
  }

  async renew(holds: readonly HoldRef[]): Promise<void> {
    await this.#local.renew(holds);
    await this.#ask(() => this.#shared.renew(holds));
  }

  async sweep(): Promise<readonly SweptHold[]> {
    const own = await this.#local.sweep();
    const shared = (await this.#ask(() => this.#shared.sweep())) ?? [];
    const swept = new Map([...own, ...shared].map((hold) => [hold.eventId, hold]));
    return [...swept.values()];
  }

  /** Throws `service_unavailable` while the shared counters are out of reach: to be repeated. */
  async confirm(sums: ConfirmedSums): Promise<void> {
    const done = await this.#ask(async () => {
      await this.#shared.confirm(sums);
      return true;
    });
    if (!done) throw unavailable();
    for (const eventId of sums.includedIds) this.#journal.forget(eventId);
  }

  async rate(load: Parameters<Counters["rate"]>[0]): Promise<RateSnapshot> {
    return (await this.#ask(() => this.#shared.rate(load))) ?? this.#local.rate(load);
  }

  /** Throws `service_unavailable` while the shared counters are out of reach. */
  async usage(accountId: string, totalMicro: bigint, budgetId?: string): Promise<AccountUsage> {
    const usage = await this.#ask(() => this.#shared.usage(accountId, totalMicro, budgetId));
    if (usage === undefined) throw unavailable();
    return usage;
  }

  /** Asks the shared counters, unless they are not to be trusted; undefined if they cannot answer. */
  async #ask<Answer>(question: () => Answer | Promise<Answer>): Promise<Answer | undefined> {
    const { state, generation } = this.#recovery;
    if (state !== "up") return undefined;
    try {
      return await question();
    } catch (error) {
      if (!(error instanceof CountersUnreachable)) throw error;
      this.#recovery.failed(generation);
      return undefined;
    }
  }

  async #admitLocally(request: AdmitRequest): Promise<Admission> {
    if (needsSharedCredits(request)) throw unavailable();
    const admission = await this.#local.admit(toLocalRequest(request, this.#recovery.replicas));
    if (admission.admitted) {
      this.#note(request, admission, false);
      return admission;
    }
    const { reason } = admission;
    // Its own share says nothing about what the account has.
    const isOfShare = reason === "too-large" && request.tokens <= request.limits.tokensPerMinute;
    if (isOfShare || reason === "credits" || reason === "credits-held") throw unavailable();
    return admission;
  }

  #note(request: AdmitRequest, admitted: Admitted, isKnown: boolean): void {
    const { eventId, accountId, keyId, tokens, lowestMicro } = request;
    const { periodId, admittedAtMs, heldMicro, chargeMaxMicro } = admitted;
    const marginMicro = chargeMaxMicro - heldMicro;
    const budgets = request.budgets?.map(({ id }) => id) ?? [];
    const known: KnownRequest = {
      ...{ eventId, accountId, keyId, tokens, lowestMicro },
      ...{ periodId, admittedAtMs, heldMicro, marginMicro, budgets, settled: undefined },
    };
    this.#journal.open(known, isKnown, this.#clock.monotonicMs());
  }
}

function unavailable(): OptamilError {
  return new OptamilError(
    "service_unavailable",
    "Credits cannot be checked at the moment. Please try again.",
    { retryAfterMs },
  );
}
