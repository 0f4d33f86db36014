// Tables of rows.
import type { ReactNode } from "react";

/** One column of a table. */
export type Column<Row> = {
  readonly title: string;
  readonly cell: (row: Row) => ReactNode;
  /** Whether it holds numbers, which stand at the right. Default false. */
  readonly right?: boolean;
  /** Whether the title is read to people who cannot see the table, and hidden from the others. Default false. */
  readonly hiddenTitle?: boolean;
};

type TableProps<Row> = {
  /** What the table shows, for people who cannot see it. */
  readonly caption: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly keyOf: (row: Row) => string;
};

/** A table that scrolls sideways where it is wider than the page. */
export function Table<Row>({ caption, columns, rows, keyOf }: TableProps<Row>) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard (WCAG 2.1.1)
    <section className="table-scroll" tabIndex={0} aria-label={caption}>
      <table className="table">
        <caption className="visually-hidden">{caption}</caption>
        <thead>
          <tr>
            {columns.map(({ title, right, hiddenTitle }) => (
              <th key={title} scope="col" className={right ? "right" : undefined}>
                {hiddenTitle ? <span className="visually-hidden">{title}</span> : title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={keyOf(row)}>
              {columns.map(({ title, cell, right }) => (
                <td key={title} className={right ? "right" : undefined}>
                  {cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
