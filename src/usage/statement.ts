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

/** What makes the place of kept prompts and answers on a server, in order; repeating it changes nothing. */
export const contentStatements = ["content-database", "request-contents"] as const;

/** What makes all that a server has, in order. */
export const serverStatements = [...schemaStatements, ...contentStatements] as const;

/** What makes the rollups of the embedded warehouse, in order; repeating it changes nothing. */
export const rollupStatements = [
  "rollup-old-hours",
  "rollup-old-days",
  "rollup-touched",
  "rollup-touched-hours",
  "rollup-sums",
  "rollup-days",
  "rollup-touched-feed",
  "rollup-touched-hours-feed",
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
export const schemaVersion = 3;

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
  | "rollup-widen"
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
  | (typeof contentStatements)[number]
  | "content-of-request"
  | "content-accounts"
  | "content-removal"
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

/** What figures are added up from, and what is asked of them: names of the lines of their statement that stay. */
export type FiguresParts = {
  readonly rows: boolean;
  readonly sums: boolean;
  readonly lines: ReadonlySet<string>;
};

const texts = new Map<string, string>();

/** The text of a statement. Placeholders are ClickHouse's own: `{name:Type}`. */
export function readStatement(name: StatementName): string {
  return readText(name);
}

/** The statement of figures, as short as the question allows. */
export function readFigures({ rows, sums, lines }: FiguresParts): string {
  const parts = [...(rows ? ["figures-rows"] : []), ...(sums ? ["figures-sums"] : [])];
  const union = parts.map((part) => keepLines(readText(part), lines)).join("UNION ALL\n");
  return readText("figures").replace("/* SUMS */", union);
}

/** A text without the lines that end with `-- if NAME` where that is none of the names. */
function keepLines(text: string, names: ReadonlySet<string>): string {
  const kept = text.split("\n").filter((line) => {
    const name = / -- if (\w+)$/.exec(line)?.[1];
    return name === undefined || names.has(name);
  });
  return kept.join("\n");
}

function readText(name: string): string {
  const known = texts.get(name);
  if (known !== undefined) return known;
  const text = readFileSync(new URL(`./sql/${name}.sql`, import.meta.url), "utf8");
  texts.set(name, text);
  return text;
}
