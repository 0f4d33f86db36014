// The warehouse on a ClickHouse server or cluster, over HTTP.
import { Buffer } from "node:buffer";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import {
  type ClickHouseClient,
  ClickHouseError,
  ClickHouseLogLevel,
  type ClickHouseSettings,
  createClient,
} from "@clickhouse/client";
import { invalidRequest, OptamilError } from "../platform/errors.ts";
import { judgeSchema, type SchemaState } from "../platform/schema.ts";
import type { ViewColumn } from "./account-sql.ts";
import { parseAnalystSql } from "./analyst-sql.ts";
import type { AnalyticsWarehouse } from "./analytics.ts";
import {
  checkName,
  toAccessStatements,
  toClusterStatements,
  toContentRemoval,
} from "./cluster-schema.ts";
import {
  accessStatements,
  identify,
  readStatement,
  type StatementName,
  schemaOldest,
  schemaVersion,
  serverStatements,
} from "./statement.ts";
import { analyticsSettings, createAnalytics } from "./stored-analytics.ts";
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

/** Where the server is. */
export type ClickHouseOptions = {
  /** http or https, with port. */
  readonly url: string;
  /** Default `default`, without a password. */
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** Name of the cluster on which the tables are replicated and sharded. Default: one server. */
  readonly cluster?: string | undefined;
  /** Milliseconds until an insert or question counts as failed. Default 60,000: a hundred times the usual. */
  readonly timeoutMs?: number | undefined;
  /** Connections for the consumer and the audits, and as many for analysts. Default 4: more would only queue. */
  readonly connectionsMax?: number | undefined;
  /** Whether rows are sent compressed. Default false: it costs more CPU than a local network saves. */
  readonly gzip?: boolean | undefined;
};

/** What a request carries. */
type Call = {
  readonly settings?: ClickHouseSettings;
  readonly parameters?: Record<string, unknown>;
  readonly format?: string;
  readonly values?: Readable;
  readonly timeoutMs?: number;
  readonly client?: ClickHouseClient;
};

/** Codes of a server that is overloaded, read-only or shutting down. */
export const unavailableCodes: readonly number[] = [
  202, 203, 209, 210, 236, 242, 252, 279, 319, 999,
];
/** Codes for a table and a database that are gone. */
const goneCodes: readonly number[] = [60, 81];
/** Codes for a user that may not manage access, a server without a place for roles, and roles that its files hold. */
const noAccessCodes: readonly number[] = [495, 497, 514];
/** The server's own bound comes first, and says more. */
const analystTimeoutMs = analystSettings.max_execution_time * 1_000 + 5_000;

/** Opens the warehouse, and makes what is missing in it. Throws if the server is down or too new for us. */
export async function openClickHouseWarehouse(
  options: ClickHouseOptions,
): Promise<ClickHouseWarehouse> {
  const warehouse = new ClickHouseWarehouse(options);
  try {
    await warehouse.migrate();
    return warehouse;
  } catch (error) {
    await warehouse.close();
    throw error;
  }
}

/** The warehouse on a server. */
export class ClickHouseWarehouse extends StoredUsage implements Warehouse, QueriedWarehouse {
  readonly #client: ClickHouseClient;
  /** With connections of its own: analysts never keep the consumer waiting. */
  readonly #analyst: ClickHouseClient;
  readonly analytics: AnalyticsWarehouse = createAnalytics((statement, parameters) =>
    this.#askAnalytics(statement, parameters),
  );
  readonly #cluster: string | undefined;
  readonly #timeoutMs: number;

  constructor(options: ClickHouseOptions) {
    super();
    const { url, username = "default", password = "", cluster, timeoutMs = 60_000 } = options;
    this.#cluster = cluster;
    this.#timeoutMs = timeoutMs;
    const common = {
      url,
      username,
      password,
      application: "optamil",
      request_timeout: Math.max(timeoutMs, analystTimeoutMs) + 10_000,
      compression: { request: options.gzip ?? false, response: true },
      log: { level: ClickHouseLogLevel.OFF },
      // Names of a thousand accounts are too long for a URL.
      use_multipart_params: true,
    };
    const connectionsMax = options.connectionsMax ?? 4;
    this.#client = createClient({ ...common, max_open_connections: connectionsMax });
    const analysts = { database: "optamil", max_open_connections: connectionsMax };
    this.#analyst = createClient({ ...common, ...analysts });
  }

