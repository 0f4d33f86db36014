// Tiers and states of things, as coloured words.
import type { ReactNode } from "react";

/** Names of the tiers, cheapest first. */
export const tierNames = ["free", "budget", "mid", "premium", "ultra"] as const;

/** A tier with its colour; nothing for no tier. */
export function Tier({ name }: { readonly name: string | undefined }) {
  if (name === undefined || name === "") return <span className="muted">–</span>;
  return (
    <span className="tag">
      <span className={`dot ${name}`} aria-hidden />
      {name}
    </span>
  );
}

/** Looks of a state. */
type Tone = "plain" | "good" | "warn" | "bad";

/** A short word on the state of something. */
export function Tag({
  tone = "plain",
  children,
}: {
  readonly tone?: Tone;
  readonly children: ReactNode;
}) {
  return <span className={`tag ${tone}`}>{children}</span>;
}

/** How a model or deployment answers just now; nothing where it was not asked. */
export function HealthTag({ state }: { readonly state: string }) {
  if (state === "well") return <Tag tone="good">well</Tag>;
  if (state === "failing") return <Tag tone="warn">failing</Tag>;
  return state === "resting" ? <Tag tone="bad">resting</Tag> : <span className="muted">–</span>;
}

/** A bar that is full to a share, 0 to 1: it turns when little is left. */
export function Meter({ share, label }: { readonly share: number; readonly label: string }) {
  const tone = share >= 1 ? "bad" : share >= 0.8 ? "warn" : "";
  const percent = Math.min(100, Math.max(0, share * 100));
  return (
    // biome-ignore lint/a11y/useSemanticElements: the browsers' own meter cannot be styled alike in all of them
    <div
      className={`meter ${tone}`}
      role="meter"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(percent)}
    >
      <span style={{ width: `${percent}%` }} />
    </div>
  );
}
