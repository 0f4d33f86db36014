// The counters in memory: one process, every operation at once and atomic because nothing in it waits.
import assert from "node:assert/strict";
import type { Clock } from "../platform/clock.ts";
import { type Account, Accounts } from "./accounts.ts";
import {
  type AccountUsage,
  type Admission,
  type AdmitRequest,
  type Admitted,
  type Awaitable,
  type ConfirmedSums,
  type Counters,
  type HoldRef,
  type LoadBase,
  leaseMs,
  type RateSnapshot,
  type Release,
  type Settlement,
  type SettleResult,
  type SweptHold,
  sweptMax,
} from "./counters.ts";
import { LeaseMap } from "./lease-map.ts";
import {
  atLeastZero,
  type BudgetLedger,
  type Held,
  holdAll,
  type Ledger,
  ofBudget,
  sumOf,
} from "./ledger.ts";
import type { Taken } from "./limiter.ts";
import { createPeriodFinder } from "./period.ts";
import type { Instant } from "./windows.ts";

/** How the counters in memory are made. */
export type MemoryCountersOptions = {
  readonly clock: Clock;
  readonly loadBase: LoadBase;
  /** Accounts kept, idle ones included; those in use are never dropped. Default 50,000: about 200 MB. */
  readonly accountsMax?: number | undefined;
};

/** A tombstone is kept for an hour: a later settlement is counted when the warehouse confirms it. */
const tombstoneMs = 3_600_000;
/** Tombstones kept at most; beyond it the oldest go. */
const tombstonesMax = 100_000;
/** When only over-estimates stand in the way. */
const heldRetryMs = 1_000;

type OpenRequest = {
  readonly account: Account;
  readonly ledger: Ledger;
  /** By budget; one whose sums include the request is taken out. */
  readonly budgets: Map<string, Ledger>;
  readonly held: Held;
  readonly taken: Taken;
  readonly keyId: string;
  /** On the wall's clock. */
  readonly admittedAtMs: number;
};

/** What a decision is about. */
type DecisionParts = {
  readonly account: Account;
  readonly ledger: Ledger;
  readonly budgets: readonly BudgetLedger[];
};

/** Of all requests that have none: nothing is ever put into it. */
const noBudgets = new Map<string, Ledger>();

/** Counters for one process. After a restart `loadBase` gives back what they knew; holds are not kept. */
export class MemoryCounters implements Counters {
  readonly #clock: Clock;
  readonly #accounts: Accounts;
  readonly #periodAt = createPeriodFinder();
  readonly #open = new LeaseMap<OpenRequest>(leaseMs);
  readonly #tombstones = new LeaseMap<OpenRequest>(tombstoneMs);

  constructor({ clock, loadBase, accountsMax = 50_000 }: MemoryCountersOptions) {
    this.#clock = clock;
    this.#accounts = new Accounts(loadBase, accountsMax);
  }

