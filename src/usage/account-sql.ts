// The port of SQL that an account asks about its own rows.
import { openRoom } from "./analytics-room.ts";

/** Answers SQL of accounts; throws `invalid_request` for what is wrong with a statement or not taken. */
export interface AccountSql {
  /** The rows of one account that a statement asks for, in a ClickHouse format. */
  query(accountId: string, statement: string, format: string): Promise<string>;
  /** The columns of all views, view by view. */
  views(): Promise<readonly ViewColumn[]>;
}

/** A column of a view. */
export type ViewColumn = {
  /** With its database. */
  readonly view: string;
  readonly comment: string;
  readonly name: string;
  /** As ClickHouse writes it. */
  readonly type: string;
};

const runningMax = 2;
const waitingMax = 8;
const timeoutMs = 30_000;

/** The same within bounds of its own: it never waits for charts, and no chart waits for it. */
export function boundAccountSql(sql: AccountSql): AccountSql {
  const run = openRoom({ runningMax, waitingMax, timeoutMs });
  return {
    query: (...asked) => run(() => sql.query(...asked)),
    views: () => run(() => sql.views()),
  };
}
