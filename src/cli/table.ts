// Rows of text in columns, for people.

/** The lines of a table: each column as wide as its widest cell, the last one as it is. */
export function toTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
): readonly string[] {
  const table = [header, ...rows];
  const widths = header
    .slice(0, -1)
    .map((_title, at) => Math.max(...table.map((row) => row[at]?.length ?? 0)));
  return table.map((row) => row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join("  "));
}
