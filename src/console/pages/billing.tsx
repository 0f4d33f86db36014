// Billing periods, and their requests as a file.
import { useState } from "react";
import type { UsageFigures } from "../../gen/optamil/v1/analytics_pb.ts";
import { analyticsClient } from "../api/analytics.ts";
import { exportRowsMax, saveAsCsv } from "../api/export.ts";
import { useAction, useLoad } from "../api/load.ts";
import { toCount, toCreditsText } from "../format/credits.ts";
import { toDollars } from "../format/figures.ts";
import { Button } from "../ui/button.tsx";
import { Card, Empty, FailureNotice, Loaded, PageHead } from "../ui/layout.tsx";
import { Table } from "../ui/table.tsx";

/** A calendar month in UTC. */
type Period = { readonly from: string; readonly to: string; readonly figures: UsageFigures };

const yearMs = 365 * 86_400_000;

async function loadPeriods(signal: AbortSignal): Promise<readonly Period[]> {
  const from = new Date(Date.now() - yearMs).toISOString();
  const { buckets, end, data } = await analyticsClient.getUsageSeries(
    { from, granularity: "month", timeZone: "UTC" },
    { signal },
  );
  const points = data[0]?.points ?? [];
  const periods = buckets.flatMap((start, index) => {
    const figures = points.find((point) => point.start === start)?.figures;
    return figures === undefined ? [] : [{ from: start, to: buckets[index + 1] ?? end, figures }];
  });
  return periods.toReversed();
}

/** The page of the billing periods. */
export default function Billing() {
  const { load, reload } = useLoad(loadPeriods);
  const { busy, failure, run } = useAction();
  const [saving, setSaving] = useState("");
  const save = ({ from, to }: Period) => {
    setSaving(from);
    void run(() => saveAsCsv(from, to, `optamil-${from.slice(0, 7)}.csv`));
  };
  return (
    <>
      <PageHead
        title="Billing"
        lead={`A period is a calendar month in UTC. Its requests can be had as CSV, the newest ${toCount(exportRowsMax)} of them; more by the API, at /v1/usage/export.`}
      />
      <Card flush>
        <FailureNotice failure={failure} />
        <Loaded load={load} reload={reload}>
          {(periods) =>
            periods.length === 0 ? (
              <Empty title="Nothing was used yet">The first request opens the first period.</Empty>
            ) : (
              <Table
                caption="Billing periods"
                rows={periods}
                keyOf={({ from }) => from}
                columns={[
                  {
                    title: "Period",
                    cell: ({ from }) => <strong className="nowrap">{toMonth(from)}</strong>,
                  },
                  {
                    title: "Requests",
                    right: true,
                    cell: ({ figures }) => toCount(figures.requests),
                  },
                  {
                    title: "Credits",
                    right: true,
                    cell: ({ figures }) => toCreditsText(figures.creditsMicro),
                  },
                  {
                    title: "Providers' list price",
                    right: true,
                    cell: ({ figures }) => toDollars(figures.providerCostNanousd),
                  },
                  {
                    title: "Export",
                    hiddenTitle: true,
                    cell: (period) => (
                      <span className="row end">
                        <Button
                          slim
                          busy={busy && saving === period.from}
                          onClick={() => save(period)}
                        >
                          Save as CSV
                        </Button>
                      </span>
                    ),
                  },
                ]}
              />
            )
          }
        </Loaded>
      </Card>
    </>
  );
}

function toMonth(start: string): string {
  const format = { month: "long", year: "numeric", timeZone: "UTC" } as const;
  return new Date(start).toLocaleDateString("en-GB", format);
}
