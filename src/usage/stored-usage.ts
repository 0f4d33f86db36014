// What is asked of a ClickHouse, in this process or on a server: the same statements, rows and codes.
import { type TierName, tierNames } from "../catalogue/tiers.ts";
import type { BudgetLimit } from "./event.ts";
import type { StatementName } from "./statement.ts";
import {
  type AskedBase,
  type AuditedWarehouse,
  type BaseSource,
  type BootRecords,
  type LogRecords,
  type NumberRun,
  nothingUsed,
  type OddEvent,
  type PeriodSums,
  type QueriedWarehouse,
  type StoredBase,
  type StoredEvent,
  type StoredLogs,
  toLedgerKey,
  type Warehouse,
} from "./warehouse.ts";

/** Formats in which answers are text: an object for each row; names, then a list for each row. */
export type TextFormat = "JSONEachRow" | "JSONCompactEachRowWithNames";

/** A row of an answer; 64-bit numbers are texts. */
export type Row = Readonly<Record<string, string | number>>;

/**
 * Settings of each insert; they go with the statement, as settings of the connection would stay for others.
 * Blocks are not deduplicated: a process that dies between noting a block and storing it would have its
 * repetition dropped (docs/decisions/2026-11-27-no-insert-tokens.md). The rows replace each other instead.
 */
export const insertSettings = {
  async_insert: 0,
  insert_deduplicate: 0,
  // One batch may touch any number of months.
  max_partitions_per_insert_block: 0,
} as const;

/** Bounds of what analysts ask: seconds, rows, bytes. It only reads. */
export const analystSettings = {
  max_execution_time: 60,
  max_result_rows: "1000000",
  max_result_bytes: "16000000",
  max_memory_usage: "2000000000",
  readonly: "1",
} as const;

/** ClickHouse's codes for values that it cannot take, however often they come. */
const rejectedCodes: readonly number[] = [6, 26, 27, 38, 41, 53, 69, 70, 72, 117, 131, 349, 376];

/** Whether a code of ClickHouse speaks of the rows themselves. */
export function isOfRows(code: number): boolean {
  return rejectedCodes.includes(code);
}

/** The questions about what is stored; an adapter says how to ask. */
export abstract class StoredUsage
  implements
    AuditedWarehouse,
    BaseSource,
    StoredLogs,
    Pick<Warehouse, "sums" | "sumsAfter">,
    Pick<QueriedWarehouse, "event" | "eventOfRequest">
{
  /** The rows that a statement gives with these parameters. */
  abstract ask(name: StatementName, parameters: Record<string, unknown>): Promise<Row[]>;

  async sums(
    accountIds: readonly string[],
    periodIds: readonly string[],
  ): Promise<readonly PeriodSums[]> {
    const parameters = { accounts: accountIds, periods: periodIds };
    return toSums(await this.ask("sums", parameters));
  }

  async sumsAfter(accountId: string, limit: number): Promise<readonly PeriodSums[]> {
    return toSums(await this.ask("sums-page", { after: accountId, limit }));
  }

  async bases(asked: readonly AskedBase[]): Promise<readonly StoredBase[]> {
    const questions = Map.groupBy(asked, ({ budgetId }) =>
      budgetId === undefined ? "bases" : "budget-bases",
    );
    const answers: Row[][] = [];
    for (const [query, ledgers] of questions) {
      answers.push(await this.ask(query, toQuestion(ledgers)));
    }
    const byLedger = Map.groupBy(answers.flat(), (row) =>
      toLedgerKey({
        accountId: text(row, "account_id"),
        periodId: text(row, "period_id"),
        budgetId: text(row, "budget_id"),
      }),
    );
    return asked.map((ledger) => toBase(byLedger.get(toLedgerKey(ledger)) ?? []));
  }

  async id(): Promise<string> {
    const [row] = await this.ask("warehouse-id", {});
    if (row === undefined) throw new Error("the warehouse has no id: optamil migrate makes one");
    return text(row, "id");
  }

  async lastOffset(logName: string, logEpoch: number): Promise<number | undefined> {
    const [row = {}] = await this.ask("last-offset", { log: logName, epoch: logEpoch });
    return Number(row["records"] ?? 0) === 0 ? undefined : Number(row["last_offset"]);
  }

  async boots(): Promise<readonly BootRecords[]> {
    const rows = await this.ask("audit-boots", {});
    return rows.map((row) => ({
      ...toRun(row),
      gatewayId: text(row, "gateway_id"),
      bootEpoch: BigInt(text(row, "boot_epoch")),
    }));
  }

  async logs(): Promise<readonly LogRecords[]> {
    const rows = await this.ask("audit-logs", {});
    return rows.map((row) => ({
      ...toRun(row),
      logName: text(row, "log_name"),
      logEpoch: BigInt(text(row, "log_epoch")),
    }));
  }

  async oddEvents(part: number, parts: number): Promise<readonly OddEvent[]> {
    const rows = await this.ask("audit-events", { part, parts });
    return rows.map((row) => ({
      eventId: text(row, "event_id"),
      records: Number(row["records"]),
      rows: Number(row["rows"]),
    }));
  }

  async rows(): Promise<{ rows: bigint; effective: bigint }> {
    const [row = {}] = await this.ask("audit-rows", {});
    return { rows: BigInt(text(row, "rows")), effective: BigInt(text(row, "effective")) };
  }

  async event(accountId: string, eventId: string): Promise<StoredEvent | undefined> {
    const [row] = await this.ask("event", { account: accountId, event: eventId });
    return row && toStoredEvent(row);
  }

  async eventOfRequest(accountId: string, requestId: string): Promise<StoredEvent | undefined> {
    const parameters = { account: accountId, request: requestId };
    const [row] = await this.ask("event-of-request", parameters);
    return row && toStoredEvent(row);
  }
}

