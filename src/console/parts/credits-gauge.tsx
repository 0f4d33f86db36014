// The credits of the current billing period at one look.
import type { GetUsageResponse } from "../../gen/optamil/v1/usage_pb.ts";
import { shareOf, toCreditsText, toPercent } from "../format/credits.ts";
import { forecastMicro } from "../format/forecast.ts";
import { toPeriod } from "../format/time.ts";
import { Card } from "../ui/layout.tsx";
import { Meter, tierNames } from "../ui/tier.tsx";

/** Used, left and where the period's end will find the account. */
export function CreditsGauge({ usage }: { readonly usage: GetUsageResponse }) {
  const { creditsUsedMicro: used, creditsRemainingMicro: left, creditsTotalMicro: total } = usage;
  const share = shareOf(used, total);
  return (
    <Card
      title="Credits"
      tools={
        <span className="muted small">
          {toPeriod(usage.billingPeriodStart, usage.billingPeriodEnd)}, UTC
        </span>
      }
    >
      <div className="stack">
        <div className="row between">
          <div>
            <span className="figure" data-credits-left>
              {toCreditsText(left)}
            </span>{" "}
            <span className="muted">left</span>
          </div>
          <span className="muted number">
            <span data-credits-used>{toCreditsText(used)}</span> of {toCreditsText(total)} used (
            {toPercent(share)})
          </span>
        </div>
        <Meter share={share} label="Share of the credits that is used" />
        <Forecast usage={usage} />
        <TierBar usage={usage} />
      </div>
    </Card>
  );
}

function Forecast({ usage }: { readonly usage: GetUsageResponse }) {
  const { creditsUsedMicro, creditsTotalMicro, billingPeriodStart, billingPeriodEnd } = usage;
  const start = Date.parse(billingPeriodStart);
  const end = Date.parse(billingPeriodEnd) + 1_000;
  const micro = forecastMicro({ usedMicro: creditsUsedMicro, start, end, now: Date.now() });
  if (micro === undefined) return null;
  const over = micro > creditsTotalMicro;
  return (
    <p className="small">
      At the pace of the period so far, {toCreditsText(micro)} credits will be used by its end
      {over ? ": more than there are." : "."}
    </p>
  );
}

function TierBar({ usage }: { readonly usage: GetUsageResponse }) {
  const tiers = usage.tierBreakdown;
  if (tiers === undefined || usage.creditsUsedMicro === 0n) return null;
  const amounts = tierNames.map((name) => ({ name, micro: tiers[`${name}Micro`] }));
  return (
    <>
      <div className="stacked" aria-hidden>
        {amounts
          .filter(({ micro }) => micro > 0n)
          .map(({ name, micro }) => (
            <span
              key={name}
              className={`dot ${name} fill`}
              style={{ flexGrow: shareOf(micro, usage.creditsUsedMicro) }}
            />
          ))}
      </div>
      <div className="legend-row">
        {amounts.map(({ name, micro }) => (
          <span key={name}>
            <span className={`dot ${name}`} aria-hidden />
            {name} <span className="muted number">{toCreditsText(micro)}</span>
          </span>
        ))}
      </div>
    </>
  );
}
