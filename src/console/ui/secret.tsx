// A key that is shown once.
import { Button } from "./button.tsx";
import { CopyButton } from "./copy.tsx";
import { Dialog } from "./dialog.tsx";

type SecretDialogProps = {
  readonly title: string;
  readonly secret: string;
  readonly onClose: () => void;
};

/** Shows a new key until its reader has kept it. */
export function SecretDialog({ title, secret, onClose }: SecretDialogProps) {
  return (
    <Dialog title={title} onClose={onClose}>
      <Secret secret={secret} />
      <div className="row end">
        <Button kind="primary" onClick={onClose}>
          I have kept it
        </Button>
      </div>
    </Dialog>
  );
}

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
