// The warehouse of one machine: ClickHouse inside this process. To be opened in a child process only.
import { mkdirSync } from "node:fs";
import { Session } from "chdb";
import { type TierName, tierNames } from "../catalogue/tiers.ts";
import { invalidRequest } from "../platform/errors.ts";
import { parseAnalystSql } from "./analyst-sql.ts";
import { readStatement, type StatementName, schemaStatements } from "./statement.ts";
import {
  type AuditedWarehouse,
  BatchRejected,
  type BootRecords,
  type EventBatch,
  type LogRecords,
  type NumberRun,
  nothingUsed,
  type OddEvent,
  type PeriodSums,
  type QueriedWarehouse,
  type StoredEvent,
  type Warehouse,
} from "./warehouse.ts";
import { rowColumns, toRows } from "./warehouse-row.ts";

/** A row of an answer; 64-bit numbers are texts. */
type Row = Readonly<Record<string, string | number>>;

/**
 * Settings of each insert; they stand in the statement, as settings of the connection would stay for others.
 * Blocks are not deduplicated: a process that dies between noting a block and storing it would have its
 * repetition dropped (docs/decisions/2026-11-27-no-insert-tokens.md). The rows replace each other instead.
 */
const insertSettings = {
  async_insert: 0,
  insert_deduplicate: 0,
  // One batch may touch any number of months.
  max_partitions_per_insert_block: 0,
};

/** Bounds of the connection for analysts, which keeps them: it only reads. */
const analystSettings = [
  "max_execution_time = 60",
  "max_result_rows = 1000000",
  "max_result_bytes = 16000000",
  "max_memory_usage = 2000000000",
  "readonly = 1",
];

/** ClickHouse's codes for values that it cannot take, however often they come. */
const rejectedCodes: readonly unknown[] = [6, 26, 27, 38, 41, 53, 69, 70, 72, 117, 131, 349, 376];

/** Opens the warehouse in a folder, and makes what is missing in it. */
export async function openChdbWarehouse(path: string): Promise<ChdbWarehouse> {
  mkdirSync(path, { recursive: true });
  const warehouse = new ChdbWarehouse(path);
  await warehouse.migrate();
  return warehouse;
}

/** Three connections, as one answers one statement at a time: the consumer's, the audits', the analysts'. */
export class ChdbWarehouse implements Warehouse, AuditedWarehouse, QueriedWarehouse {
  readonly #ingest: Session;
  readonly #audit: Session;
  readonly #analyst: Session;
  readonly #statements = new Map<StatementName, string>();

  constructor(path: string) {
    this.#ingest = new Session(path);
    this.#audit = new Session(path);
    this.#analyst = new Session(path);
  }

  async migrate(): Promise<void> {
    for (const name of schemaStatements) await this.#ingest.queryAsync(readStatement(name));
    await this.#analyst.queryAsync("USE optamil");
    await this.#analyst.queryAsync(`SET ${analystSettings.join(", ")}`);
  }

  async insert(batch: EventBatch): Promise<void> {
    if (batch.events.length === 0) return;
    try {
      await this.#ingest.insert({
        table: "optamil.usage_events",
        columns: rowColumns,
        format: "JSONCompactEachRow",
        values: toRows(batch),
        settings: insertSettings,
      });
    } catch (error) {
      if (!rejectedCodes.includes(codeOf(error))) throw error;
      throw new BatchRejected("the rows are refused", { cause: error });
    }
  }

  async sums(
    accountIds: readonly string[],
    periodIds: readonly string[],
  ): Promise<readonly PeriodSums[]> {
    const parameters = { accounts: accountIds, periods: periodIds };
    return toSums(await this.#ask(this.#ingest, "sums", parameters));
  }

  async sumsAfter(accountId: string, limit: number): Promise<readonly PeriodSums[]> {
    return toSums(await this.#ask(this.#audit, "sums-page", { after: accountId, limit }));
  }

  async boots(): Promise<readonly BootRecords[]> {
    const rows = await this.#ask(this.#audit, "audit-boots", {});
    return rows.map((row) => ({
      ...toRun(row),
      gatewayId: text(row, "gateway_id"),
      bootEpoch: BigInt(text(row, "boot_epoch")),
    }));
  }

  async logs(): Promise<readonly LogRecords[]> {
    const rows = await this.#ask(this.#audit, "audit-logs", {});
    return rows.map((row) => ({
      ...toRun(row),
      logName: text(row, "log_name"),
      logEpoch: BigInt(text(row, "log_epoch")),
    }));
  }

  async oddEvents(part: number, parts: number): Promise<readonly OddEvent[]> {
    const rows = await this.#ask(this.#audit, "audit-events", { part, parts });
    return rows.map((row) => ({
      eventId: text(row, "event_id"),
      records: Number(row["records"]),
      rows: Number(row["rows"]),
    }));
  }

  async rows(): Promise<{ rows: bigint; effective: bigint }> {
    const [row = {}] = await this.#ask(this.#audit, "audit-rows", {});
    return { rows: BigInt(text(row, "rows")), effective: BigInt(text(row, "effective")) };
  }

  async sql(statement: string, format = "JSONEachRow"): Promise<string> {
    const parsed = parseAnalystSql(statement);
    if (!/^[A-Za-z]{1,40}$/.test(format)) throw invalidRequest("No such format.", "format");
    try {
      return (await this.#analyst.queryAsync(parsed, { format })).text();
    } catch (error) {
      throw invalidRequest(error instanceof Error ? error.message : String(error));
    }
  }

  async event(accountId: string, eventId: string): Promise<StoredEvent | undefined> {
    const parameters = { account: accountId, event: eventId };
    const [row] = await this.#ask(this.#audit, "event", parameters);
    return (
      row && {
        eventId: text(row, "event_id"),
        accountId: text(row, "account_id"),
        periodId: text(row, "period_id"),
        kind: text(row, "kind"),
        tier: toTierName(text(row, "tier")),
        creditsMicro: BigInt(text(row, "credits_micro")),
      }
    );
  }

  close(): Promise<void> {
    for (const session of [this.#ingest, this.#audit, this.#analyst]) session.close();
    return Promise.resolve();
  }

  async #ask(session: Session, name: StatementName, parameters: object): Promise<Row[]> {
    const statement = this.#statements.get(name) ?? readStatement(name);
    this.#statements.set(name, statement);
    const answer = await session.queryBindAsync(statement, parameters, { format: "JSONEachRow" });
    const lines = answer.text().split("\n");
    return lines.filter((line) => line !== "").map((line): Row => JSON.parse(line));
  }
}

function toSums(rows: readonly Row[]): readonly PeriodSums[] {
  const sums = new Map<
    string,
    { accountId: string; periodId: string; microByTier: MutableMicro }
  >();
  for (const row of rows) {
    const [accountId, periodId] = [text(row, "account_id"), text(row, "period_id")];
    const key = `${periodId} ${accountId}`;
    const sum = sums.get(key) ?? { accountId, periodId, microByTier: { ...nothingUsed } };
    const tier = toTierName(text(row, "tier"));
    if (tier !== undefined) sum.microByTier[tier] = BigInt(text(row, "credits_micro"));
    sums.set(key, sum);
  }
  return [...sums.values()];
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

function codeOf(error: unknown): unknown {
  return error instanceof Error && "clickhouseCode" in error ? error.clickhouseCode : undefined;
}
