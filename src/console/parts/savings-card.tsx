// What routing saved, with the footnote that says how far the figure can be trusted.

import type { Savings } from "../../gen/optamil/v1/analytics_pb.ts";
import { analyticsClient, timeZone } from "../api/analytics.ts";
import { useLoad } from "../api/load.ts";
import { toCount, toPercent } from "../format/credits.ts";
import { toDollars } from "../format/figures.ts";
import { FactList } from "../ui/facts.tsx";
import { Card, Empty, Loaded } from "../ui/layout.tsx";

type SavingsProps = { readonly range: string; readonly from: string };

/** The saved part of the baseline's cost, beside the chance of a good answer. */
export function SavingsCard({ range, from }: SavingsProps) {
  const { load, reload } = useLoad(
    (signal) => analyticsClient.getSavings({ from, timeZone }, { signal }),
    range,
  );
  return (
    <Card title="Saved by auto">
      <Loaded load={load} reload={reload}>
        {({ total, footnote }) =>
          total === undefined || total.answers === 0n ? (
            <Empty title="No answers of auto in this time">
              Savings are counted for requests that leave the choice to the router.
            </Empty>
          ) : (
            <div className="stack">
              <SavingsFacts total={total} />
              <p className="small muted">{footnote}</p>
            </div>
          )
        }
      </Loaded>
    </Card>
  );
}

function SavingsFacts({ total }: { readonly total: Savings }) {
  const { quality, qualityLow, qualityHigh, strongestQuality } = total;
  const interval =
    qualityLow === undefined || qualityHigh === undefined
      ? ""
      : ` (${toPercent(qualityLow)} to ${toPercent(qualityHigh)})`;
  const facts = [
    ["Saved", `${total.savedPercent.toFixed(1)} %`],
    ["Cost by list", toDollars(total.providerCostNanousd)],
    [`At ${total.baselineModel || "the strongest model"}`, toDollars(total.baselineCostNanousd)],
    ["Answers of auto", toCount(total.answers)],
    ["Chance of a good answer", quality === undefined ? "–" : `${toPercent(quality)}${interval}`],
    ["With the ultra tier", strongestQuality === undefined ? "–" : toPercent(strongestQuality)],
  ] as const;
  return <FactList facts={facts} />;
}