  /**
   * Makes the tables and views, and gives the schema that was there; repeating it changes nothing, and what a newer
   * program made is left as it is. Throws if this program does not work with that.
   */
  async migrate(): Promise<SchemaState> {
    const found = await this.schema();
    if (found.version > schemaVersion) {
      const verdict = judgeSchema("ClickHouse", found, schemaVersion);
      if (verdict.fits) return found;
      throw new OptamilError("service_unavailable", verdict.problem, { shouldRetry: false });
    }
    for (const name of serverStatements) await this.#make(name);
    if ((await this.ask("warehouse-id", {})).length === 0) await this.#call(identify);
    if (found.version === schemaVersion) return found;
    const values = `(${schemaVersion}, ${schemaOldest})`;
    await this.#call(`INSERT INTO optamil.schema_versions (version, oldest) VALUES ${values}`);
    return found;
  }

  /** The server's clock, Unix milliseconds. */
  async wallMs(): Promise<number> {
    return Number(await this.#call("SELECT toUnixTimestamp64Milli(now64(3)) FORMAT TSV"));
  }

  /** The schema that is there. */
  async schema(): Promise<SchemaState> {
    try {
      const [row] = await this.ask("schema-version", {});
      const version = Number(row?.["version"] ?? 0);
      return { version, oldest: Number(row?.["oldest"] ?? version) };
    } catch (error) {
      if (!goneCodes.includes(codeOf(error))) throw error;
      return { version: 0, oldest: 0 };
    }
  }

  /**
   * Makes the role and the row policies for analysts. False: this user may not manage access, or the server keeps no
   * users of its own; analysts of single accounts can then have the API only.
   */
  async makeAnalystRole(): Promise<boolean> {
    try {
      for (const name of accessStatements) {
        const statements = toAccessStatements(name, this.#cluster);
        for (const statement of statements) await this.#call(statement);
      }
      return true;
    } catch (error) {
      if (!noAccessCodes.includes(codeOf(error))) throw error;
      return false;
    }
  }

  async insert(batch: EventBatch): Promise<void> {
    if (batch.events.length === 0) return;
    const columns = rowColumns.join(", ");
    try {
      const into = `optamil.usage_events (${columns}) FORMAT JSONCompactEachRow`;
      await this.#insert(into, toRows(batch));
    } catch (error) {
      if (!isOfRows(codeOf(error))) throw error;
      throw new BatchRejected("the rows are refused", { cause: error });
    }
  }

  /** Stores rows as another warehouse gave them, in the format JSONCompactEachRowWithNames. */
  async take(table: "usage_events" | "usage_records", rows: string): Promise<void> {
    const format = "JSONCompactEachRowWithNames";
    await this.#insert(`optamil.${table} FORMAT ${format}`, Buffer.from(rows));
  }

  /** Stores prompts and answers, an object of columns each. */
  async keepContents(rows: readonly object[]): Promise<void> {
    const lines = rows.map((row) => `${JSON.stringify(row)}\n`).join("");
    const into = "optamil_content.request_contents FORMAT JSONEachRow";
    await this.#insert(into, Buffer.from(lines));
  }

  /** Deletes the prompts and answers of an account, or of one request; resolves when they are gone everywhere. */
  async removeContents(accountId: string, requestId = ""): Promise<void> {
    await this.#call(toContentRemoval(this.#cluster), {
      parameters: { accountId, requestId },
      settings: { mutations_sync: "2", wait_end_of_query: 1 },
    });
  }

