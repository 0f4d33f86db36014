// The figures of some time at one look, beside those of the time before.
import type { UsageFigures } from "../../gen/optamil/v1/analytics_pb.ts";
import { toCount, toCreditsText, toPercent } from "../format/credits.ts";
import { toChange } from "../format/figures.ts";
import { toDuration } from "../format/time.ts";

type FiguresProps = {
  readonly total: UsageFigures;
  /** The time before, as long. */
  readonly previous: UsageFigures | undefined;
};

/** Requests, credits, errors and latencies. */
export function UsageFigureCards({ total, previous }: FiguresProps) {
  const duration = (ms: number | undefined) => (ms === undefined ? "–" : toDuration(ms));
  const requests = Number(total.requests);
  const before = previous === undefined ? undefined : Number(previous.requests);
  const errorShare = requests === 0 ? 0 : Number(total.errors) / requests;
  return (
    <div className="grid figures">
      <FigureCard
        name="Requests"
        value={toCount(total.requests)}
        note={`${toCount(total.refused)} refused`}
        change={toChange(requests, before)}
      />
      <FigureCard
        name="Credits"
        value={toCreditsText(total.creditsMicro)}
        note={`${toCount(total.promptTokens + total.completionTokens)} tokens`}
        change={toChange(
          Number(total.creditsMicro),
          previous === undefined ? undefined : Number(previous.creditsMicro),
        )}
      />
      <FigureCard
        name="Errors"
        value={toPercent(errorShare)}
        note={`${toCount(total.errors)} requests failed`}
      />
      <FigureCard
        name="First text, half within"
        value={duration(total.ttftP50Ms)}
        note={`99 % within ${duration(total.ttftP99Ms)}`}
      />
      <FigureCard
        name="Complete, half within"
        value={duration(total.durationP50Ms)}
        note={`99 % within ${duration(total.durationP99Ms)}`}
      />
    </div>
  );
}

type FigureProps = {
  readonly name: string;
  readonly value: string;
  readonly note: string;
  /** How it stands to the time before; empty: not said. */
  readonly change?: string;
};

function FigureCard({ name, value, note, change = "" }: FigureProps) {
  return (
    <section className="card figure-card">
      <h2>{name}</h2>
      <p className="figure">{value}</p>
      <p className="small muted">
        {note}
        {change !== "" && `, ${change} to the time before`}
      </p>
    </section>
  );
}
