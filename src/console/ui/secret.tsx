// A key that is shown once.
import { CopyButton } from "./copy.tsx";

/** A new key, with a button that copies it. */
export function Secret({ secret }: { readonly secret: string }) {
  return (
    <div className="stack">
      <p>
        Copy it now: it is shown this once, and only its last four characters are kept. Whoever has
        it can use your credits.
      </p>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard (WCAG 2.1.1) */}
      <section className="secret" data-secret aria-label="The key" tabIndex={0}>
        {secret}
      </section>
      <div className="row">
        <CopyButton text={secret} label="Copy the key" />
      </div>
    </div>
  );
}