  async #insert(into: string, rows: Buffer): Promise<void> {
    const replicated = { insert_quorum: "auto", distributed_foreground_insert: 1 } as const;
    await this.#call(`INSERT INTO ${into}`, {
      values: Readable.from([rows], { objectMode: false }),
      settings: {
        ...insertSettings,
        max_partitions_per_insert_block: "0",
        // A column that is not there yet must not be lost without a word.
        input_format_skip_unknown_fields: 0,
        wait_end_of_query: 1,
        ...(this.#cluster !== undefined && replicated),
      },
    });
  }

  /** Makes the tables again where the server has lost them: then it is another warehouse. */
  override async id(): Promise<string> {
    try {
      return await super.id();
    } catch (error) {
      if (!goneCodes.includes(codeOf(error))) throw error;
      await this.migrate();
      return super.id();
    }
  }

  async sql(statement: string, format = "JSONEachRow"): Promise<string> {
    const parsed = parseAnalystSql(statement);
    if (!/^[A-Za-z]{1,40}$/.test(format)) throw invalidRequest("No such format.", "format");
    const settings = { ...analystSettings, wait_end_of_query: 1 } as const;
    try {
      return await this.#call(parsed, {
        client: this.#analyst,
        format,
        settings,
        timeoutMs: analystTimeoutMs,
      });
    } catch (error) {
      const code = codeOf(error);
      if (error instanceof ClickHouseError && !unavailableCodes.includes(code)) {
        throw invalidRequest(error.message);
      }
      const message = "The warehouse does not answer; try again later.";
      throw new OptamilError("service_unavailable", message, { cause: error });
    }
  }

  /** The views for analysts, with a row for each of their columns. */
  async sqlViews(): Promise<readonly ViewColumn[]> {
    const rows = await this.ask("sql-views", {});
    return rows.map((row) => ({
      view: `optamil.${row["name"]}`,
      comment: String(row["comment"]),
      name: String(row["column_name"]),
      type: String(row["column_type"]),
    }));
  }

  /** Makes an account's role, and gives it to a user. Throws where this user may not manage access. */
  async makeAccountRole(role: string, username: string): Promise<void> {
    checkName(role);
    checkName(username);
    const on = this.#cluster === undefined ? "" : ` ON CLUSTER '${this.#cluster}'`;
    await this.#call(`CREATE ROLE IF NOT EXISTS "${role}"${on}`);
    await this.#call(`GRANT${on} "${role}" TO "${username}"`);
  }

  /** Whether the server answers; it takes as long as a request may. Never rejects. */
  async answers(): Promise<boolean> {
    const { success } = await this.#client.ping();
    return success;
  }

  async close(): Promise<void> {
    await Promise.all([this.#client.close(), this.#analyst.close()]);
  }

  async ask(name: StatementName, parameters: Record<string, unknown>): Promise<Row[]> {
    // Accounts are paged over all shards, not shard by shard.
    const settings = { wait_end_of_query: 1, distributed_product_mode: "global" } as const;
    const format = "JSONEachRow";
    return parseRows(await this.#call(readStatement(name), { parameters, settings, format }));
  }

  #askAnalytics(statement: string, parameters: Record<string, unknown>): Promise<string> {
    return this.#call(statement, {
      client: this.#analyst,
      format: "JSONEachRow",
      parameters,
      settings: { ...analyticsSettings, wait_end_of_query: 1, distributed_product_mode: "global" },
      timeoutMs: analyticsSettings.max_execution_time * 1_000 + 5_000,
    });
  }

  async #make(name: StatementName): Promise<void> {
    const statements =
      this.#cluster === undefined
        ? [readStatement(name)]
        : toClusterStatements(name, this.#cluster);
    for (const statement of statements) await this.#call(statement);
  }

  async #call(query: string, call: Call = {}): Promise<string> {
    const { settings, parameters, format, values, timeoutMs = this.#timeoutMs } = call;
    const { client = this.#client } = call;
    const { stream } = await client.exec({
      query,
      ...(settings !== undefined && { clickhouse_settings: settings }),
      ...(parameters !== undefined && { query_params: parameters }),
      ...(values !== undefined && { values }),
      ...(format !== undefined && { http_headers: { "X-ClickHouse-Format": format } }),
      abort_signal: AbortSignal.timeout(timeoutMs),
    });
    return text(stream);
  }
}

/** ClickHouse's code; 0 where the server did not answer with one. */
export function codeOf(error: unknown): number {
  return error instanceof ClickHouseError ? Number(error.code) : 0;
}
