// The first page: what is left, and the first request.
import { createClient } from "@connectrpc/connect";
import { UsageService } from "../../gen/optamil/v1/usage_pb.ts";
import { useLoad } from "../api/load.ts";
import { useAccount } from "../api/session.tsx";
import { transport } from "../api/transport.ts";
import { snippetsOf } from "../format/snippets.ts";
import { Link } from "../navigation.tsx";
import { CreditsGauge } from "../parts/credits-gauge.tsx";
import { CodeBlock } from "../ui/copy.tsx";
import { Card, Loaded, PageHead } from "../ui/layout.tsx";
import { Tabs } from "../ui/tabs.tsx";

const usageClient = createClient(UsageService, transport);

/** The page at which people begin. */
export default function Start() {
  const { load, reload } = useLoad((signal) => usageClient.getUsage({}, { signal }));
  const { account } = useAccount();
  return (
    <>
      <PageHead
        title="Start"
        lead={`One base URL, one key, one bill. This account is on plan ${account?.plan}.`}
      />
      <div className="stack wide">
        <Loaded load={load} reload={reload}>
          {(usage) => <CreditsGauge usage={usage} />}
        </Loaded>
        <FirstRequest />
      </div>
    </>
  );
}

function FirstRequest() {
  const snippets = snippetsOf({
    origin: location.origin,
    key: "YOUR_API_KEY",
    body: {
      model: "auto",
      messages: [{ role: "user", content: "Explain quantum computing in one sentence." }],
    },
  });
  return (
    <Card title="Ask something" tools={<Link href="/playground">Try it in the playground</Link>}>
      <div className="stack">
        <p className="muted">
          Any OpenAI client works: change its base URL to <code>{location.origin}/v1</code> and give
          it a key of <Link href="/keys">yours</Link>. The model <code>auto</code> is the cheapest
          one that will do.
        </p>
        <Tabs
          label="Language"
          tabs={snippets.map(({ name, text }) => ({
            name,
            content: <CodeBlock title={name} text={text} />,
          }))}
        />
      </div>
    </Card>
  );
}