  admit(request: AdmitRequest): Awaitable<Admission> {
    const now = this.#now();
    const account = this.#accounts.use(request.accountId, now.monotonicMs);
    const ledger = account.ledgerOf(this.#periodAt(now.wallMs), now);
    // The period may have changed when the ledger has been read: so it begins anew.
    if (ledger instanceof Promise) return ledger.then(() => this.admit(request));
    const budgets = this.#budgetLedgersOf(request, account, now);
    if (budgets instanceof Promise) return budgets.then(() => this.admit(request));
    const parts = { account, ledger, budgets };
    const open = this.#open.get(request.eventId);
    return open ? this.#admitted(request, open, budgets, now) : this.#decide(request, parts, now);
  }

  settle(eventId: string, settlement: Settlement): SettleResult {
    const live = this.#takeOpen(eventId, settlement);
    const request = live ?? this.#takeTombstone(eventId, settlement);
    if (request === undefined) return "ignored";
    const { tier, creditsMicro } = settlement;
    request.ledger.settle({ eventId, tier, creditsMicro });
    for (const ledger of request.budgets.values()) ledger.settle({ eventId, tier, creditsMicro });
    return live ? "settled" : "settled-late";
  }

  release(eventId: string, release: Release): void {
    if (this.#takeOpen(eventId, release) === undefined) this.#takeTombstone(eventId, release);
  }

  renew(holds: readonly HoldRef[]): void {
    const { monotonicMs } = this.#now();
    for (const { eventId } of holds) this.#open.renew(eventId, monotonicMs);
  }

  sweep(): SweptHold[] {
    const { monotonicMs } = this.#now();
    for (const [, request] of this.#tombstones.takeExpired(monotonicMs, sweptMax)) {
      closeLedgers(request);
    }
    const expired = this.#open.takeExpired(monotonicMs, sweptMax);
    return expired.map(([eventId, request]) => {
      this.#endHold(request);
      this.#tombstones.set(eventId, request, monotonicMs);
      const oldest = this.#tombstones.size > tombstonesMax && this.#tombstones.takeOldest();
      if (oldest) closeLedgers(oldest);
      return toSweptHold(eventId, request);
    });
  }

  confirm(sums: ConfirmedSums): void {
    const account = this.#accounts.get(sums.accountId);
    if (account === undefined) return;
    if (sums.budgetId !== undefined) {
      this.#leaveBudget(sums.includedIds, sums.budgetId);
      account.confirm(sums);
      return;
    }
    // The consumer can be faster than the request: then its charge is in the base before it settles.
    for (const eventId of sums.includedIds) {
      const open = this.#open.take(eventId);
      if (open !== undefined) this.#endHold(open);
      const request = open ?? this.#tombstones.take(eventId);
      if (request !== undefined) closeLedgers(request);
    }
    account.confirm(sums);
  }

  /** Ends what requests hold of a budget whose sums include them already; their account's may not yet. */
  #leaveBudget(eventIds: readonly string[], budgetId: string): void {
    for (const eventId of eventIds) {
      const open = this.#open.get(eventId);
      const request = open ?? this.#tombstones.get(eventId);
      const ledger = request?.budgets.get(budgetId);
      if (request === undefined || ledger === undefined) continue;
      if (open !== undefined) ledger.drop(ofBudget(open.held));
      ledger.close();
      request.budgets.delete(budgetId);
    }
  }

  rate(load: Parameters<Counters["rate"]>[0]): RateSnapshot {
    const now = this.#now();
    const { limiter } = this.#accounts.use(load.accountId, now.monotonicMs);
    return limiter.snapshot(now, { ...load, tokens: 0 });
  }

  usage(accountId: string, totalMicro: bigint, budgetId?: string): Awaitable<AccountUsage> {
    const now = this.#now();
    const period = this.#periodAt(now.wallMs);
    const account = this.#accounts.use(accountId, now.monotonicMs);
    const ledger = account.ledgerOf(period, now, budgetId);
    if (ledger instanceof Promise) {
      return ledger.then(() => this.usage(accountId, totalMicro, budgetId));
    }
    const usedByTierMicro = ledger.usedByTier();
    const usedMicro = sumOf(usedByTierMicro);
    return {
      periodId: period.id,
      periodStartMs: period.startMs,
      periodEndMs: period.endMs,
      usedByTierMicro,
      usedMicro,
      remainingMicro: atLeastZero(totalMicro - usedMicro),
      totalMicro,
      heldMicro: ledger.heldMicro,
    };
  }

  #budgetLedgersOf({ budgets }: AdmitRequest, account: Account, now: Instant) {
    if (budgets === undefined) return [];
    return account.budgetLedgersOf(this.#periodAt(now.wallMs), now, budgets);
  }

  #decide(request: AdmitRequest, parts: DecisionParts, now: Instant): Admission {
    const { account, ledger, budgets } = parts;
    const { limiter } = account;
    const full = limiter.firstFull(now, request);
    if (full) return { admitted: false, ...full, rate: limiter.snapshot(now, request) };
    const held = holdAll(ledger, budgets, request);
    if ("reason" in held) {
      return {
        admitted: false,
        ...held,
        scope: "account",
        retryAfterMs: held.reason === "credits-held" ? heldRetryMs : undefined,
        rate: limiter.snapshot(now, request),
      };
    }
    const taken = limiter.take(now, request);
    const { keyId } = request;
    const open = {
      account,
      ledger,
      budgets:
        budgets.length === 0
          ? noBudgets
          : new Map(budgets.map((one) => [one.budget.id, one.ledger])),
      held,
      taken,
      keyId,
      admittedAtMs: now.wallMs,
    };
    this.#open.set(request.eventId, open, now.monotonicMs);
    limiter.begin(keyId);
    return this.#admitted(request, open, budgets, now);
  }

  #admitted(
    request: AdmitRequest,
    open: OpenRequest,
    budgets: readonly BudgetLedger[],
    now: Instant,
  ): Admitted {
    const { heldMicro, marginMicro } = open.held;
    return {
      admitted: true,
      periodId: open.ledger.periodId,
      admittedAtMs: open.admittedAtMs,
      heldMicro,
      chargeMaxMicro: heldMicro + marginMicro,
      budgetsUsedMicro:
        budgets.length === 0 ? undefined : budgets.map(({ ledger }) => ledger.usedMicro),
      rate: open.account.limiter.snapshot(now, request),
    };
  }

  /** Ends an open request: its hold goes, its tokens are what it used. */
  #takeOpen(eventId: string, end: Release): OpenRequest | undefined {
    const request = this.#open.take(eventId);
    if (request === undefined) return undefined;
    this.#endHold(request);
    return this.#close(request, end);
  }

  #endHold({ ledger, budgets, held, account, keyId }: OpenRequest): void {
    ledger.drop(held);
    for (const budget of budgets.values()) budget.drop(ofBudget(held));
    account.limiter.end(keyId);
  }

  /** The same for one that was swept: its hold has gone already. */
  #takeTombstone(eventId: string, end: Release): OpenRequest | undefined {
    const request = this.#tombstones.take(eventId);
    return request && this.#close(request, end);
  }

  #close(request: OpenRequest, { accountId, tokens }: Release): OpenRequest {
    const { account, taken } = request;
    if (accountId !== account.id) assert.fail("a request ended under another account");
    account.limiter.correct(this.#now(), taken, tokens);
    closeLedgers(request);
    return request;
  }

  #now(): Instant {
    return { monotonicMs: this.#clock.monotonicMs(), wallMs: this.#clock.wallMs() };
  }
}

/** Nothing more comes of a request. */
function closeLedgers({ ledger, budgets }: OpenRequest): void {
  ledger.close();
  for (const budget of budgets.values()) budget.close();
}

function toSweptHold(eventId: string, request: OpenRequest): SweptHold {
  return {
    eventId,
    accountId: request.account.id,
    keyId: request.keyId,
    periodId: request.ledger.periodId,
    admittedAtMs: request.admittedAtMs,
    heldMicro: request.held.heldMicro,
  };
}
