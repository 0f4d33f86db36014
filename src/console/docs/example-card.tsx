// An example of the docs: in several languages, with a button that runs it.
import { useState } from "react";
import { useAction } from "../api/load.ts";
import { toDuration } from "../format/time.ts";
import { Button } from "../ui/button.tsx";
import { CodeBlock } from "../ui/copy.tsx";
import { FailureNotice } from "../ui/layout.tsx";
import { Tabs } from "../ui/tabs.tsx";
import { Tag } from "../ui/tier.tsx";
import type { Example } from "./examples.ts";
import { type RunResult, runExample } from "./run.ts";

type ExampleProps = {
  readonly example: Example;
  /** Key of the reader; empty: none is given. */
  readonly apiKey: string;
};

/** The example's code, and what came of running it. */
export function ExampleCard({ example, apiKey }: ExampleProps) {
  const { busy, failure, run } = useAction();
  const [result, setResult] = useState<RunResult | undefined>(undefined);
  const code = example.programs({
    origin: location.origin,
    key: apiKey.trim() || "YOUR_API_KEY",
  });
  return (
    <div className="stack example" data-example={example.id}>
      <Tabs
        label="Language"
        tabs={code.map(({ name, text }) => ({
          name,
          content: <CodeBlock title={name} text={text} />,
        }))}
      />
      <div className="row">
        <Button
          kind="primary"
          slim
          busy={busy}
          onClick={() => void run(async () => setResult(await runExample(example, apiKey)))}
        >
          Run
        </Button>
        <span className="small muted">
          {example.method === "GET" ? "Free of charge." : "Costs what it would cost your program."}
        </span>
      </div>
      <FailureNotice failure={failure} />
      {result !== undefined && <Result result={result} />}
    </div>
  );
}

function Result({ result: { status, tookMs, headers, body } }: { readonly result: RunResult }) {
  const head = headers.map(([name, value]) => `${name}: ${value}`).join("\n");
  return (
    <section className="stack" aria-label="What came back" data-status={status}>
      <div className="row">
        <Tag tone={status < 400 ? "good" : "bad"}>HTTP {status}</Tag>
        <span className="small muted">after {toDuration(tookMs)}</span>
      </div>
      <CodeBlock title="Headers" text={head} wrapped />
      <CodeBlock title="Body" text={body} wrapped />
    </section>
  );
}
