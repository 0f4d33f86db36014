// The head of a page, cards, and what stands where something is missing.
import { type ReactNode, useEffect, useRef } from "react";
import type { Failure } from "../api/failure.ts";
import type { Load } from "../api/load.ts";
import { Button } from "./button.tsx";

type HeadProps = {
  readonly title: string;
  readonly lead?: ReactNode;
  readonly children?: ReactNode;
};

/** The head of a page; takes the focus, so that a reader who cannot see it hears where they are. */
export function PageHead({ title, lead, children }: HeadProps) {
  const head = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · Optamil`;
    head.current?.focus({ preventScroll: true });
  }, [title]);
  return (
    <div className="page-head">
      <div>
        <h1 ref={head} tabIndex={-1}>
          {title}
        </h1>
        {lead !== undefined && <p>{lead}</p>}
      </div>
      {children !== undefined && <div className="row">{children}</div>}
    </div>
  );
}

type CardProps = {
  readonly title?: ReactNode;
  /** What stands at the right of the title. */
  readonly tools?: ReactNode;
  /** Whether what is within reaches the edges, as tables do. Default false. */
  readonly flush?: boolean;
  readonly children?: ReactNode;
};

/** A part of a page. */
export function Card({ title, tools, flush = false, children }: CardProps) {
  return (
    <section className={flush ? "card flush" : "card"}>
      {title !== undefined && (
        <header>
          <h2>{title}</h2>
          {tools}
        </header>
      )}
      {children}
    </section>
  );
}

/** What is said where there is nothing yet. */
export function Empty({
  title,
  children,
}: {
  readonly title: string;
  readonly children?: ReactNode;
}) {
  return (
    <div className="empty">
      <strong>{title}</strong>
      {children}
    </div>
  );
}

/** Stands in for what is loading. */
export function Skeleton() {
  return (
    <div className="skeleton">
      <output className="visually-hidden">Loading…</output>
      <span aria-hidden />
      <span aria-hidden />
      <span aria-hidden />
    </div>
  );
}

/** Looks of a notice. */
type Tone = "info" | "good" | "warn" | "bad";

/** A remark that stands out. */
export function Notice({
  tone = "info",
  children,
}: {
  readonly tone?: Tone;
  readonly children: ReactNode;
}) {
  return (
    <div className={`notice ${tone}`} role={tone === "bad" ? "alert" : "status"}>
      {children}
    </div>
  );
}

/** Why an action failed; nothing where it did not. */
export function FailureNotice({ failure }: { readonly failure: Failure | undefined }) {
  return failure === undefined ? null : <Notice tone="bad">{failure.message}</Notice>;
}

type LoadedProps<Value> = {
  readonly load: Load<Value>;
  /** Called by the button that tries again. */
  readonly reload: () => void;
  readonly children: (value: Value) => ReactNode;
};

/** What was loaded, or what stands for it meanwhile. */
export function Loaded<Value>({ load, reload, children }: LoadedProps<Value>) {
  if (load.state === "loading") return <Skeleton />;
  if (load.state === "ready") return <>{children(load.value)}</>;
  return (
    <div className="empty" role="alert">
      <strong>This could not be loaded</strong>
      <span className="wrap">{load.failure.message}</span>
      <Button onClick={reload}>Try again</Button>
    </div>
  );
}
