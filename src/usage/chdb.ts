// The warehouse of one machine: ClickHouse inside this process. To be opened in a child process only.
import { mkdirSync } from "node:fs";
import { Session } from "chdb";
import { invalidRequest } from "../platform/errors.ts";
import { parseAnalystSql } from "./analyst-sql.ts";
import { identify, readStatement, type StatementName, schemaStatements } from "./statement.ts";
import {
  analystSettings,
  insertSettings,
  isOfRows,
  parseRows,
  type Row,
  StoredUsage,
} from "./stored-usage.ts";
import {
  BatchRejected,
  type EventBatch,
  type QueriedWarehouse,
  type Warehouse,
} from "./warehouse.ts";
import { rowColumns, toRows } from "./warehouse-row.ts";

/** Opens the warehouse in a folder, and makes what is missing in it. */
export async function openChdbWarehouse(path: string): Promise<ChdbWarehouse> {
  mkdirSync(path, { recursive: true });
  const warehouse = new ChdbWarehouse(path);
  await warehouse.migrate();
  return warehouse;
}

/** Three connections, as one answers one statement at a time: the consumer's, the audits', the analysts'. */
export class ChdbWarehouse extends StoredUsage implements Warehouse, QueriedWarehouse {
  readonly #ingest: Session;
  readonly #audit: Session;
  readonly #analyst: Session;
  readonly #statements = new Map<StatementName, string>();

  constructor(path: string) {
    super();
    this.#ingest = new Session(path);
    this.#audit = new Session(path);
    this.#analyst = new Session(path);
  }

  async migrate(): Promise<void> {
    for (const name of schemaStatements) await this.#ingest.queryAsync(readStatement(name));
    if ((await this.ask("warehouse-id", {})).length === 0) await this.#ingest.queryAsync(identify);
    await this.#analyst.queryAsync("USE optamil");
    // The connection keeps them.
    const bounds = Object.entries(analystSettings).map(([name, value]) => `${name} = ${value}`);
    await this.#analyst.queryAsync(`SET ${bounds.join(", ")}`);
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
      if (!isOfRows(codeOf(error))) throw error;
      throw new BatchRejected("the rows are refused", { cause: error });
    }
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

  close(): Promise<void> {
    for (const session of [this.#ingest, this.#audit, this.#analyst]) session.close();
    return Promise.resolve();
  }

  protected async ask(name: StatementName, parameters: Record<string, unknown>): Promise<Row[]> {
    const statement = this.#statements.get(name) ?? readStatement(name);
    this.#statements.set(name, statement);
    const session = name === "sums" ? this.#ingest : this.#audit;
    const answer = await session.queryBindAsync(statement, parameters, { format: "JSONEachRow" });
    return parseRows(answer.text());
  }
}

function codeOf(error: unknown): number {
  return error instanceof Error && "clickhouseCode" in error ? Number(error.clickhouseCode) : 0;
}
