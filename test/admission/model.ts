/** The credits of one account and month, as plainly as they can be written: the oracle of random tests. */
import type { ConfirmedSums } from "../../src/admission/counters.ts";
import { byTier } from "./requests.ts";

type Item = { state: "held" | "swept" | "pending"; micro: bigint; lowest: bigint; endsMs: number };

/** Everything in one list, every sum taken anew. */
export class CreditModel {
  items = new Map<string, Item>();
  base = 0n;
  offset = -1;

  sum(state: Item["state"], amount: "micro" | "lowest" = "micro"): bigint {
    const all = [...this.items.values()].filter((item) => item.state === state);
    return all.reduce((sum, item) => sum + item[amount], 0n);
  }
  used = (): bigint => this.base + this.sum("pending");
  admit(id: string, nowMs: number, total: bigint, micro: bigint, lowest: bigint): string {
    if (total - this.used() - this.sum("held", "lowest") < micro) return "credits";
    if (total - this.used() - this.sum("held") < micro) return "credits-held";
    this.items.set(id, { state: "held", micro, lowest, endsMs: nowMs + 30_000 });
    return "admitted";
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

/** Confirmed sums that give all to one tier. */
export function toSums(
  base: bigint,
  includedIds: readonly string[],
  offset: number,
): ConfirmedSums {
  return {
    accountId: "account",
    periodId: "2026-04",
    baseByTierMicro: byTier({ premium: base }),
    includedIds,
    version: { epoch: 0, offset },
  };
}
