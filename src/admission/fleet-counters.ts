// The counters of one gateway among many: the shared ones while they can be trusted, its own share otherwise.
import type { Clock } from "../platform/clock.ts";
import { OptamilError } from "../platform/errors.ts";
import { within } from "../platform/within.ts";
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
import { LateAnswers, type LateAnswersParts } from "./late-answers.ts";
import { needsSharedCredits, toLocalRequest } from "./local-share.ts";
import { late, Pace, type Patience } from "./pace.ts";
import { type ReadBase, Recovery } from "./recovery.ts";
import { Reserves } from "./reserves.ts";
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
  /** Default: that of `Pace`. */
  readonly patience?: Patience | undefined;
};

/** What metrics show. */
export type FleetStatus = {
  /** "slow": they are trusted, and requests do not wait for them. */
  readonly state: Recovery["state"] | "slow";
  readonly lastRoundTripMs: number | undefined;
  /** Gateways, as far as is known: limits are divided by it while the state is not "up". */
  readonly replicas: number;
};

const retryAfterMs = 2_000;
/** How long a reading waits for what is on its way to the shared counters: two answers at their slowest. */
const tellMaxMs = 4_000;
/** What is not given back then frees itself at the end of its lease. */
const closeMaxMs = 1_000;

/**
 * Counters that go on when the shared ones are out of reach, and ahead of them when they are slow: see `LateAnswers`. Bounds,
 * for one account:
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
  readonly #pace: Pace;
  readonly #late: LateAnswers;
  readonly #reserves: Reserves;
  /** Resolves when the shared counters know what was admitted ahead of an account. */
  readonly #told = (accountId: string) => this.#late.settled(accountId);
  #ticking: Promise<void> | undefined;

  constructor(options: FleetCountersOptions) {
    const { shared, local, readBase, clock, settledMax, patience } = options;
    this.#shared = shared;
    this.#local = local;
    this.#clock = clock;
    this.#journal = new Journal(settledMax);
    this.#recovery = new Recovery({ shared, journal: this.#journal, readBase, clock });
    this.#pace = new Pace(() => shared.silentMs(), patience);
    const ask: LateAnswersParts["ask"] = (question) => this.#ask(question);
    const monotonicMs = () => clock.monotonicMs();
    this.#reserves = new Reserves({ shared, wallMs: () => clock.wallMs(), monotonicMs, ask });
    this.#late = new LateAnswers({
      ...{ shared, local, journal: this.#journal, reserves: this.#reserves, monotonicMs, ask },
      generation: () => this.#recovery.generation,
    });
  }

  status(): FleetStatus {
    const { state, replicas } = this.#recovery;
    return {
      state: state === "up" && this.#pace.isSlow ? "slow" : state,
      lastRoundTripMs: this.#shared.lastRoundTripMs(),
      replicas,
    };
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
    this.#ticking ??= this.#step().finally(() => {
      this.#ticking = undefined;
    });
    return this.#ticking;
  }

  /** Gives back what is held for requests to come: none does. To be called once, when no request is left. */
  async close(): Promise<void> {
    await within(closeMaxMs, this.#reserves.giveBack(this.#told));
  }

  async admit(request: AdmitRequest): Promise<Admission> {
    await this.#recovery.gate;
    const { generation } = this.#recovery;
    const answer = this.#askAdmission(request);
    const soon = await this.#pace.inTime(answer);
    if (soon !== late) {
      if (soon?.admitted && !this.#pace.isSlow) {
        this.#reserves.admitted(request)?.catch((error) => this.#late.failed(error));
      }
      return soon ?? this.#admitLocally(request);
    }
    const note = (admitted: Admitted) => this.#note(request, admitted, false);
    const { replicas } = this.#recovery;
    const ahead = await this.#late.admit({ request, answer, generation }, replicas, note);
    if (ahead) return ahead;
    return (await answer) ?? this.#admitLocally(request);
  }

  async settle(eventId: string, settlement: Settlement): Promise<SettleResult> {
    await this.#recovery.gate;
    const isOurs = this.#journal.settle(eventId, settlement, this.#clock.monotonicMs());
    const bySelf = isOurs ? "settled" : "ignored";
    if (this.#late.has(eventId)) return bySelf;
    const entry = isOurs ? this.#journal.get(eventId) : undefined;
    await this.#local.settle(eventId, settlement);
    const asked = this.#ask(() => this.#shared.settle(eventId, settlement));
    return (await this.#tellSoon(asked, entry)) ?? bySelf;
  }

  async release(eventId: string, release: Release): Promise<void> {
    await this.#recovery.gate;
    const isOurs = this.#journal.release(eventId, this.#clock.monotonicMs());
    if (this.#late.has(eventId)) return;
    const entry = isOurs ? this.#journal.get(eventId) : undefined;
    await this.#local.release(eventId, release);
    const asked = this.#ask(async () => {
      await this.#shared.release(eventId, release);
      return true;
    });
    await this.#tellSoon(asked, entry);
  }

  async renew(holds: readonly HoldRef[]): Promise<void> {
    await this.#local.renew(holds);
    await this.#ask(() => this.#shared.renew([...holds, ...this.#reserves.holds]));
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
    const asked = this.#ask(() => this.#shared.rate(load));
    return (await this.#soon(asked)) ?? this.#local.rate(load);
  }

  /**
   * Throws `service_unavailable` while the shared counters are out of reach. While they are slow it waits for what this
   * gateway has not told them yet, so that it includes every request that has ended here.
   */
  async usage(accountId: string, totalMicro: bigint, budgetId?: string): Promise<AccountUsage> {
    await within(tellMaxMs, this.#late.settled(accountId));
    const usage = await this.#ask(() => this.#shared.usage(accountId, totalMicro, budgetId));
    if (usage === undefined) throw unavailable();
    return usage;
  }

  async #step(): Promise<void> {
    if (this.#recovery.state !== "up") this.#reserves.drop();
    const step = this.#recovery.step();
    await this.#pace.inTime(step);
    await step;
    const { lastRoundTripMs, state } = this.status();
    const wasSlow = state === "slow";
    if (wasSlow && lastRoundTripMs !== undefined) this.#pace.tick(lastRoundTripMs);
    if (wasSlow && this.status().state === "up") {
      this.#reserves.giveBack(this.#told).catch((error) => this.#late.failed(error));
    }
    if (!this.#pace.isSlow) {
      this.#reserves.giveBackIdle(this.#told).catch((error) => this.#late.failed(error));
    }
    this.#late.tick();
  }

  async #askAdmission(request: AdmitRequest): Promise<Admission | undefined> {
    let admission = await this.#ask(() => this.#shared.admit(request));
    if (lacksReserved(admission) && !this.#pace.isSlow) {
      const { accountId } = request;
      if (await this.#reserves.giveBackOf(accountId, this.#told)) {
        admission = await this.#ask(() => this.#shared.admit(request));
      }
    }
    const isAhead = this.#late.has(request.eventId);
    if (admission?.admitted && !isAhead) this.#note(request, admission, true);
    return admission;
  }

  /** The answer, if it comes in time; what it is about is known to the shared counters whenever it comes. */
  #tellSoon<Answer>(
    asked: Promise<Answer | undefined>,
    entry: Entry | undefined,
  ): Promise<Answer | undefined> {
    const told = asked.then((answer) => {
      if (answer !== undefined && entry) this.#journal.known(entry);
      return answer;
    });
    return this.#soon(told);
  }

  async #soon<Answer>(asked: Promise<Answer>): Promise<Answer | undefined> {
    const answer = await this.#pace.inTime(asked);
    if (answer !== late) return answer;
    asked.catch((error) => this.#late.failed(error));
    return undefined;
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
      if (this.#recovery.state !== "up") this.#reserves.drop();
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

/** Whether an account's own credits are all held: some of them perhaps by this gateway, for requests to come. */
function lacksReserved(admission: Admission | undefined): boolean {
  return (
    admission?.admitted === false &&
    admission.reason === "credits-held" &&
    admission.budget === undefined
  );
}

function unavailable(): OptamilError {
  return new OptamilError(
    "service_unavailable",
    "Credits cannot be checked at the moment. Please try again.",
    { retryAfterMs },
  );
}
