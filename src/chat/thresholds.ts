// Tells when a budget is used to 50, 80 and 100 per cent: an event and a line in the log, once for each.
import type { Budget } from "../admission/counters.ts";
import { createThreshold } from "../usage/event.ts";
import type { UsageLog } from "../usage/usage-log.ts";

/** A budget of an account and period, and what is used of it. */
export type BudgetUse = {
  readonly accountId: string;
  /** "2026-04". */
  readonly periodId: string;
  readonly budget: Budget;
  readonly usedMicro: bigint;
};

/** What thresholds are told to. */
export type ThresholdParts = {
  readonly usageLog: Pick<UsageLog, "append">;
  /** Called once for each threshold that this process sees reached. */
  readonly onReached: (use: BudgetUse, percent: number) => void;
  /** Told when an event could not be recorded: the next request under the budget tries again. */
  readonly onError: (error: unknown) => void;
  readonly wallMs: () => number;
};

/** The parts of a budget, per cent. */
const percents = [50, 80, 100] as const;
/** Budgets whose last threshold is remembered; one that is forgotten is told again, as the same event. */
const rememberedMax = 10_000;

/** The highest of 50, 80 and 100 per cent of a budget that is reached; 0: none. A budget of nothing has none. */
export function thresholdReached(limitMicro: bigint, usedMicro: bigint): number {
  if (limitMicro <= 0n) return 0;
  return percents.findLast((percent) => usedMicro * 100n >= limitMicro * BigInt(percent)) ?? 0;
}

/** The thresholds of all budgets, as one process sees them. Several may: the event's id is the same. */
export class Thresholds {
  readonly #parts: ThresholdParts;
  /** The highest that was told, by budget. */
  readonly #told = new Map<string, number>();

  constructor(parts: ThresholdParts) {
    this.#parts = parts;
  }

  /** Notes what is used of a budget. */
  note(use: BudgetUse): void {
    const { accountId, periodId, budget, usedMicro } = use;
    const reached = thresholdReached(budget.limitMicro, usedMicro);
    if (reached === 0) return;
    const name = `${accountId} ${periodId} ${budget.id} ${budget.limitMicro}`;
    const before = this.#told.get(name) ?? 0;
    if (reached <= before) return;
    this.#remember(name, reached);
    for (const percent of percents) {
      if (percent > before && percent <= reached) void this.#tell(use, percent, name, before);
    }
  }

  async #tell(use: BudgetUse, percent: number, name: string, before: number): Promise<void> {
    const { usageLog, onReached, onError, wallMs } = this.#parts;
    try {
      await usageLog.append(createThreshold({ ...use, percent }, wallMs()));
      onReached(use, percent);
    } catch (error) {
      this.#remember(name, before);
      onError(error);
    }
  }

  #remember(name: string, percent: number): void {
    this.#told.delete(name);
    this.#told.set(name, percent);
    const [oldest] = this.#told.keys();
    if (this.#told.size > rememberedMax && oldest !== undefined) this.#told.delete(oldest);
  }
}
