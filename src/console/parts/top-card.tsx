// The keys or tags that used the most.
import type { UsageGroup } from "../../gen/optamil/v1/analytics_pb.ts";
import { analyticsClient, loadKeyNames, nameOfGroup, timeZone } from "../api/analytics.ts";
import { useLoad } from "../api/load.ts";
import { toCount, toCreditsText } from "../format/credits.ts";
import { Card, Empty, Loaded } from "../ui/layout.tsx";
import { Table } from "../ui/table.tsx";

type TopProps = {
  readonly by: "key" | "tag";
  /** Name of the time, and its first moment. */
  readonly range: string;
  readonly from: string;
};

/** A group with its name. */
type Row = { readonly name: string; readonly row: UsageGroup };

/** The greatest groups by credits. */
export function TopCard({ by, range, from }: TopProps) {
  const { load, reload } = useLoad(async (signal) => {
    const [{ data, other }, keys] = await Promise.all([
      analyticsClient.getTopUsage({ by, from, timeZone, limit: 10 }, { signal }),
      by === "key" ? loadKeyNames(signal) : new Map<string, string>(),
    ]);
    const named = data.map((row): Row => ({ name: nameOfGroup(by, row.group, keys), row }));
    return other === undefined ? named : [...named, { name: "all others", row: other }];
  }, range);
  return (
    <Card flush title={by === "key" ? "By key" : "By tag"}>
      <Loaded load={load} reload={reload}>
        {(rows) =>
          rows.length === 0 ? (
            <Empty title="Nothing in this time" />
          ) : (
            <Table
              caption={`Usage by ${by}`}
              rows={rows}
              keyOf={({ name, row }) => `${name} ${row.group}`}
              columns={[
                {
                  title: by === "key" ? "Key" : "Tag",
                  cell: ({ name }) => <span className="wrap">{name}</span>,
                },
                {
                  title: "Requests",
                  right: true,
                  cell: ({ row }) => toCount(row.figures?.requests ?? 0n),
                },
                {
                  title: "Credits",
                  right: true,
                  cell: ({ row }) => toCreditsText(row.figures?.creditsMicro ?? 0n),
                },
              ]}
            />
          )
        }
      </Loaded>
    </Card>
  );
}
