// The playground: asks one or two models, and shows what came, what it cost and why.
import { createClient } from "@connectrpc/connect";
import { useRef, useState } from "react";
import { type Model, ModelService } from "../../gen/optamil/v1/models_pb.ts";
import { UsageService } from "../../gen/optamil/v1/usage_pb.ts";
import { type Answer, askStreamed, type Question } from "../api/chat.ts";
import { useLoad } from "../api/load.ts";
import { transport } from "../api/transport.ts";
import { toCreditsText } from "../format/credits.ts";
import { snippetsOf } from "../format/snippets.ts";
import { AnswerCard } from "../parts/answer-card.tsx";
import { blankSettings, PlaygroundSettings, type Settings } from "../parts/playground-settings.tsx";
import { Button } from "../ui/button.tsx";
import { CodeBlock } from "../ui/copy.tsx";
import { AreaField } from "../ui/field.tsx";
import { Card, Empty, PageHead } from "../ui/layout.tsx";
import { Tabs } from "../ui/tabs.tsx";

const modelClient = createClient(ModelService, transport);
const usageClient = createClient(UsageService, transport);

/** One question to one model, and its answer so far. */
type Run = { readonly id: number; readonly asked: string; readonly answer: Answer };

/** The page of the playground. */
export default function Playground() {
  const [settings, setSettings] = useState(blankSettings);
  const [prompt, setPrompt] = useState("Explain quantum computing in one sentence.");
  const { runs, busy, ask, stop } = useRuns();
  const models = useLoad((signal) => modelClient.listModels({}, { signal })).load;
  const names = models.state === "ready" ? namesOfChatModels(models.value.data) : ["auto"];
  const send = () => void ask(toQuestions(settings, prompt));
  return (
    <>
      <PageHead
        title="Playground"
        lead="Ask as your programs would. Each answer costs what it would cost them."
      >
        <CreditsLeft turn={busy ? 0 : runs.length + 1} />
      </PageHead>
      <div className="playground">
        <div className="stack wide">
          <PromptCard
            prompt={prompt}
            onPrompt={setPrompt}
            busy={busy}
            onSend={send}
            onStop={stop}
          />
          {runs.length > 0 ? (
            <div className="answers">
              {runs.map(({ id, asked, answer }) => (
                <AnswerCard key={id} asked={asked} answer={answer} />
              ))}
            </div>
          ) : (
            <Card>
              <Empty title="No answer yet">Write a prompt and send it.</Empty>
            </Card>
          )}
          <AsCode settings={settings} prompt={prompt} />
        </div>
        <PlaygroundSettings settings={settings} onChange={setSettings} models={names} />
      </div>
    </>
  );
}

/** Names of the models that chat: those that make embeddings have no answer to show. */
function namesOfChatModels(models: readonly Model[]): readonly string[] {
  return models.filter(({ dimensions }) => dimensions === undefined).map(({ id }) => id);
}

type Runs = {
  readonly runs: readonly Run[];
  readonly busy: boolean;
  readonly ask: (questions: readonly Question[]) => Promise<void>;
  readonly stop: () => void;
};

function useRuns(): Runs {
  const [runs, setRuns] = useState<readonly Run[]>([]);
  const [busy, setBusy] = useState(false);
  const stopping = useRef(new AbortController());
  const ask = async (questions: readonly Question[]) => {
    stopping.current = new AbortController();
    const { signal } = stopping.current;
    setBusy(true);
    setRuns([]);
    await Promise.all(
      questions.map((question, index) =>
        askStreamed(question, signal, (answer) =>
          setRuns((old) => replaceRun(old, { id: index, asked: question.model, answer })),
        ),
      ),
    );
    setBusy(false);
  };
  return { runs, busy, ask, stop: () => stopping.current.abort() };
}

/** The runs with one of them as it is now, in the order of their ids. */
function replaceRun(runs: readonly Run[], run: Run): readonly Run[] {
  const others = runs.filter(({ id }) => id !== run.id);
  return [...others, run].toSorted((one, other) => one.id - other.id);
}

function toQuestions(settings: Settings, prompt: string): readonly Question[] {
  const { model, other, system, quality, tokensMax, key, tag } = settings;
  const question = {
    prompt,
    system,
    quality: quality === "" ? undefined : Number(quality),
    tokensMax: tokensMax === "" ? undefined : Number(tokensMax),
    key: key.trim(),
    tag,
  };
  return [model, other].filter((name) => name !== "").map((name) => ({ ...question, model: name }));
}

type PromptProps = {
  readonly prompt: string;
  readonly onPrompt: (prompt: string) => void;
  readonly busy: boolean;
  readonly onSend: () => void;
  readonly onStop: () => void;
};

function PromptCard({ prompt, onPrompt, busy, onSend, onStop }: PromptProps) {
  return (
    <Card>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          onSend();
        }}
      >
        <AreaField
          label="Prompt"
          rows={5}
          required
          value={prompt}
          onChange={(event) => onPrompt(event.target.value)}
          onKeyDown={(event) => {
            if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !busy) onSend();
          }}
        />
        <div className="row end">
          <span className="small muted">Ctrl + Enter sends</span>
          {busy ? (
            <Button onClick={onStop}>Stop</Button>
          ) : (
            <Button kind="primary" type="submit">
              Send
            </Button>
          )}
        </div>
      </form>
    </Card>
  );
}

/** What is left; asked anew when an answer is complete. */
function CreditsLeft({ turn }: { readonly turn: number }) {
  const { load } = useLoad((signal) => usageClient.getUsage({}, { signal }), String(turn));
  if (load.state !== "ready") return null;
  return (
    <span className="tag">
      <span data-credits-left>{toCreditsText(load.value.creditsRemainingMicro)}</span> credits left
    </span>
  );
}

function AsCode({ settings, prompt }: { readonly settings: Settings; readonly prompt: string }) {
  const { model, system, quality, tokensMax } = settings;
  const asked = { role: "user", content: prompt };
  const snippets = snippetsOf({
    origin: location.origin,
    key: "YOUR_API_KEY",
    body: {
      model,
      messages: system === "" ? [asked] : [{ role: "system", content: system }, asked],
      stream: true,
      ...(tokensMax !== "" && { max_tokens: Number(tokensMax) }),
      ...(quality !== "" && model === "auto" && { optamil: { quality: Number(quality) } }),
    },
  });
  return (
    <Card title="The same from a program">
      <Tabs
        label="Language"
        tabs={snippets.map(({ name, text }) => ({
          name,
          content: <CodeBlock title={name} text={text} />,
        }))}
      />
    </Card>
  );
}
