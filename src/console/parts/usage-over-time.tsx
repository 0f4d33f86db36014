// The usage over time, in groups: as bars and as a table.
import { lazy, Suspense } from "react";
import type { GetUsageSeriesResponse } from "../../gen/optamil/v1/analytics_pb.ts";
import { type MeasureName, measures, nameOfGroup } from "../api/analytics.ts";
import { toAxis } from "../format/figures.ts";
import { Empty, Skeleton } from "../ui/layout.tsx";
import { Table } from "../ui/table.tsx";
import { tierNames } from "../ui/tier.tsx";
import type { BarSeries } from "./bar-chart.tsx";

const BarChart = lazy(() => import("./bar-chart.tsx").then((part) => ({ default: part.BarChart })));

/** Colours of groups that have none of their own, by rank. */
const colors = [
  "--tier-mid",
  "--tier-budget",
  "--tier-premium",
  "--tier-ultra",
  "--good",
  "--warn",
  "--bad",
  "--accent-strong",
] as const;

type OverTimeProps = {
  readonly usage: GetUsageSeriesResponse;
  readonly by: string;
  readonly measure: MeasureName;
  readonly keys: ReadonlyMap<string, string>;
};

/** The bars of one measure, and the table behind them. */
export function UsageOverTime({ usage, by, measure, keys }: OverTimeProps) {
  const { name } = measures[measure];
  const series = toSeries(usage, by, measure, keys);
  if (series.every(({ values }) => values.every((value) => value === 0))) {
    return (
      <Empty title="Nothing in this time">
        The warehouse has a request about a second after its end.
      </Empty>
    );
  }
  const times = usage.buckets.map((start) => Date.parse(start) / 1_000);
  const nameOf = (seconds: number) => toBucketName(seconds, usage.granularity);
  return (
    <div className="stack">
      <Suspense fallback={<Skeleton />}>
        <BarChart label={`${name} over time`} times={times} series={series} nameOf={nameOf} />
      </Suspense>
      <details className="disclosure">
        <summary>As a table</summary>
        <Table
          caption={`${name} over time`}
          rows={times.map((time, index) => ({ time, index }))}
          keyOf={({ time }) => String(time)}
          columns={[
            { title: "From", cell: ({ time }) => <span className="nowrap">{nameOf(time)}</span> },
            ...series.map(({ label, values }) => ({
              title: label,
              right: true,
              cell: ({ index }: { index: number }) => toAxis(values[index] ?? 0),
            })),
          ]}
        />
      </details>
    </div>
  );
}

function toSeries(
  { buckets, data }: GetUsageSeriesResponse,
  by: string,
  measure: MeasureName,
  keys: ReadonlyMap<string, string>,
): readonly BarSeries[] {
  return data.map(({ group, other, points }, rank) => {
    const figures = new Map(points.map((point) => [point.start, point.figures]));
    return {
      label: other ? "all others" : nameOfGroup(by, group, keys),
      color: colorOfGroup(other ? "other" : group, rank),
      values: buckets.map((start) => {
        const found = figures.get(start);
        return found === undefined ? 0 : measures[measure].of(found);
      }),
    };
  });
}

function colorOfGroup(group: string, rank: number): string {
  if (group === "other") return "--tier-free";
  const tier = tierNames.find((name) => name === group);
  return tier === undefined ? (colors[rank % colors.length] ?? "--accent") : `--tier-${tier}`;
}

function toBucketName(seconds: number, granularity: string): string {
  const date = new Date(seconds * 1_000);
  if (granularity === "hour") {
    return date.toLocaleString("en-GB", {
      day: "numeric",
      month: "short",
      hour: "2-digit",
      minute: "2-digit",
    });
  }
  if (granularity === "month")
    return date.toLocaleDateString("en-GB", { month: "long", year: "numeric" });
  return date.toLocaleDateString("en-GB", { weekday: "short", day: "numeric", month: "short" });
}
