/** The credits of one account and month, and of budgets in it, as plainly as they can be written: an oracle. */
import type { Budget, ConfirmedSums } from "../../src/admission/counters.ts";
import { byTier } from "./requests.ts";

type Item = { state: "held" | "swept" | "pending"; micro: bigint; lowest: bigint; endsMs: number };

/** One ledger: everything in one list, every sum taken anew. */
export class LedgerModel {
  items = new Map<string, Item>();
  base = 0n;
  offset = -1;

  sum(state: Item["state"], amount: "micro" | "lowest" = "micro"): bigint {
    const all = [...this.items.values()].filter((item) => item.state === state);
    return all.reduce((sum, item) => sum + item[amount], 0n);
  }
  used = (): bigint => this.base + this.sum("pending");
  lacks(total: bigint, micro: bigint): boolean {
    return total - this.used() - this.sum("held", "lowest") < micro;
  }
  lacksHeld(total: bigint, micro: bigint): boolean {
    return total - this.used() - this.sum("held") < micro;
  }
  hold(id: string, nowMs: number, micro: bigint, lowest: bigint): void {
    this.items.set(id, { state: "held", micro, lowest, endsMs: nowMs + 30_000 });
  }
  settle(id: string, micro: bigint): string {
    const item = this.items.get(id);
    if (item === undefined || item.state === "pending") return "ignored";
    this.items.set(id, { ...item, state: "pending", micro });
    return item.state === "held" ? "settled" : "settled-late";
  }
  release(id: string): void {
    if (this.items.get(id)?.state !== "pending") this.items.delete(id);
  }
  renew(id: string, nowMs: number): void {
    const item = this.items.get(id);
    if (item?.state === "held") item.endsMs = nowMs + 30_000;
  }
  sweep(nowMs: number): string[] {
    const ended = [...this.items].filter(
      ([, { state, endsMs }]) => state === "held" && endsMs <= nowMs,
    );
    for (const [, item] of ended) item.state = "swept";
    return ended.map(([id]) => id).toSorted();
  }
  confirm(base: bigint, ids: readonly string[], offset: number): void {
    for (const id of ids) this.items.delete(id);
    if (offset <= this.offset) return;
    this.base = base;
    this.offset = offset;
  }
}

/** An account, and its budgets by id. */
export class CreditModel {
  account = new LedgerModel();
  budgets: ReadonlyMap<string, LedgerModel>;

  constructor(budgetIds: readonly string[]) {
    this.budgets = new Map(budgetIds.map((id) => [id, new LedgerModel()]));
  }

  knows(id: string): boolean {
    return [this.account, ...this.budgets.values()].some(({ items }) => items.has(id));
  }
  admit(id: string, nowMs: number, asked: AskedCredits): string {
    const { totalMicro, holdMicro, lowestMicro, budgets } = asked;
    const ledgers = [
      { id: "", ledger: this.account, total: totalMicro },
      ...budgets.map((one) => ({ ...this.#ledger(one.id), total: one.limitMicro })),
    ];
    const spent = ledgers.find(({ ledger, total }) => ledger.lacks(total, holdMicro));
    if (spent) return `credits ${spent.id}`;
    const held = ledgers.find(({ ledger, total }) => ledger.lacksHeld(total, holdMicro));
    if (held) return `credits-held ${held.id}`;
    for (const { ledger } of ledgers) ledger.hold(id, nowMs, holdMicro, lowestMicro);
    return "admitted";
  }
  settle(id: string, micro: bigint): string {
    const result = this.account.settle(id, micro);
    if (result !== "ignored") for (const budget of this.budgets.values()) budget.settle(id, micro);
    return result;
  }
  release(id: string): void {
    const state = this.account.items.get(id)?.state;
    this.account.release(id);
    if (state === "held" || state === "swept") {
      for (const budget of this.budgets.values()) budget.release(id);
    }
  }
  sweep(nowMs: number): string[] {
    const swept = this.account.sweep(nowMs);
    for (const { items } of this.budgets.values()) {
      for (const id of swept) {
        const item = items.get(id);
        if (item?.state === "held") item.state = "swept";
      }
    }
    return swept;
  }
  confirm(
    budgetId: string | undefined,
    base: bigint,
    ids: readonly string[],
    offset: number,
  ): void {
    if (budgetId !== undefined) {
      this.#ledger(budgetId).ledger.confirm(base, ids, offset);
      return;
    }
    // Who is forgotten holds nothing of its budgets either; what has settled waits for their own sums.
    for (const id of ids) {
      if (this.account.items.has(id))
        for (const budget of this.budgets.values()) budget.release(id);
    }
    this.account.confirm(base, ids, offset);
  }

  #ledger(id: string): { id: string; ledger: LedgerModel } {
    const ledger = this.budgets.get(id);
    if (ledger === undefined) throw new Error(`no budget ${id}`);
    return { id, ledger };
  }
}

/** What the model is asked for. */
type AskedCredits = {
  totalMicro: bigint;
  holdMicro: bigint;
  lowestMicro: bigint;
  budgets: readonly Budget[];
};

/** Confirmed sums that give all to one tier. */
export function toSums(
  base: bigint,
  includedIds: readonly string[],
  offset: number,
  budgetId?: string,
): ConfirmedSums {
  return {
    budgetId,
    accountId: "account",
    periodId: "2026-04",
    baseByTierMicro: byTier({ premium: base }),
    includedIds,
    version: { epoch: 0, offset },
  };
}
