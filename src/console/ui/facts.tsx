// What is known of one thing, name by name.
import type { ReactNode } from "react";

/** A fact's name, and what it says. */
export type Fact = readonly [name: string, value: ReactNode];

/** A list of facts. */
export function FactList({ facts }: { readonly facts: readonly Fact[] }) {
  return (
    <dl className="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
