// Copies text, and shows code that can be copied.
import { useEffect, useState } from "react";
import { Button } from "./button.tsx";

const shownForMs = 1_600;

/** A button that copies a text. */
export function CopyButton({
  text,
  label = "Copy",
}: {
  readonly text: string;
  readonly label?: string;
}) {
  const [said, setSaid] = useState("");
  useEffect(() => {
    if (said === "") return undefined;
    const timer = setTimeout(() => setSaid(""), shownForMs);
    return () => clearTimeout(timer);
  }, [said]);
  const copy = () =>
    navigator.clipboard.writeText(text).then(
      () => setSaid("Copied"),
      () => setSaid("Select and copy it"),
    );
  return (
    <Button slim onClick={() => void copy()}>
      <span aria-live="polite">{said === "" ? label : said}</span>
    </Button>
  );
}

type CodeProps = {
  readonly text: string;
  /** What it is, for its head. */
  readonly title?: string;
  /** Whether long lines are broken. Default false. */
  readonly wrapped?: boolean;
};

/** Code or other text of machines, with a button that copies it. */
export function CodeBlock({ text, title = "", wrapped = false }: CodeProps) {
  return (
    <div className="code">
      <div className="row between">
        <span className="small muted">{title}</span>
        <CopyButton text={text} />
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard (WCAG 2.1.1) */}
      <pre className={wrapped ? "wrapped" : ""} tabIndex={0}>
        <code>{text}</code>
      </pre>
    </div>
  );
}
