// What an operator wants to know of the gateway: whether it is ready, what it serves, and whether its books are right.
import { createClient } from "@connectrpc/connect";
import { useState } from "react";
import { AdminService } from "../../gen/optamil/v1/admin_pb.ts";
import { type Model, ModelService } from "../../gen/optamil/v1/models_pb.ts";
import { useAction, useLoad } from "../api/load.ts";
import { transport } from "../api/transport.ts";
import { toSecond } from "../format/time.ts";
import { Button } from "../ui/button.tsx";
import { Card, Empty, FailureNotice, Loaded, PageHead } from "../ui/layout.tsx";
import { Table } from "../ui/table.tsx";
import { Tag } from "../ui/tier.tsx";

const adminClient = createClient(AdminService, transport);
const modelClient = createClient(ModelService, transport);

type Ready = {
  readonly status: string;
  readonly config: { readonly version: string; readonly loadedAt: string };
};

/** The gateway's own word on itself: its readiness and its OpenAPI document are pages, no methods. */
async function loadSystem(signal: AbortSignal) {
  const [ready, api, { data: models }] = await Promise.all([
    fetch("/readyz", { signal }).then((response): Promise<Ready> => response.json()),
    fetch("/openapi.json", { signal }).then(
      (response): Promise<{ info: { version: string } }> => response.json(),
    ),
    modelClient.listModels({}, { signal }),
  ]);
  return { ready, version: api.info.version, models };
}

/** The page of the system. */
export default function System() {
  const { load, reload } = useLoad(loadSystem);
  return (
    <>
      <PageHead title="System" lead="This gateway's health, what it serves, and its books.">
        <Button onClick={reload}>Look again</Button>
      </PageHead>
      <div className="stack wide">
        <Loaded load={load} reload={reload}>
          {({ ready, version, models }) => (
            <>
              <Card title="Gateway">
                <dl className="facts">
                  <div>
                    <dt>Readiness</dt>
                    <dd>
                      <Tag tone={ready.status === "ready" ? "good" : "bad"}>{ready.status}</Tag>
                    </dd>
                  </div>
                  <div>
                    <dt>Version</dt>
                    <dd>{version}</dd>
                  </div>
                  <div>
                    <dt>Configuration</dt>
                    <dd className="mono">{ready.config.version}</dd>
                  </div>
                  <div>
                    <dt>In force since</dt>
                    <dd>{toSecond(Date.parse(ready.config.loadedAt))}</dd>
                  </div>
                </dl>
              </Card>
              <Providers models={models} />
            </>
          )}
        </Loaded>
        <Books />
      </div>
    </>
  );
}

function Providers({ models }: { readonly models: readonly Model[] }) {
  const names = [...new Set(models.flatMap(({ provider }) => provider ?? []))].toSorted();
  const count = (name: string, status: string) =>
    models.filter((model) => model.provider === name && model.status === status).length;
  return (
    <Card flush title="Providers">
      <Table
        caption="Models of each provider by state"
        rows={names}
        keyOf={(name) => name}
        columns={[
          { title: "Provider", cell: (name) => <strong>{name}</strong> },
          { title: "Live", right: true, cell: (name) => count(name, "live") },
          { title: "Demo", right: true, cell: (name) => count(name, "demo") },
          { title: "Not configured", right: true, cell: (name) => count(name, "not_configured") },
        ]}
      />
    </Card>
  );
}

type Finding = { readonly audit: string; readonly severity: string; readonly message: string };

function Books() {
  const [findings, setFindings] = useState<readonly Finding[] | undefined>(undefined);
  const { busy, failure, run } = useAction();
  const audit = () =>
    void run(async () => {
      const { data } = await adminClient.audit({});
      setFindings(data);
    });
  return (
    <Card
      flush
      title="Books"
      tools={
        <Button slim busy={busy} onClick={audit}>
          Audit them
        </Button>
      }
    >
      <FailureNotice failure={failure} />
      {findings === undefined ? (
        <Empty title="Not audited yet">
          An audit proves that no usage event is lost and none counts twice.
        </Empty>
      ) : (
        <Findings findings={findings} />
      )}
    </Card>
  );
}

function Findings({ findings }: { readonly findings: readonly Finding[] }) {
  if (findings.length === 0)
    return <Empty title="The books are right">Nothing is lost, nothing counts twice.</Empty>;
  return (
    <Table
      caption="Findings of the audit"
      rows={findings}
      keyOf={({ audit, message }) => `${audit} ${message}`}
      columns={[
        {
          title: "Severity",
          cell: ({ severity }) => (
            <Tag tone={severity === "error" ? "bad" : "plain"}>{severity}</Tag>
          ),
        },
        { title: "Audit", cell: ({ audit }) => audit },
        { title: "Finding", cell: ({ message }) => <span className="wrap">{message}</span> },
      ]}
    />
  );
}
