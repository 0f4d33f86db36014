// The credits of one account in one period: what is counted, what is settled, what is held.
import assert from "node:assert/strict";
import { type TierName, tierNames } from "../catalogue/tiers.ts";
import type {
  AdmitRequest,
  Budget,
  ConfirmedSums,
  LoadedBase,
  LogVersion,
  MicroByTier,
  PendingUsage,
} from "./counters.ts";

/** What one open request has taken of a ledger. */
export type Held = {
  readonly heldMicro: bigint;
  readonly lowestMicro: bigint;
  /** Reserved of the overdraft, for a charge above the hold. */
  readonly marginMicro: bigint;
};

/** The prices and bounds of a request. */
export type Price = Pick<
  AdmitRequest,
  "totalMicro" | "overdraftMicro" | "holdMicro" | "lowestMicro" | "leastHoldMicro"
>;

/** A budget, and what is counted of it. */
export type BudgetLedger = { readonly budget: Budget; readonly ledger: Ledger };

/** What stands in the way of a hold, and in which budget: undefined in the account itself. */
export type Lack = {
  readonly reason: "credits" | "credits-held";
  readonly budget: string | undefined;
};

/** Names a ledger within its account: its period, or a budget in it. */
export function toLedgerName(periodId: string, budgetId: string | undefined): string {
  return budgetId === undefined ? periodId : `${periodId}\n${budgetId}`;
}

/**
 * One ledger, of an account or of a budget. Its rule, checked at every hold: base + pending + held ≤ total, and with the reserved
 * margins ≤ total + overdraft. No settlement within `chargeMaxMicro` can break it.
 */
export class Ledger {
  readonly periodId: string;
  #baseByTier: MicroByTier;
  #version: LogVersion;
  readonly #pending = new Map<string, PendingUsage>();
  readonly #pendingByTier: Record<TierName, bigint>;
  /** Requests whose end may still come: open ones and swept ones that are remembered. */
  #openCount = 0;
  #heldMicro = 0n;
  #lowestMicro = 0n;
  #marginMicro = 0n;
  /** The sum of all tiers; undefined since the base changed. */
  #usedMicro: bigint | undefined;

  constructor(periodId: string, base: LoadedBase) {
    this.periodId = periodId;
    this.#baseByTier = base.baseByTierMicro;
    this.#version = base.version;
    this.#pendingByTier = { free: 0n, budget: 0n, mid: 0n, premium: 0n, ultra: 0n };
    for (const usage of base.pending) this.settle(usage);
  }

  get heldMicro(): bigint {
    return this.#heldMicro;
  }

  /** Whether all that it knows is in the base. */
  get isQuiet(): boolean {
    return this.#openCount === 0 && this.#pending.size === 0;
  }

  /** What of a total may still be held. */
  freeOf(totalMicro: bigint): bigint {
    return totalMicro - this.usedMicro - this.#heldMicro;
  }

  /** Whether so much could be held of a total if all that is open ended at its lowest price. */
  couldHold(totalMicro: bigint, leastMicro: bigint): boolean {
    return totalMicro - this.usedMicro - this.#lowestMicro >= leastMicro;
  }

