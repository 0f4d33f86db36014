// The methods of AnalyticsService by which an account asks SQL about its own rows.
import { create } from "@bufbuild/protobuf";
import {
  AnalyticsService,
  ListSqlViewsResponseSchema,
  QuerySqlResponseSchema,
} from "../../gen/optamil/v1/analytics_pb.ts";
import { invalidRequest } from "../../platform/errors.ts";
import type { AccountSql } from "../../usage/account-sql.ts";
import { type Exchange, type MethodEntry, unary } from "../exchange.ts";

const unavailableReason =
  "SQL of accounts needs a ClickHouse server, which keeps roles, and an operator who names its user (clickhouse.analystUsername).";

/** The methods; `sql` is undefined where no server keeps roles. */
export function accountSqlMethods(
  sql: AccountSql | undefined,
  accountOf: (asked: string, exchange: Exchange) => string,
): readonly MethodEntry[] {
  const { method } = AnalyticsService;
  return [
    unary(method.listSqlViews, async () => {
      const columns = (await sql?.views()) ?? [];
      const views = Map.groupBy(columns, ({ view }) => view);
      return create(ListSqlViewsResponseSchema, {
        object: "list",
        available: sql !== undefined,
        reason: sql === undefined ? unavailableReason : "",
        data: [...views].map(([name, own]) => ({
          ...{ name, columns: own },
          comment: own[0]?.comment ?? "",
        })),
      });
    }),
    unary(method.querySql, async ({ accountId, sql: statement, format }, exchange) => {
      const account = accountOf(accountId, exchange);
      if (sql === undefined) throw invalidRequest(unavailableReason);
      const text = await sql.query(account, statement, format || "JSONEachRow");
      return create(QuerySqlResponseSchema, { text });
    }),
  ];
}
