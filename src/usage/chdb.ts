// The warehouse of one machine: ClickHouse inside this process. To be opened in a child process only.
import { mkdirSync } from "node:fs";
import { Session } from "chdb";
import { invalidRequest } from "../platform/errors.ts";
import { parseAnalystSql } from "./analyst-sql.ts";
import type { AnalyticsWarehouse } from "./analytics.ts";
import { RollupReaches } from "./rollup-reach.ts";
import { createRollups, type RollupOptions, type Rollups } from "./rollups.ts";
import {
  identify,
  type RollupQuestion,
  readStatement,
  rollupStatements,
  type StatementName,
  schemaStatements,
} from "./statement.ts";
import { analyticsSettings, createAnalytics } from "./stored-analytics.ts";
import {
  analystSettings,
  insertSettings,
  isOfRows,
  parseRows,
  type Row,
  StoredUsage,
  type TextFormat,
} from "./stored-usage.ts";
import {
  BatchRejected,
  type EventBatch,
  type QueriedWarehouse,
  type Warehouse,
} from "./warehouse.ts";
import { rowColumns, toRows } from "./warehouse-row.ts";

/** Opens the warehouse in a folder, and makes what is missing in it. */
export async function openChdbWarehouse(
  path: string,
  rollups: RollupOptions = {},
): Promise<ChdbWarehouse> {
  mkdirSync(path, { recursive: true });
  const warehouse = new ChdbWarehouse(path, rollups);
  await warehouse.migrate();
  return warehouse;
}

/** Connections of their own, as one answers one statement at a time: the consumer, audits, analysts, analytics. */
export class ChdbWarehouse extends StoredUsage implements Warehouse, QueriedWarehouse {
  readonly #ingest: Session;
  readonly #audit: Session;
  readonly #analyst: Session;
  readonly #analytics: Session;
  readonly analytics: AnalyticsWarehouse;
  readonly #rollups: Rollups;
  readonly #reaches: RollupReaches;

  constructor(path: string, rollups: RollupOptions = {}) {
    super();
    this.#ingest = new Session(path);
    this.#audit = new Session(path);
    this.#analyst = new Session(path);
    this.#analytics = new Session(path);
    this.analytics = createAnalytics(
      (statement, parameters) => this.#lines(this.#analytics, statement, parameters),
      (accountId) => this.#reaches.of(accountId),
    );
    const ask = (name: RollupQuestion, parameters: Record<string, unknown>) =>
      this.ask(name, parameters);
    this.#reaches = new RollupReaches(ask);
    this.#rollups = createRollups(ask, rollups);
  }

  async migrate(): Promise<void> {
    for (const name of [...schemaStatements, ...rollupStatements]) {
      await this.#ingest.queryAsync(readStatement(name));
    }
    if ((await this.ask("warehouse-id", {})).length === 0) await this.#ingest.queryAsync(identify);
    await this.#rollups.seed();
    await this.#analyst.queryAsync("USE optamil");
    await this.#analyst.queryAsync(toBounds(analystSettings));
    // One thread: it leaves a core to the gateway, and most charts cost less so.
    await this.#analytics.queryAsync(toBounds({ ...analyticsSettings, max_threads: 1 }));
  }

  async insert(batch: EventBatch): Promise<void> {
    if (batch.events.length === 0) return;
    // Before it and after it: a question may be asked meanwhile.
    this.#reaches.forgetOlder(batch.events);
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
    } finally {
      this.#reaches.forgetOlder(batch.events);
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

  /** Rolls one day of a large account up, for its charts; whether there was one. Not while rows are inserted. */
  async rollUp(): Promise<boolean> {
    const accountId = await this.#rollups.next();
    if (accountId !== undefined) this.#reaches.forget(accountId);
    return accountId !== undefined;
  }

  close(): Promise<void> {
    const sessions = [this.#ingest, this.#audit, this.#analyst, this.#analytics];
    for (const session of sessions) session.close();
    return Promise.resolve();
  }

  async ask(name: StatementName, parameters: Record<string, unknown>): Promise<Row[]> {
    const session = name === "sums" ? this.#ingest : this.#audit;
    return parseRows(await this.#lines(session, readStatement(name), parameters));
  }

  /** The answer to a statement as text, for who copies it elsewhere. */
  text(
    name: StatementName,
    parameters: Record<string, unknown>,
    format: TextFormat,
  ): Promise<string> {
    return this.#lines(this.#audit, readStatement(name), parameters, format);
  }

  /** Statements with parameters run one after the other, whatever their connections: the engine confuses them else. */
  async #lines(
    session: Session,
    statement: string,
    parameters: Record<string, unknown>,
    format: TextFormat = "JSONEachRow",
  ): Promise<string> {
    const answer = await session.queryBindAsync(statement, parameters, { format });
    return answer.text();
  }
}

/** Sets bounds that the connection keeps. */
function toBounds(settings: Readonly<Record<string, string | number>>): string {
  const bounds = Object.entries(settings).map(([name, value]) => `${name} = ${value}`);
  return `SET ${bounds.join(", ")}`;
}

function codeOf(error: unknown): number {
  return error instanceof Error && "clickhouseCode" in error ? Number(error.clickhouseCode) : 0;
}
