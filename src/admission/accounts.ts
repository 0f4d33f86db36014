// The accounts in memory: loaded when they are first used, dropped when they are idle and there are many.
import type { Awaitable, Budget, ConfirmedSums, LoadBase, LoadedBase } from "./counters.ts";
import { DayCounts } from "./day-counts.ts";
import { type BudgetLedger, Ledger, toLedgerName } from "./ledger.ts";
import { type Days, Limiter } from "./limiter.ts";
import type { Period } from "./period.ts";
import type { Instant } from "./windows.ts";

/** An account of which nothing is left in any rolling minute. */
const idleMs = 61_000;
/** Accounts looked at when room is needed: bounds the cost of one admission. */
const evictionTriesMax = 8;
/** How long the ledger of a period that has ended is kept at least. */
const periodKeptMs = 48 * 3_600_000;

/** A ledger that is being read, and what was confirmed meanwhile. */
type Loading = { readonly ready: Promise<Ledger>; readonly confirmed: ConfirmedSums[] };

/** A ledger and the end of its period. */
type Entry = { readonly endMs: number; ledger: Ledger | Loading };

/** One account: a limiter for all its traffic, a ledger for each period and for each budget in it. */
export class Account {
  readonly id: string;
  readonly limiter: Limiter;
  usedAtMs = Number.NEGATIVE_INFINITY;
  readonly #loadBase: LoadBase;
  /** By `toLedgerName`. */
  readonly #entries = new Map<string, Entry>();
  #restored = false;

  constructor(id: string, days: Days, loadBase: LoadBase) {
    this.id = id;
    this.limiter = new Limiter(id, days);
    this.#loadBase = loadBase;
  }

  /** The ledger of a period, or of a budget in it; a promise while it is being read. */
  ledgerOf(period: Period, now: Instant, budgetId?: string): Awaitable<Ledger> {
    const ledger = this.#entries.get(toLedgerName(period.id, budgetId))?.ledger;
    if (ledger instanceof Ledger) return ledger;
    return ledger?.ready ?? this.#load(period, now, budgetId);
  }

  /** The ledgers of budgets; a promise while one of them is being read: then they are to be asked for again. */
  budgetLedgersOf(
    period: Period,
    now: Instant,
    budgets: readonly Budget[],
  ): readonly BudgetLedger[] | Promise<unknown> {
    const ledgers: BudgetLedger[] = [];
    for (const budget of budgets) {
      const ledger = this.ledgerOf(period, now, budget.id);
      if (ledger instanceof Promise) return ledger;
      ledgers.push({ budget, ledger });
    }
    return ledgers;
  }

  /** Hands sums to a ledger, at once or when it has been read; one that is not in memory reads them itself. */
  confirm(sums: ConfirmedSums): void {
    const ledger = this.#entries.get(toLedgerName(sums.periodId, sums.budgetId))?.ledger;
    if (ledger instanceof Ledger) ledger.confirm(sums);
    else ledger?.confirmed.push(sums);
  }

  /** Whether forgetting the account would lose nothing. */
  isIdle(nowMs: number): boolean {
    if (nowMs - this.usedAtMs < idleMs) return false;
    return [...this.#entries.values()].every(
      ({ ledger }) => ledger instanceof Ledger && ledger.isQuiet,
    );
  }

  #load(period: Period, now: Instant, budgetId: string | undefined): Awaitable<Ledger> {
    this.#dropOldLedgers(now.wallMs);
    const name = toLedgerName(period.id, budgetId);
    const base = this.#loadBase(this.id, period.id, budgetId);
    if (!(base instanceof Promise)) return this.#open(name, period, base, now);
    const confirmed: ConfirmedSums[] = [];
    const ready = base.then(
      (loaded) => {
        const ledger = this.#open(name, period, loaded, now);
        for (const sums of confirmed) ledger.confirm(sums);
        return ledger;
      },
      (error: unknown) => {
        this.#entries.delete(name);
        throw error;
      },
    );
    this.#entries.set(name, { endMs: period.endMs, ledger: { ready, confirmed } });
    return ready;
  }

  #open(name: string, period: Period, base: LoadedBase, now: Instant): Ledger {
    const ledger = new Ledger(period.id, base);
    this.#entries.set(name, { endMs: period.endMs, ledger });
    if (base.traffic && !this.#restored) {
      this.limiter.restore(now, base.traffic, this.id);
      this.#restored = true;
    }
    return ledger;
  }

  #dropOldLedgers(wallMs: number): void {
    for (const [name, { endMs, ledger }] of this.#entries) {
      const quiet = ledger instanceof Ledger && ledger.isQuiet;
      if (quiet && wallMs - endMs > periodKeptMs) this.#entries.delete(name);
    }
  }
}

/** The accounts by id: as many as are in use, and idle ones up to a maximum. */
export class Accounts {
  readonly #accounts = new Map<string, Account>();
  readonly #days: Days = { accounts: new DayCounts(), keys: new DayCounts() };
  readonly #loadBase: LoadBase;
  readonly #countMax: number;

  constructor(loadBase: LoadBase, countMax: number) {
    this.#loadBase = loadBase;
    this.#countMax = countMax;
  }

  get count(): number {
    return this.#accounts.size;
  }

  /** The account, made if it is not in memory. */
  use(accountId: string, nowMs: number): Account {
    let account = this.#accounts.get(accountId);
    if (account === undefined) {
      if (this.#accounts.size >= this.#countMax) this.#evict(nowMs);
      account = new Account(accountId, this.#days, this.#loadBase);
      this.#accounts.set(accountId, account);
    }
    account.usedAtMs = nowMs;
    return account;
  }

  /** The account, if it is in memory. */
  get(accountId: string): Account | undefined {
    return this.#accounts.get(accountId);
  }

  /** Forgets one idle account among the next few; those that are in use go to the end of the line. */
  #evict(nowMs: number): void {
    let tries = 0;
    for (const [id, account] of this.#accounts) {
      if (tries === evictionTriesMax) return;
      tries += 1;
      this.#accounts.delete(id);
      if (account.isIdle(nowMs)) return;
      this.#accounts.set(id, account);
    }
  }
}
