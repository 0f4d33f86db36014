// Why the router chose a model.

import { toPercent } from "../format/credits.ts";
import { readExplanation } from "../format/route.ts";
import { FactList } from "../ui/facts.tsx";
import { tierNames } from "../ui/tier.tsx";

/** The explanation of one decision, with the chances as bars. */
export function RouteExplanation({ text }: { readonly text: string }) {
  const { chances, facts } = readExplanation(text);
  return (
    <div className="stack">
      {chances.length === tierNames.length && <ChanceBars chances={chances} />}
      <FactList facts={facts} />
    </div>
  );
}

/** Chances of a good answer by tier, 0 to 1, cheapest tier first. */
function ChanceBars({ chances }: { readonly chances: readonly number[] }) {
  return (
    <div>
      <p className="small muted">Chance of a good answer, as the router sees it</p>
      <div className="chances">
        {tierNames.map((name, index) => (
          <ChanceBar key={name} name={name} chance={chances[index] ?? 0} />
        ))}
      </div>
    </div>
  );
}

function ChanceBar({ name, chance }: { readonly name: string; readonly chance: number }) {
  return (
    <>
      <span>{name}</span>
      <span className="bar" aria-hidden>
        <span className={name} style={{ width: `${chance * 100}%` }} />
      </span>
      <span className="number">{toPercent(chance)}</span>
    </>
  );
}
