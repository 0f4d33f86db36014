// Copies what an embedded warehouse has stored to a server: rows as they count, and the ledger of records.

import type { StatementName } from "./statement.ts";
import type { Row, StoredUsage, TextFormat } from "./stored-usage.ts";
import type { BootRecords, LogRecords } from "./warehouse.ts";

/** Both ends of a move. */
export type MoveBooks = Pick<StoredUsage, "ask" | "boots" | "logs">;

/** Where rows come from. */
export interface MoveSource extends MoveBooks {
  text(
    name: StatementName,
    parameters: Record<string, unknown>,
    format: TextFormat,
  ): Promise<string>;
}

/** Where they go to. */
export interface MoveTarget extends MoveBooks {
  /** Stores rows in the format JSONCompactEachRowWithNames; the same ones again count once. */
  take(table: "usage_events" | "usage_records", rows: string): Promise<void>;
}

/** What is copied, and who hears of it. */
export type MoveRowsOptions = {
  readonly from: MoveSource;
  readonly to: MoveTarget;
  /** Told a line for each period and log. */
  readonly tell: (step: string, message: string) => void;
  /** Rows of one insert. Default 5,000: some 3 MB. */
  readonly rowsMax?: number | undefined;
};

const format = "JSONCompactEachRowWithNames";
const rowsMaxDefault = 5_000;
const noEvent = "00000000-0000-0000-0000-000000000000";

/** Boots by name, for the questions about them. */
export function toBootNames(
  boots: readonly Pick<BootRecords, "gatewayId" | "bootEpoch">[],
): string[] {
  return boots.map(({ gatewayId, bootEpoch }) => `${gatewayId}/${bootEpoch}`);
}

/**
 * Copies the rows that count, a period at a time and a page at a time, and then the records. What is there already is
 * passed over: a period with the same fingerprint, and records by their places. Whatever is copied again counts once.
 */
export async function moveRows(options: MoveRowsOptions): Promise<void> {
  const { from, to, tell } = options;
  const logs = await from.logs();
  // Rows that came through a log of the fleet are not among them.
  const names = logs.map(nameOf);
  const there = await readPeriods(to, names);
  for (const [period, { rows, fingerprint }] of await readPeriods(from, names)) {
    if (there.get(period)?.fingerprint === fingerprint) {
      tell("rows", `${period}: ${rows} are there`);
      continue;
    }
    tell("rows", `${period}: ${await copyPeriod(period, options)} copied`);
  }
  const known = new Map((await to.logs()).map((log) => [nameOf(log), log]));
  for (const log of logs) {
    const same = known.get(nameOf(log));
    const isThere = same?.records === log.records && same.total === log.total;
    const copied = isThere ? 0 : await copyRecords(log, options);
    tell("records", `${nameOf(log)}: ${copied} copied, ${Number(log.records) - copied} are there`);
  }
}

type Period = { readonly rows: string; readonly fingerprint: string };

async function readPeriods(
  books: MoveBooks,
  logs: readonly string[],
): Promise<ReadonlyMap<string, Period>> {
  const rows = await books.ask("move-periods", { logs });
  return new Map(
    rows.map((row) => [
      textOf(row, "period_id"),
      { rows: textOf(row, "rows"), fingerprint: textOf(row, "fingerprint") },
    ]),
  );
}

async function copyPeriod(
  period: string,
  { from, to, rowsMax = rowsMaxDefault }: MoveRowsOptions,
): Promise<number> {
  let copied = 0;
  for (let account = "", event = noEvent; ; ) {
    const asked = { period, account, event, limit: rowsMax };
    const page = await from.text("move-rows", asked, format);
    const { names, rows } = toLines(page);
    const last = rows.at(-1);
    if (last === undefined) return copied;
    await to.take("usage_events", page);
    copied += rows.length;
    account = String(cellOf(last, names, "account_id"));
    event = String(cellOf(last, names, "event_id"));
  }
}

/** Copies the records that are not there: those of events whose rows were replaced. */
async function copyRecords(
  { logName, logEpoch, first }: LogRecords,
  { from, to, rowsMax = rowsMaxDefault }: MoveRowsOptions,
): Promise<number> {
  let copied = 0;
  const log = { log: logName, epoch: String(logEpoch) };
  for (let offset = Number(first); ; ) {
    const page = await from.text("move-records", { ...log, from: offset, limit: rowsMax }, format);
    const { head, names, rows } = toLines(page);
    const offsets = rows.map((row) => Number(cellOf(row, names, "log_offset")));
    const last = offsets.at(-1);
    if (last === undefined) return copied;
    const found = await to.ask("move-offsets", { ...log, from: offset, to: last });
    const there = new Set(found.map((row) => Number(textOf(row, "place"))));
    const missing = rows.filter((_, at) => !there.has(offsets[at] ?? -1));
    if (missing.length > 0) {
      await to.take("usage_records", `${[head, ...missing].join("\n")}\n`);
    }
    copied += missing.length;
    offset = last + 1;
  }
}

/** The names' line, the names, and a line for each row. */
function toLines(page: string): { head: string; names: readonly string[]; rows: string[] } {
  const [head = "[]", ...rows] = page.split("\n").filter((line) => line !== "");
  const names: readonly string[] = JSON.parse(head);
  return { head, names, rows };
}

function cellOf(row: string, names: readonly string[], name: string): unknown {
  const cells: readonly unknown[] = JSON.parse(row);
  return cells[names.indexOf(name)];
}

function nameOf({ logName, logEpoch }: LogRecords): string {
  return `${logName}@${logEpoch}`;
}

function textOf(row: Row, column: string): string {
  return String(row[column] ?? "");
}
