// SQL of accounts on a ClickHouse server: by a user of its own, who takes an account's role for one statement.
import type { Readable } from "node:stream";
import {
  type ClickHouseClient,
  ClickHouseError,
  ClickHouseLogLevel,
  createClient,
} from "@clickhouse/client";
import { invalidRequest, OptamilError } from "../platform/errors.ts";
import type { AccountSql } from "./account-sql.ts";
import { parseAccountSql } from "./analyst-sql.ts";
import { type ClickHouseWarehouse, codeOf, unavailableCodes } from "./clickhouse.ts";

/** How accounts are let in. */
export type AccountSqlOptions = {
  /** http or https, with port. */
  readonly url: string;
  /** Has the role optamil_analyst, and those of accounts. */
  readonly username: string;
  readonly password: string;
  /** Makes the roles of accounts, and knows the views. */
  readonly warehouse: Pick<ClickHouseWarehouse, "makeAccountRole" | "sqlViews">;
};

/** SQL of accounts that is open. */
export type OpenAccountSql = AccountSql & { close(): Promise<void> };

const analystRole = "optamil_analyst";
const connectionsMax = 2;
const timeoutMs = 30_000;
const answerBytesMax = 16_000_000;
/** Codes for a role that there is not, and one that the user does not have. */
const roleCodes: readonly number[] = [511, 512];
/** Codes of a sign-in that failed: the operator's fault, not the asker's. */
const signInCodes: readonly number[] = [192, 193, 516];
const accountIdPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Opens it. */
export function openClickHouseAccountSql(options: AccountSqlOptions): OpenAccountSql {
  const { url, username, password, warehouse } = options;
  const client = createClient({
    ...{ url, username, password, application: "optamil", database: "optamil" },
    max_open_connections: connectionsMax,
    request_timeout: timeoutMs + 10_000,
    // Compression is a setting, which a user who only reads may not change.
    compression: { request: false, response: false },
    log: { level: ClickHouseLogLevel.OFF },
  });
  return {
    views: () => warehouse.sqlViews(),
    async query(accountId, statement, format) {
      const query = parseAccountSql(statement);
      if (!accountIdPattern.test(accountId)) throw invalidRequest("No such account.", "account_id");
      const role = `optamil_account_${accountId}`;
      try {
        return await ask(client, { query, role, format });
      } catch (error) {
        if (!roleCodes.includes(codeOf(error))) throw toRefusal(error);
      }
      await makeRole(role, options);
      return ask(client, { query, role, format }).catch((error) =>
        Promise.reject(toRefusal(error)),
      );
    },
    close: () => client.close(),
  };
}

type Asked = { readonly query: string; readonly role: string; readonly format: string };

async function ask(client: ClickHouseClient, { query, role, format }: Asked): Promise<string> {
  const { stream } = await client.exec({
    query,
    // The server takes these for the roles in force: without the account's own, policies show no row.
    role: [analystRole, role],
    http_headers: { "X-ClickHouse-Format": format },
    abort_signal: AbortSignal.timeout(timeoutMs),
  });
  return readBounded(stream);
}

async function readBounded(stream: Readable): Promise<string> {
  const pieces: Buffer[] = [];
  let sizeBytes = 0;
  for await (const piece of stream) {
    pieces.push(piece);
    sizeBytes += piece.length;
    // Leaving the loop closes the connection, upon which the server ends the statement.
    if (sizeBytes > answerBytesMax) throw invalidRequest("The answer is over 16 MB: add a LIMIT.");
  }
  return Buffer.concat(pieces).toString("utf8");
}

async function makeRole(role: string, { warehouse, username }: AccountSqlOptions): Promise<void> {
  try {
    await warehouse.makeAccountRole(role, username);
  } catch (error) {
    const message =
      "The account has no role in ClickHouse yet, and the gateway's user may not make it: an operator can (docs/analytics.md).";
    throw new OptamilError("service_unavailable", message, { shouldRetry: false, cause: error });
  }
}

function toRefusal(error: unknown): unknown {
  if (error instanceof OptamilError) return error;
  const away = [...unavailableCodes, ...signInCodes];
  if (error instanceof ClickHouseError && !away.includes(codeOf(error))) {
    return invalidRequest(error.message);
  }
  const message = "The warehouse does not answer; try again later.";
  return new OptamilError("service_unavailable", message, { cause: error });
}
