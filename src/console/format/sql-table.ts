// The answer to a statement, as a table of texts.

/** A row of texts. */
export type SqlRow = { readonly number: number; readonly cells: readonly string[] };

/** A table of texts, as far as it is shown. */
export type SqlTable = {
  readonly columns: readonly { readonly name: string; readonly isNumber: boolean }[];
  readonly rows: readonly SqlRow[];
  /** Rows of the answer. */
  readonly count: number;
};

/** The format in which answers are asked for: every value as the text that ClickHouse gives it, so that none is rounded. */
export const sqlTableFormat = "JSONCompactStringsEachRowWithNamesAndTypes";

/** Rows that are shown: a page with more is slow to draw. */
const rowsMax = 1_000;

/** Reads an answer in that format; names that are there twice get a number. */
export function readTable(text: string): SqlTable {
  const [names = [], types = [], ...rows] = text
    .split("\n")
    .filter((line) => line !== "")
    .map((line): string[] => JSON.parse(line));
  return {
    columns: names.map((name, place) => ({
      name: names.indexOf(name) < place ? `${name} (${place + 1})` : name,
      isNumber: /^(Nullable\()?(U?Int|Float|Decimal)/.test(types[place] ?? ""),
    })),
    rows: rows.slice(0, rowsMax).map((cells, number) => ({ number, cells })),
    count: rows.length,
  };
}
