// What was said in one request, where the account keeps that: as text, whatever it holds.
import { createClient } from "@connectrpc/connect";
import { useState } from "react";
import { ContentService, type GetRequestContentResponse } from "../../gen/optamil/v1/content_pb.ts";
import { useAction } from "../api/load.ts";
import { transport } from "../api/transport.ts";
import { toSecond } from "../format/time.ts";
import { Button } from "../ui/button.tsx";
import { CodeBlock } from "../ui/copy.tsx";
import { Card, FailureNotice, Notice } from "../ui/layout.tsx";

const contentClient = createClient(ContentService, transport);

/** Prompt and answer, when they are asked for. */
export function RequestContent({ requestId }: { readonly requestId: string }) {
  const [content, setContent] = useState<GetRequestContentResponse | "deleted" | undefined>();
  const { busy, failure, run } = useAction();
  const show = () =>
    void run(async () => setContent(await contentClient.getRequestContent({ requestId })));
  const remove = () =>
    void run(async () => {
      await contentClient.deleteRequestContent({ requestId });
      setContent("deleted");
    });
  const isShown = content !== undefined && content !== "deleted";
  return (
    <Card
      title="What was said"
      tools={
        <Button slim busy={busy} onClick={isShown ? remove : show}>
          {isShown ? "Delete it" : "Show it"}
        </Button>
      }
    >
      <div className="stack">
        <FailureNotice failure={failure} />
        {content === "deleted" && <Notice tone="good">It is deleted.</Notice>}
        {isShown && (
          <>
            <CodeBlock title={titleOf("Prompt", content.promptCut)} text={content.prompt} wrapped />
            <CodeBlock title={titleOf("Answer", content.answerCut)} text={content.answer} wrapped />
            <p className="small muted">
              It is deleted on {toSecond(Number(content.expiresAt) * 1_000)}.
            </p>
          </>
        )}
        {content === undefined && failure === undefined && (
          <p className="small muted">Kept only while the account has that switched on.</p>
        )}
      </div>
    </Card>
  );
}

function titleOf(name: string, cut: boolean): string {
  return cut ? `${name}, not all of it` : name;
}
