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
import { type Entry, Journal } from "./journal.ts";
import { needsSharedCredits, toLocalRequest } from "./local-share.ts";
import {
  CountersUnreachable,
  type KnownRequest,
  type RebuiltBase,
  type SharedCounters,
} from "./shared-counters.ts";

/** How what the shared counters have lost is read anew. Each call has a deadline of its own. */
export interface Rebuild {
  /** Resolves when the warehouse has all that was in the log when it was called. */
  caughtUp(): Promise<void>;
  /** Reads a base, and which of the ids it includes. */
  readBase(accountId: string, periodId: string, eventIds: readonly string[]): Promise<RebuiltBase>;
}

/** How the counters of a gateway in a fleet are made. */
export type FleetCountersOptions = {
  readonly shared: SharedCounters;
  /** The gateway's own: they decide while the shared ones cannot; their bases must be empty. */
  readonly local: Counters;
  readonly rebuild: Rebuild;
  readonly clock: Clock;
  /** Settled requests that are kept for a rebuild. Default 100,000: some 50 MB. */
  readonly settledMax?: number | undefined;
};

/** What metrics show. */
export type FleetStatus = {
  readonly state: "up" | "down" | "rebuilding";
  readonly lastRoundTripMs: number | undefined;
  /** Gateways, as far as is known: limits are divided by it while the state is not "up". */
  readonly replicas: number;
};

const retryAfterMs = 2_000;
/** How long the other gateways are waited for to hand in what they know. */
const registerWaitMs = 2_000;
/** Tries to hand in requests of an account whose base moves on meanwhile. */
const restoreTriesMax = 5;
/** Rounds of handing in before the rest waits for the next tick. */
const roundsMax = 5;

/**
 * Counters that go on when the shared ones are out of reach. Bounds, for one account:
 * - what is admitted without them costs at most the overdraft in a period (0: `service_unavailable`, unless
 *   it is free), and at most each limit + the number of gateways;
 * - after a loss, gateways that do not hand in their open requests within 2 s are missing: these requests.
 */
export class FleetCounters implements Counters {
  readonly #shared: SharedCounters;
  readonly #local: Counters;
  readonly #rebuild: Rebuild;
  readonly #clock: Clock;
  readonly #journal: Journal;
  #state: FleetStatus["state"] = "down";
  #generation: string | undefined;
  #replicas = 1;
  #generationSinceMs = Number.POSITIVE_INFINITY;
  #recoveringSinceMs: number | undefined;
  #ticking: Promise<void> | undefined;

  constructor({ shared, local, rebuild, clock, settledMax }: FleetCountersOptions) {
    this.#shared = shared;
    this.#local = local;
    this.#rebuild = rebuild;
    this.#clock = clock;
    this.#journal = new Journal(settledMax);
  }