function toStoredEvent(row: Row): StoredEvent {
  return {
    eventId: text(row, "event_id"),
    accountId: text(row, "account_id"),
    periodId: text(row, "period_id"),
    kind: text(row, "kind"),
    tier: toTierName(text(row, "tier")),
    creditsMicro: BigInt(text(row, "credits_micro")),
    keyId: text(row, "key_id"),
    rootKeyId: text(row, "root_key_id"),
    tag: text(row, "tag"),
    budgets: toBudgets(text(row, "budgets")),
  };
}

/** Rows of JSONEachRow. */
export function parseRows(answer: string): Row[] {
  const lines = answer.split("\n");
  return lines.filter((line) => line !== "").map((line): Row => JSON.parse(line));
}

function toSums(rows: readonly Row[]): readonly PeriodSums[] {
  const sums = new Map<
    string,
    { accountId: string; periodId: string; microByTier: MutableMicro }
  >();
  for (const row of rows) {
    const ledger = { accountId: text(row, "account_id"), periodId: text(row, "period_id") };
    const key = toLedgerKey(ledger);
    const sum = sums.get(key) ?? { ...ledger, microByTier: { ...nothingUsed } };
    const tier = toTierName(text(row, "tier"));
    if (tier !== undefined) sum.microByTier[tier] = BigInt(text(row, "credits_micro"));
    sums.set(key, sum);
  }
  return [...sums.values()];
}

function toBase(rows: readonly Row[]): StoredBase {
  const microByTier: MutableMicro = { ...nothingUsed };
  const includedIds: string[] = [];
  for (const row of rows) {
    const tier = toTierName(text(row, "tier"));
    if (tier !== undefined) microByTier[tier] = BigInt(text(row, "credits_micro"));
    const included = text(row, "included");
    if (included !== "") includedIds.push(...included.split(","));
  }
  return { microByTier, includedIds };
}

function toQuestion(asked: readonly AskedBase[]) {
  return {
    accounts: [...new Set(asked.map(({ accountId }) => accountId))],
    periods: [...new Set(asked.map(({ periodId }) => periodId))],
    budgets: [...new Set(asked.map(({ budgetId }) => budgetId ?? ""))],
    events: asked.flatMap(({ eventIds }) => eventIds),
  };
}

function toBudgets(json: string): BudgetLimit[] {
  const budgets: readonly (readonly [string, string])[] = JSON.parse(json);
  return budgets.map(([id, micro]) => ({ id, limitMicro: BigInt(micro) }));
}

type MutableMicro = Record<TierName, bigint>;

function toTierName(name: string): TierName | undefined {
  return tierNames.find((tier) => tier === name);
}

function toRun(row: Row): NumberRun {
  return {
    first: BigInt(text(row, "first")),
    last: BigInt(text(row, "last")),
    records: BigInt(text(row, "records")),
    total: BigInt(text(row, "total")),
  };
}

function text(row: Row, column: string): string {
  return String(row[column] ?? "");
}
