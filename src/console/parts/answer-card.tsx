// One answer of the playground, as it comes, with what it cost and why this model gave it.
import type { ReactNode } from "react";
import type { Answer } from "../api/chat.ts";
import { toCount } from "../format/credits.ts";
import { toDuration } from "../format/time.ts";
import { Card, FailureNotice, Notice } from "../ui/layout.tsx";
import { Tag, Tier } from "../ui/tier.tsx";
import { RouteExplanation } from "./explanation.tsx";

const states = { running: "answers…", done: "complete", failed: "ended early" } as const;
const tones = { running: "plain", done: "good", failed: "bad" } as const;

/** The answer to one question; `asked` is the model that was asked for. */
export function AnswerCard({ asked, answer }: { readonly asked: string; readonly answer: Answer }) {
  const { state, text, failure, route, provider } = answer;
  return (
    <Card title={asked} tools={<Tag tone={tones[state]}>{states[state]}</Tag>}>
      <article className="answer" data-answer={state} aria-label={`Answer to ${asked}`}>
        {provider === "demo" && (
          <p className="small muted">The demo provider answers in place of every model.</p>
        )}
        <div className="answer-text" aria-live="polite" aria-busy={state === "running"}>
          {text === "" && state === "running" ? <span className="muted">…</span> : text}
        </div>
        <FailureNotice failure={failure} />
        {state === "failed" && failure === undefined && <Notice tone="warn">Stopped.</Notice>}
        <AnswerFacts answer={answer} />
        {route !== "" && (
          <details className="disclosure">
            <summary>Why this model</summary>
            <RouteExplanation text={route} />
          </details>
        )}
      </article>
    </Card>
  );
}

function AnswerFacts({ answer }: { readonly answer: Answer }) {
  const { model, tier, provider, credits, firstMs, totalMs } = answer;
  const { promptTokens, completionTokens } = answer;
  const duration = (milliseconds: number | undefined) =>
    milliseconds === undefined ? "–" : toDuration(milliseconds);
  const tokens =
    promptTokens === undefined
      ? "–"
      : `${toCount(promptTokens)} in, ${toCount(completionTokens ?? 0)} out`;
  return (
    <dl className="facts">
      <Fact name="Model" value={<span data-answer-model>{model || "–"}</span>} />
      <Fact name="Tier" value={<Tier name={tier} />} />
      <Fact name="Provider" value={provider || "–"} />
      <Fact name="Credits" value={<span data-answer-credits>{credits || "–"}</span>} />
      <Fact name="First text after" value={duration(firstMs)} />
      <Fact name="Complete after" value={duration(totalMs)} />
      <Fact name="Tokens" value={tokens} />
    </dl>
  );
}

function Fact({ name, value }: { readonly name: string; readonly value: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}