  status(): FleetStatus {
    const lastRoundTripMs = this.#shared.lastRoundTripMs();
    return { state: this.#state, lastRoundTripMs, replicas: this.#replicas };
  }

  /**
   * Since when, Unix milliseconds, the shared counters are known to have lost nothing: what is not in them and
   * cannot be older than this is nothing.
   */
  get completeSinceMs(): number {
    return this.#generationSinceMs;
  }

  /** Gives a sign of life and mends what can be mended. To be called at the start and every second. */
  tick(): Promise<void> {
    this.#ticking ??= this.#tick().finally(() => {
      this.#ticking = undefined;
    });
    return this.#ticking;
  }

  async admit(request: AdmitRequest): Promise<Admission> {
    const admission = await this.#ask(() => this.#shared.admit(request));
    if (admission === undefined) return this.#admitLocally(request);
    if (admission.admitted) this.#note(request, admission, true);
    return admission;
  }

  async settle(eventId: string, settlement: Settlement): Promise<SettleResult> {
    const isOurs = this.#journal.settle(eventId, settlement, this.#clock.monotonicMs());
    const entry = isOurs ? this.#journal.get(eventId) : undefined;
    await this.#local.settle(eventId, settlement);
    const result = await this.#ask(() => this.#shared.settle(eventId, settlement));
    if (result === undefined) return isOurs ? "settled" : "ignored";
    if (entry) this.#journal.known(entry);
    return result;
  }

  async release(eventId: string, release: Release): Promise<void> {
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
  async usage(accountId: string, totalMicro: bigint): Promise<AccountUsage> {
    const usage = await this.#ask(() => this.#shared.usage(accountId, totalMicro));
    if (usage === undefined) throw unavailable();
    return usage;
  }

  /** Asks the shared counters, unless they are not to be trusted; undefined if they cannot answer. */
  async #ask<Answer>(question: () => Answer | Promise<Answer>): Promise<Answer | undefined> {
    if (this.#state !== "up") return undefined;
    const generation = this.#generation;
    try {
      return await question();
    } catch (error) {
      if (!(error instanceof CountersUnreachable)) throw error;
      // An answer that comes late must not undo a recovery.
      if (generation === this.#generation) this.#state = "down";
      return undefined;
    }
  }

  async #admitLocally(request: AdmitRequest): Promise<Admission> {
    if (needsSharedCredits(request)) throw unavailable();
    const admission = await this.#local.admit(toLocalRequest(request, this.#replicas));
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
    const known: KnownRequest = {
      ...{ eventId, accountId, keyId, tokens, lowestMicro },
      ...{ periodId, admittedAtMs, heldMicro, marginMicro, settled: undefined },
    };
    this.#journal.open(known, isKnown, this.#clock.monotonicMs());
  }

  async #tick(): Promise<void> {
    this.#journal.prune(this.#clock.monotonicMs());
    try {
      const beat = await this.#shared.beat(this.#state === "up");
      if (this.#state === "up" && beat.generation === this.#generation) {
        this.#replicas = beat.replicas;
        return;
      }
      await this.#recover(beat.generation);
    } catch (error) {
      this.#state = "down";
      this.#recoveringSinceMs = undefined;
      if (!(error instanceof CountersUnreachable)) throw error;
    }
  }

  async #recover(generation: string): Promise<void> {
    this.#state = "rebuilding";
    this.#recoveringSinceMs ??= this.#clock.monotonicMs();
    if (generation !== this.#generation) {
      const isLoss = this.#generation !== undefined;
      await this.#shared.open(generation);
      if (isLoss) await this.#rebuild.caughtUp();
      await this.#handIn(this.#journal.all());
      this.#generation = generation;
      this.#generationSinceMs = this.#clock.wallMs();
    } else {
      // Some keys may be gone where the generation's own is not.
      await this.#shared.open(generation);
    }
    const beat = await this.#shared.beat(true);
    this.#replicas = Math.max(this.#replicas, beat.replicas);
    const waitedMs = this.#clock.monotonicMs() - this.#recoveringSinceMs;
    if (beat.registered < this.#replicas && waitedMs < registerWaitMs) return;
    for (let round = 0; this.#journal.unknown().length > 0; round += 1) {
      if (round === roundsMax) return;
      await this.#handIn(this.#journal.unknown());
    }
    this.#state = "up";
    this.#replicas = beat.replicas;
    this.#recoveringSinceMs = undefined;
  }

  async #handIn(entries: readonly Entry[]): Promise<void> {
    for (const entry of entries.filter(({ isReleased }) => isReleased)) {
      const { eventId, accountId, tokens } = entry.request;
      await this.#shared.release(eventId, { accountId, tokens });
      this.#journal.known(entry);
    }
    const living = entries.filter(({ isReleased }) => !isReleased);
    const ledgers = Map.groupBy(
      living,
      ({ request }) => `${request.periodId}\n${request.accountId}`,
    );
    for (const ofLedger of ledgers.values()) await this.#handInLedger(ofLedger);
  }

  async #handInLedger(entries: readonly Entry[]): Promise<void> {
    const [first] = entries;
    if (first === undefined) return;
    const { accountId, periodId } = first.request;
    const requests = entries.map(({ request }) => request);
    const eventIds = requests.map(({ eventId }) => eventId);
    for (let tries = 0; tries < restoreTriesMax; tries += 1) {
      const base = await this.#rebuild.readBase(accountId, periodId, eventIds);
      if (!(await this.#shared.restore(accountId, periodId, base, requests))) continue;
      for (const entry of entries) this.#journal.known(entry);
      return;
    }
    throw new CountersUnreachable("down");
  }
}

function unavailable(): OptamilError {
  return new OptamilError(
    "service_unavailable",
    "Credits cannot be checked at the moment. Please try again.",
    { retryAfterMs },
  );
}
