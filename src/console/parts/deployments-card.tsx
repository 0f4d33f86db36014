// How each place where a model can be had answers just now.
import type { DeploymentState } from "../../gen/optamil/v1/system_pb.ts";
import { toCount } from "../format/credits.ts";
import { toDuration, toSecond } from "../format/time.ts";
import { Card, Empty } from "../ui/layout.tsx";
import { Table } from "../ui/table.tsx";
import { HealthTag } from "../ui/tier.tsx";

type Deployments = { readonly deployments: readonly DeploymentState[] };

/** Those that have been asked, the ones in trouble first; of the others only how many there are. */
export function DeploymentsCard({ deployments }: Deployments) {
  const order = ["resting", "failing", "well"];
  const asked = deployments
    .filter(({ state }) => state !== "unused")
    .toSorted((a, b) => order.indexOf(a.state) - order.indexOf(b.state));
  const unused = deployments.length - asked.length;
  return (
    <Card flush title="Deployments">
      {asked.length === 0 ? (
        <Empty title="None has been asked yet">
          {toCount(unused)} can be, in this version of the configuration.
        </Empty>
      ) : (
        <>
          <AskedTable asked={asked} />
          {unused > 0 && (
            <div className="padded">
              <p className="small muted">{toCount(unused)} more were not asked yet.</p>
            </div>
          )}
        </>
      )}
    </Card>
  );
}

function AskedTable({ asked }: { readonly asked: readonly DeploymentState[] }) {
  return (
    <Table
      caption="Deployments that have been asked"
      rows={asked}
      keyOf={({ provider, model, upstreamModel }) => `${provider} ${model} ${upstreamModel}`}
      columns={[
        {
          title: "Model",
          cell: ({ model, provider }) => (
            <div>
              <div className="name nowrap">{model}</div>
              <div className="small muted nowrap">{provider}</div>
            </div>
          ),
        },
        { title: "Now", cell: (one) => <Now deployment={one} /> },
        { title: "Answers", right: true, cell: ({ answers }) => toCount(answers) },
        {
          title: "Takes",
          right: true,
          cell: ({ latencyMs }) => (latencyMs === undefined ? "–" : toDuration(latencyMs)),
        },
        { title: "Last error", cell: (one) => <LastError deployment={one} /> },
      ]}
    />
  );
}

function Now({ deployment }: { readonly deployment: DeploymentState }) {
  const { state, failures, retryAfterMs } = deployment;
  return (
    <div>
      <HealthTag state={state} />
      {failures > 0 && (
        <div className="small muted nowrap">
          {toCount(failures)} failed in a row
          {retryAfterMs > 0 && `, again in ${toDuration(retryAfterMs)}`}
        </div>
      )}
    </div>
  );
}

function LastError({ deployment }: { readonly deployment: DeploymentState }) {
  const { lastError, lastErrorAt } = deployment;
  if (lastErrorAt === undefined) return <span className="muted">–</span>;
  return (
    <div>
      <span className="mono">{lastError}</span>
      <div className="small muted nowrap">{toSecond(Number(lastErrorAt) * 1_000)}</div>
    </div>
  );
}
