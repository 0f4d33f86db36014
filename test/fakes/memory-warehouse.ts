/** A warehouse in memory, for tests of the consumer; passes the contract suite. */
import type { UsageEvent } from "../../src/gen/optamil/v1/event_pb.ts";
import { toEventIdText } from "../../src/usage/event.ts";
import { toTierName } from "../../src/usage/event-decision.ts";
import {
  type AskedBase,
  type AuditedWarehouse,
  type BaseSource,
  type BootRecords,
  type EventBatch,
  type LogRecords,
  type NumberRun,
  nothingUsed,
  type OddEvent,
  type PeriodSums,
  type StoredBase,
  type StoredLogs,
  type Warehouse,
} from "../../src/usage/warehouse.ts";

/** Rows by what makes them one: account, period and event; the records beside them. */
export class MemoryWarehouse implements Warehouse, AuditedWarehouse, BaseSource, StoredLogs {
  /** Calls of `insert` and of `sums` so far. */
  readonly calls = { inserts: 0, sums: 0 };
  /** Called before each insert and each sum: may throw, or let time pass. */
  onCall: (kind: "insert" | "inserted" | "sums", batch?: EventBatch) => void = () => {};
  #id: string = crypto.randomUUID();
  readonly #rows = new Map<string, UsageEvent>();
  readonly #records = new Map<string, UsageEvent>();

  async insert(batch: EventBatch): Promise<void> {
    this.calls.inserts++;
    this.onCall("insert", batch);
    for (const { offset, event } of batch.events) {
      this.#records.set(`${batch.logName} ${batch.logEpoch} ${offset}`, event);
      const key = `${event.periodId} ${event.accountId} ${toEventIdText(event.eventId)}`;
      if (event.rev >= (this.#rows.get(key)?.rev ?? 0)) this.#rows.set(key, event);
    }
    this.onCall("inserted", batch);
  }

  async sums(accountIds: readonly string[], periodIds: readonly string[]): Promise<PeriodSums[]> {
    this.calls.sums++;
    this.onCall("sums");
    return this.#sumUp(
      ({ accountId, periodId }) => accountIds.includes(accountId) && periodIds.includes(periodId),
    );
  }

  async sumsAfter(after: string, limit: number): Promise<PeriodSums[]> {
    const accounts = new Set(this.#sumUp(() => true).map(({ accountId }) => accountId));
    const page = [...accounts]
      .filter((id) => compare(id, after) > 0)
      .toSorted(compare)
      .slice(0, limit);
    return this.#sumUp(({ accountId }) => page.includes(accountId)).toSorted((one, other) =>
      compare(one.accountId, other.accountId),
    );
  }

  async id(): Promise<string> {
    return this.#id;
  }

  async lastOffset(logName: string, logEpoch: number): Promise<number | undefined> {
    const log = (await this.logs()).find(
      (one) => one.logName === logName && one.logEpoch === BigInt(logEpoch),
    );
    return log && Number(log.last);
  }

  /** As after a server that has lost its disk was made anew. */
  wipe(): void {
    this.#id = crypto.randomUUID();
    this.#rows.clear();
    this.#records.clear();
  }

  async bases(asked: readonly AskedBase[]): Promise<StoredBase[]> {
    return asked.map(({ accountId, periodId, budgetId, eventIds }) => {
      const isOfLedger = (event: UsageEvent) =>
        event.accountId === accountId && event.periodId === periodId && isOf(event, budgetId);
      const settled = [...this.#rows.values()].filter(({ rev }) => rev > 0).filter(isOfLedger);
      const ids = new Set(settled.map(({ eventId }) => toEventIdText(eventId)));
      return {
        microByTier: this.#sumUp(isOfLedger)[0]?.microByTier ?? nothingUsed,
        includedIds: eventIds.filter((id) => ids.has(id)),
      };
    });
  }

  async boots(): Promise<BootRecords[]> {
    const groups = Map.groupBy(
      this.#records.values(),
      ({ gatewayId, bootEpoch }) => `${bootEpoch} ${gatewayId}`,
    );
    return [...groups.values()].flatMap((events) => {
      const [first] = events;
      if (first === undefined) return [];
      const run = toRun(events.map(({ localSeq }) => localSeq));
      return [{ ...run, gatewayId: first.gatewayId, bootEpoch: first.bootEpoch }];
    });
  }

  async logs(): Promise<LogRecords[]> {
    const places = [...this.#records.keys()].map((key) => key.split(" "));
    const groups = Map.groupBy(places, ([name, epoch]) => `${name} ${epoch}`);
    return [...groups].map(([key, members]) => {
      const [logName = "", logEpoch = "0"] = key.split(" ");
      const run = toRun(members.map(([, , offset = "0"]) => BigInt(offset)));
      return { ...run, logName, logEpoch: BigInt(logEpoch) };
    });
  }

  async oddEvents(): Promise<OddEvent[]> {
    return [];
  }

  async rows(): Promise<{ rows: bigint; effective: bigint }> {
    return { rows: BigInt(this.#records.size), effective: BigInt(this.#rows.size) };
  }

  async close(): Promise<void> {}

  #sumUp(matches: (event: UsageEvent) => boolean): PeriodSums[] {
    const sums = new Map<string, PeriodSums>();
    for (const event of this.#rows.values()) {
      const tier = toTierName(event.tier);
      if (tier === undefined || !matches(event)) continue;
      const { accountId, periodId } = event;
      const key = `${periodId} ${accountId}`;
      const microByTier = { ...(sums.get(key)?.microByTier ?? nothingUsed) };
      microByTier[tier] += event.creditsMicro;
      sums.set(key, { accountId, periodId, microByTier });
    }
    return [...sums.values()];
  }
}

function isOf({ rootKeyJti, keyJti, tag }: UsageEvent, budgetId: string | undefined): boolean {
  if (budgetId === undefined) return true;
  return budgetId === `key:${rootKeyJti || keyJti}` || budgetId === `tag:${tag}`;
}

function toRun(numbers: readonly bigint[]): NumberRun {
  const sorted = numbers.toSorted((one, other) => Number(one - other));
  return {
    first: sorted.at(0) ?? 0n,
    last: sorted.at(-1) ?? 0n,
    records: BigInt(sorted.length),
    total: sorted.reduce((sum, next) => sum + next, 0n),
  };
}

/** The order of UTF-8 bytes, which is ClickHouse's. */
function compare(one: string, other: string): number {
  return Buffer.compare(Buffer.from(one), Buffer.from(other));
}
