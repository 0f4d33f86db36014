// SQL about the account's own rows, where a server keeps the roles that it needs.
import { createClient } from "@connectrpc/connect";
import { useState } from "react";
import {
  AnalyticsService,
  type ListSqlViewsResponse,
  type SqlView,
} from "../../gen/optamil/v1/analytics_pb.ts";
import { useAction, useLoad } from "../api/load.ts";
import { transport } from "../api/transport.ts";
import { readTable, type SqlRow, type SqlTable, sqlTableFormat } from "../format/sql-table.ts";
import { Button } from "../ui/button.tsx";
import { Card, Empty, FailureNotice, Loaded, PageHead } from "../ui/layout.tsx";
import { Table } from "../ui/table.tsx";

const analyticsClient = createClient(AnalyticsService, transport);

const firstStatement = `SELECT day, model, sum(requests) AS requests, sum(credits) AS credits
FROM optamil.usage_by_day
GROUP BY day, model
ORDER BY day DESC
LIMIT 100`;

/** The page of SQL. */
export default function Sql() {
  const { load, reload } = useLoad((signal) => analyticsClient.listSqlViews({}, { signal }));
  return (
    <>
      <PageHead
        title="SQL"
        lead="Ask ClickHouse about this account's own requests. Nothing is changed, and no other account's rows are seen."
      />
      <div className="stack wide">
        <Loaded load={load} reload={reload}>
          {(views) => (views.available ? <Asking views={views} /> : <Missing views={views} />)}
        </Loaded>
      </div>
    </>
  );
}

function Missing({ views: { reason } }: { readonly views: ListSqlViewsResponse }) {
  return (
    <Card>
      <Empty title="There is no SQL for accounts here">{reason}</Empty>
    </Card>
  );
}

function Asking({ views }: { readonly views: ListSqlViewsResponse }) {
  const [sql, setSql] = useState(firstStatement);
  const [table, setTable] = useState<SqlTable | undefined>(undefined);
  const { busy, failure, run } = useAction();
  const ask = () =>
    void run(async () => {
      setTable(undefined);
      const { text } = await analyticsClient.querySql({ sql, format: sqlTableFormat });
      setTable(readTable(text));
    });
  return (
    <>
      <Card title="Statement">
        <form
          className="stack"
          onSubmit={(event) => {
            event.preventDefault();
            ask();
          }}
        >
          <textarea
            className="input mono"
            aria-label="Statement"
            rows={8}
            spellCheck={false}
            value={sql}
            onChange={(event) => setSql(event.target.value)}
            onKeyDown={(event) => {
              if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) ask();
            }}
          />
          <div className="row">
            <Button kind="primary" type="submit" busy={busy}>
              Ask
            </Button>
            <span className="small muted">Ctrl and Enter ask too. 30 seconds at most.</span>
          </div>
          <FailureNotice failure={failure} />
        </form>
      </Card>
      {table !== undefined && <Answer table={table} />}
      <Views views={views.data} />
    </>
  );
}

function Answer({ table: { columns, rows, count } }: { readonly table: SqlTable }) {
  const title = count === 1 ? "1 row" : `${count.toLocaleString("en")} rows`;
  const more = count - rows.length;
  return (
    <Card flush title={more > 0 ? `${title}, the first ${rows.length} of them` : title}>
      {rows.length === 0 ? (
        <Empty title="No row is like that" />
      ) : (
        <Table
          caption="Answer"
          rows={rows}
          keyOf={({ number }) => String(number)}
          columns={columns.map(({ name, isNumber }, place) => ({
            title: name,
            right: isNumber,
            cell: ({ cells }: SqlRow) => <span className="mono small">{cells[place]}</span>,
          }))}
        />
      )}
    </Card>
  );
}

function Views({ views }: { readonly views: readonly SqlView[] }) {
  return (
    <Card title="Views">
      <div className="stack">
        {views.map(({ name, comment, columns }) => (
          <details key={name}>
            <summary>
              <span className="mono">{name}</span> <span className="small muted">{comment}</span>
            </summary>
            <ul className="small">
              {columns.map((column) => (
                <li key={column.name}>
                  <span className="mono">{column.name}</span>{" "}
                  <span className="muted wrap">{column.type}</span>
                </li>
              ))}
            </ul>
          </details>
        ))}
      </div>
    </Card>
  );
}
