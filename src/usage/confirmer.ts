// Asks the warehouse for the sums of the accounts that have new events, at a pace that it can stand.
import { EventKind } from "../gen/optamil/v1/event_pb.ts";
import type { ConfirmedPeriod, ConsumerParts } from "./consumer-parts.ts";
import type { ConsumerProgress } from "./consumer-store.ts";
import { type LedgerName, nothingUsed, type PlacedEvent, toLedgerKey } from "./warehouse.ts";

/** An account and period with events since it was last confirmed. */
type Touched = {
  readonly accountId: string;
  readonly periodId: string;
  /** Offset of the first of them. */
  readonly firstOffset: number;
  readonly eventIds: string[];
  /** Of them, those that count against budgets. */
  readonly budgets: Map<string, string[]>;
};

/** Accounts of one grouped query, and budgets of another. */
const accountsMax = 1_000;
const budgetsMax = 1_000;
/** Ids that wait before sums are asked for out of turn: about 10 MB. */
const waitingIdsMax = 100_000;
const confirmEveryMs = 1_000;
/** A confirm may take a twentieth of the warehouse's time. */
const confirmPauseFactor = 20;

/** The accounts that wait for their sums, the one that waits longest first. */
export class Confirmer {
  readonly #parts: ConsumerParts;
  readonly #touched = new Map<string, Touched>();
  #waitingIds = 0;
  #dueAtMs = Number.NEGATIVE_INFINITY;

  constructor(parts: ConsumerParts) {
    this.#parts = parts;
  }

  /** Whether nothing waits. */
  get idle(): boolean {
    return this.#touched.size === 0;
  }

  /** Whether sums should be asked for now. */
  get due(): boolean {
    if (this.#waitingIds >= waitingIdsMax) return true;
    return !this.idle && this.#parts.clock.monotonicMs() >= this.#dueAtMs;
  }

  /** Takes note of an event. Refusals, thresholds and swept requests (rev 0) have nothing to sum up. */
  add({ offset, event, eventId }: PlacedEvent): void {
    const isCharge = event.kind === EventKind.REQUEST || event.kind === EventKind.ADJUSTMENT;
    if (event.rev === 0 || !isCharge) return;
    const { accountId, periodId } = event;
    const key = toLedgerKey({ accountId, periodId });
    let entry = this.#touched.get(key);
    if (entry === undefined) {
      entry = { accountId, periodId, firstOffset: offset, eventIds: [], budgets: new Map() };
      this.#touched.set(key, entry);
    }
    this.#waitingIds++;
    entry.eventIds.push(eventId);
    for (const { id } of event.budgets) {
      const ofBudget = entry.budgets.get(id);
      if (ofBudget === undefined) entry.budgets.set(id, [eventId]);
      else ofBudget.push(eventId);
    }
  }

  /**
   * Sums up the accounts that have waited longest, writes the sums down and delivers them; gives the
   * progress with its new `confirmedOffset`. Everything below `progress.offset` must have been added, and
   * no batch may be in doubt: its rows would be in the sums, its ids would not.
   */
  async confirm(progress: ConsumerProgress): Promise<ConsumerProgress> {
    const { log, store, deliver } = this.#parts;
    const entries = this.#oldest(accountsMax);
    if (entries.length === 0) return progress;
    const version = { epoch: log.epoch, offset: progress.offset };
    const ofAccounts = (await this.#sumUp(entries)).map((sum) => ({ ...sum, version }));
    const ofBudgets = (await this.#sumUpBudgets(entries)).map((sum) => ({ ...sum, version }));
    // After the sums: those of a warehouse that was wiped before them would take usage back.
    if ((await this.#parts.warehouse.id()) !== progress.warehouseId) {
      throw new Error("the warehouse is not the one that was filled: its rows are sent again");
    }
    const confirmedOffset = this.#lowestOffsetAfter(entries.length, progress.offset);
    // What was used of a budget is asked of the warehouse: it counts what was used before there was one, too.
    const bases = ofAccounts.map(({ baseByTierMicro, ...sum }) => ({
      ...sum,
      microByTier: baseByTierMicro,
    }));
    // Bases before the delivery: counters that load an account after it hear no more of these ids.
    await store.save({ logName: log.name, bases });
    await deliver({ confirmedOffset, sums: [...ofBudgets, ...ofAccounts] });
    // The offset after it: written down but not delivered, the ids would stay open for ever.
    const confirmed = { ...progress, confirmedOffset };
    await store.save({ logName: log.name, progress: confirmed });
    for (const entry of entries) {
      const { accountId, periodId } = entry;
      this.#touched.delete(toLedgerKey({ accountId, periodId }));
      this.#waitingIds -= entry.eventIds.length;
    }
    return confirmed;
  }

  async #sumUpBudgets(entries: readonly Touched[]): Promise<Omit<ConfirmedPeriod, "version">[]> {
    const asked = entries.flatMap(({ accountId, periodId, budgets }) =>
      [...budgets].map(([budgetId, includedIds]) => ({
        ledger: { accountId, periodId, budgetId } satisfies LedgerName,
        includedIds,
      })),
    );
    const found: Omit<ConfirmedPeriod, "version">[] = [];
    for (let at = 0; at < asked.length; at += budgetsMax) {
      const piece = asked.slice(at, at + budgetsMax);
      const questions = piece.map(({ ledger }) => ({ ...ledger, eventIds: [] }));
      const bases = await this.#parts.warehouse.bases(questions);
      for (const [place, { ledger, includedIds }] of piece.entries()) {
        const baseByTierMicro = bases[place]?.microByTier ?? nothingUsed;
        found.push({ ...ledger, baseByTierMicro, includedIds });
      }
    }
    return found;
  }

  /** One grouped query, after which the next one waits. */
  async #sumUp(entries: readonly Touched[]): Promise<Omit<ConfirmedPeriod, "version">[]> {
    const { warehouse, clock } = this.#parts;
    const startedAtMs = clock.monotonicMs();
    const accountIds = [...new Set(entries.map(({ accountId }) => accountId))];
    const periodIds = [...new Set(entries.map(({ periodId }) => periodId))];
    const found = await warehouse.sums(accountIds, periodIds);
    const endedAtMs = clock.monotonicMs();
    const pauseMs = Math.max(confirmEveryMs, confirmPauseFactor * (endedAtMs - startedAtMs));
    this.#dueAtMs = endedAtMs + pauseMs;
    const byKey = new Map(found.map((sum) => [toLedgerKey(sum), sum]));
    return entries.map((entry) => {
      const { accountId, periodId, eventIds } = entry;
      const baseByTierMicro =
        byKey.get(toLedgerKey({ accountId, periodId }))?.microByTier ?? nothingUsed;
      return { accountId, periodId, baseByTierMicro, includedIds: eventIds };
    });
  }

  #oldest(count: number): Touched[] {
    const entries: Touched[] = [];
    for (const entry of this.#touched.values()) {
      if (entries.push(entry) === count) break;
    }
    return entries;
  }

  /** Offset below which nothing waits once the `count` oldest are confirmed. */
  #lowestOffsetAfter(count: number, otherwise: number): number {
    let index = 0;
    for (const { firstOffset } of this.#touched.values()) {
      if (index++ === count) return firstOffset;
    }
    return otherwise;
  }
}
