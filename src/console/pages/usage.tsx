// Where the credits went.
import { createClient } from "@connectrpc/connect";
import type { GetUsageSeriesResponse } from "../../gen/optamil/v1/analytics_pb.ts";
import { UsageService } from "../../gen/optamil/v1/usage_pb.ts";
import {
  analyticsClient,
  loadKeyNames,
  type MeasureName,
  measures,
  ranges,
  timeZone,
} from "../api/analytics.ts";
import { useLoad } from "../api/load.ts";
import { transport } from "../api/transport.ts";
import { replaceQuery, useQuery } from "../navigation.tsx";
import { CreditsGauge } from "../parts/credits-gauge.tsx";
import { SavingsCard } from "../parts/savings-card.tsx";
import { TopCard } from "../parts/top-card.tsx";
import { UsageFigureCards } from "../parts/usage-figures.tsx";
import { UsageOverTime } from "../parts/usage-over-time.tsx";
import { SelectField } from "../ui/field.tsx";
import { Card, Loaded, PageHead } from "../ui/layout.tsx";

const usageClient = createClient(UsageService, transport);

/** What makes a group. */
const groups = ["tier", "model", "key", "tag", "provider", "outcome"] as const;

/** The page of the usage. */
export default function Usage() {
  const query = useQuery();
  const rangeName = query.get("range") ?? "month";
  const range = ranges[rangeName] ?? ranges["month"];
  const by = groups.find((name) => name === query.get("by")) ?? "tier";
  const measure = toMeasure(query.get("show"));
  const from = range?.from(new Date()) ?? "";
  const credits = useLoad((signal) => usageClient.getUsage({}, { signal }));
  const { load, reload } = useLoad(async (signal) => {
    const { granularity } = range ?? { granularity: "day" };
    const ask = { from, granularity, groupBy: by, compare: true, timeZone };
    const [usage, keys] = await Promise.all([
      analyticsClient.getUsageSeries(ask, { signal }),
      loadKeyNames(signal),
    ]);
    return { usage, keys, by };
  }, `${rangeName} ${by}`);
  return (
    <>
      <PageHead title="Usage" lead="Where the credits went." />
      <div className="stack wide">
        <Loaded load={credits.load} reload={credits.reload}>
          {(usage) => <CreditsGauge usage={usage} />}
        </Loaded>
        <Card>
          <Choices range={rangeName} by={by} measure={measure} />
        </Card>
        <Loaded load={load} reload={reload}>
          {(loaded) => <Figures {...loaded} measure={measure} />}
        </Loaded>
        <div className="grid halves">
          <TopCard by="key" range={rangeName} from={from} />
          <TopCard by="tag" range={rangeName} from={from} />
        </div>
        <SavingsCard range={rangeName} from={from} />
      </div>
    </>
  );
}

function toMeasure(text: string | null): MeasureName {
  const names: readonly MeasureName[] = ["credits", "requests", "tokens", "errors", "cost"];
  return names.find((name) => name === text) ?? "credits";
}

type ChoicesProps = { readonly range: string; readonly by: string; readonly measure: MeasureName };

function Choices({ range, by, measure }: ChoicesProps) {
  return (
    <div className="grid">
      <SelectField
        label="Time"
        value={range}
        onChange={(event) => replaceQuery({ range: event.target.value })}
      >
        {Object.entries(ranges).map(([value, { name }]) => (
          <option key={value} value={value}>
            {name}
          </option>
        ))}
      </SelectField>
      <SelectField
        label="By"
        value={by}
        onChange={(event) => replaceQuery({ by: event.target.value })}
      >
        {groups.map((name) => (
          <option key={name}>{name}</option>
        ))}
      </SelectField>
      <SelectField
        label="Show"
        value={measure}
        onChange={(event) => replaceQuery({ show: event.target.value })}
      >
        {Object.entries(measures).map(([value, { name }]) => (
          <option key={value} value={value}>
            {name}
          </option>
        ))}
      </SelectField>
    </div>
  );
}

type FiguresProps = {
  readonly usage: GetUsageSeriesResponse;
  readonly keys: ReadonlyMap<string, string>;
  readonly by: string;
  readonly measure: MeasureName;
};

function Figures({ usage, keys, by, measure }: FiguresProps) {
  return (
    <>
      {usage.total && <UsageFigureCards total={usage.total} previous={usage.previous} />}
      <Card title={`${measures[measure].name} by ${by}`}>
        <UsageOverTime usage={usage} by={by} measure={measure} keys={keys} />
      </Card>
    </>
  );
}