  /** What of an overdraft can be reserved for a hold. */
  marginOf(overdraftMicro: bigint, heldMicro: bigint): bigint {
    return atLeastZero(smaller(overdraftMicro - this.#marginMicro, heldMicro));
  }

  /** Takes a hold that was found to be free. */
  take(held: Held): void {
    this.#heldMicro += held.heldMicro;
    this.#lowestMicro += held.lowestMicro;
    this.#marginMicro += held.marginMicro;
    this.#openCount += 1;
  }

  /** Gives a hold back; its request may still settle. */
  drop(held: Held): void {
    this.#heldMicro -= held.heldMicro;
    this.#lowestMicro -= held.lowestMicro;
    this.#marginMicro -= held.marginMicro;
    if (this.#heldMicro < 0n || this.#lowestMicro < 0n) assert.fail("dropped more than was held");
  }

  /** Forgets a request whose hold was given back: nothing more comes of it. */
  close(): void {
    this.#openCount -= 1;
    if (this.#openCount < 0) assert.fail("closed more requests than were open");
  }

  /** Adds a settled event; one that is there already changes nothing. */
  settle(usage: PendingUsage): void {
    if (this.#pending.has(usage.eventId)) return;
    this.#pending.set(usage.eventId, usage);
    this.#pendingByTier[usage.tier] += usage.creditsMicro;
    if (this.#usedMicro !== undefined) this.#usedMicro += usage.creditsMicro;
  }

  /** Takes over sums unless they are older than the base; the ids leave pending in any case. */
  confirm(sums: ConfirmedSums): void {
    this.#usedMicro = undefined;
    for (const eventId of sums.includedIds) {
      const usage = this.#pending.get(eventId);
      if (usage === undefined) continue;
      this.#pending.delete(eventId);
      this.#pendingByTier[usage.tier] -= usage.creditsMicro;
    }
    if (!isLater(sums.version, this.#version)) return;
    this.#baseByTier = sums.baseByTierMicro;
    this.#version = sums.version;
  }

  usedByTier(): MicroByTier {
    const used = { ...this.#baseByTier };
    for (const tier of tierNames) used[tier] += this.#pendingByTier[tier];
    return used;
  }

  get usedMicro(): bigint {
    this.#usedMicro ??= sumOf(this.#baseByTier) + sumOf(this.#pendingByTier);
    return this.#usedMicro;
  }
}

/** Takes one hold of an account's ledger and of its budgets', or of none; or says what stands in the way. */
export function holdAll(own: Ledger, budgets: readonly BudgetLedger[], price: Price): Held | Lack {
  const { totalMicro, overdraftMicro, holdMicro, lowestMicro } = price;
  const least = price.leastHoldMicro ?? holdMicro;
  // Asserted by hand: a call of assert() allocates, and there are ten a request.
  const isInOrder = 0n <= lowestMicro && lowestMicro <= least && least <= holdMicro;
  if (!isInOrder) assert.fail("prices out of order");
  const couldHold = ({ ledger, budget }: BudgetLedger) =>
    ledger.couldHold(budget.limitMicro, least);
  if (!own.couldHold(totalMicro, least)) return { reason: "credits", budget: undefined };
  const spent = budgets.find((one) => !couldHold(one));
  if (spent !== undefined) return { reason: "credits", budget: spent.budget.id };
  let heldMicro = smaller(own.freeOf(totalMicro), holdMicro);
  if (heldMicro < least) return { reason: "credits-held", budget: undefined };
  for (const { ledger, budget } of budgets) {
    heldMicro = smaller(ledger.freeOf(budget.limitMicro), heldMicro);
    if (heldMicro < least) return { reason: "credits-held", budget: budget.id };
  }
  const held = { heldMicro, lowestMicro, marginMicro: own.marginOf(overdraftMicro, heldMicro) };
  own.take(held);
  for (const { ledger } of budgets) ledger.take(ofBudget(held));
  if (own.freeOf(totalMicro) < 0n) assert.fail("held more than is left");
  return held;
}

/** The same hold as a budget keeps it: charges above holds are reserved of the account's overdraft alone. */
export function ofBudget({ heldMicro, lowestMicro }: Held): Held {
  return { heldMicro, lowestMicro, marginMicro: 0n };
}

/** Σ of the tiers: the only way in which a total comes about. */
export function sumOf(byTier: MicroByTier): bigint {
  return byTier.free + byTier.budget + byTier.mid + byTier.premium + byTier.ultra;
}

/** The larger of an amount and 0. */
export function atLeastZero(micro: bigint): bigint {
  return micro > 0n ? micro : 0n;
}

function smaller(a: bigint, b: bigint): bigint {
  if (a < b) return a;
  return b;
}

function isLater(version: LogVersion, than: LogVersion): boolean {
  if (version.epoch !== than.epoch) return version.epoch > than.epoch;
  return version.offset > than.offset;
}
