// The SQL statements, one file each under sql/.
import { readFileSync } from "node:fs";

/** What makes the tables and views, in order; repeating it changes nothing. */
export const schemaStatements = [
  "database",
  "schema-versions",
  "schema-versions-columns",
  "warehouse-ids",
  "usage-events",
  "usage-events-columns",
  "usage-events-trace",
  "usage-records",
  "usage-records-feed",
  "view-usage",
  "view-usage-by-day",
  "view-latency",
  "view-outcomes",
  "view-spending",
  "view-budget-thresholds",
  "view-last-feedback",
  "view-feedback",
  "view-router-outcomes",
  "view-savings",
  "view-shadow-comparison",
] as const;

/** What makes the rollups of the embedded warehouse, in order; repeating it changes nothing. */
export const rollupStatements = [
  "rollup-touched",
  "rollup-hours",
  "rollup-days",
  "rollup-touched-feed",
] as const;

/** What analysts of single accounts need on a server, in order; repeating it changes nothing. */
export const accessStatements = [
  "analyst-role",
  "analyst-grant",
  "everything-policy",
  "analyst-policy",
  "records-policy",
] as const;

/** Version of what they make: one more with each change. */
export const schemaVersion = 2;

/**
 * Programs that know this version or a later one work with what they make: columns and tables are added, and whoever does
 * not know them leaves them alone. It grows when something is taken away that they still need, which is in the release
 * after the one that no longer needs it, at the soonest.
 */
export const schemaOldest = 1;

/** What keeps rollups up to date. */
export type RollupQuestion =
  | "rollup-seeded"
  | "rollup-seed"
  | "rollup-mark"
  | "rollup-due"
  | "rollup-fill"
  | "rollup-done"
  | "rollup-until";

/** What is asked while usage is moved from an embedded warehouse to a server. */
export type MoveQuestion =
  | "move-periods"
  | "move-rows"
  | "move-records"
  | "move-offsets"
  | "move-accounts"
  | "move-sums"
  | "move-events";

/** Name of a statement: of its file without the ending. */
export type StatementName =
  | (typeof schemaStatements)[number]
  | (typeof accessStatements)[number]
  | (typeof rollupStatements)[number]
  | RollupQuestion
  | MoveQuestion
  | "schema-version"
  | "warehouse-id"
  | "last-offset"
  | "sums"
  | "sums-page"
  | "bases"
  | "budget-bases"
  | "event"
  | "event-of-request"
  | "figures"
  | "figures-rolled"
  | "logged-requests"
  | "logged-request"
  | "savings"
  | "books"
  | "sql-views"
  | "audit-boots"
  | "audit-logs"
  | "audit-events"
  | "audit-rows";

/** Gives a warehouse that was just made its id. */
export const identify = "INSERT INTO optamil.warehouse_ids (id) VALUES (generateUUIDv4())";

/** Where figures come from: files whose rows are put together in the place of a comment. */
const sumsOf: Partial<Record<StatementName, readonly string[]>> = {
  figures: ["figures-rows"],
  "figures-rolled": ["figures-rows", "figures-hours"],
};

/** The text of a statement. Placeholders are ClickHouse's own: `{name:Type}`. */
export function readStatement(name: StatementName): string {
  const sums = sumsOf[name];
  if (sums === undefined) return readText(name);
  return readText("figures").replace("/* SUMS */", sums.map(readText).join("UNION ALL\n"));
}

function readText(name: string): string {
  return readFileSync(new URL(`./sql/${name}.sql`, import.meta.url), "utf8");
}
