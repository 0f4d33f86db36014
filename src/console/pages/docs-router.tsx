// The router's report: how it decides, and how good it is.
import { Markdown } from "../docs/markdown.tsx";
import { reference } from "../docs/reference.ts";
import { Card, PageHead } from "../ui/layout.tsx";

/** The page of the router's report. */
export default function RouterReport() {
  return (
    <>
      <PageHead
        title="Router report"
        lead="How auto decides, and how good it is: measured, with the commands."
      />
      <Card>
        <div className="stack prose">
          <Markdown tokens={reference.routerReport} />
        </div>
      </Card>
    </>
  );
}
