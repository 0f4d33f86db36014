// What an operator wants to know of the gateway: whether all it stands on is well, how models answer, and its books.
import { createClient } from "@connectrpc/connect";
import { AdminService } from "../../gen/optamil/v1/admin_pb.ts";
import type { GetSystemResponse, SystemPart } from "../../gen/optamil/v1/system_pb.ts";
import { useLoad } from "../api/load.ts";
import { transport } from "../api/transport.ts";
import { toCount, toCreditsText, toPercent } from "../format/credits.ts";
import { toSecond, toSpan } from "../format/time.ts";
import { AuditCard, BooksCard } from "../parts/books-card.tsx";
import { DeploymentsCard } from "../parts/deployments-card.tsx";
import { Button } from "../ui/button.tsx";
import { type Fact, FactList } from "../ui/facts.tsx";
import { Card, Loaded, PageHead } from "../ui/layout.tsx";
import { Table } from "../ui/table.tsx";
import { Tag } from "../ui/tier.tsx";

const adminClient = createClient(AdminService, transport);

/** The page of the system. */
export default function System() {
  const { load, reload } = useLoad((signal) => adminClient.getSystem({}, { signal }));
  return (
    <>
      <PageHead
        title="System"
        lead="This gateway and what it stands on, how models answer it, and its books."
      >
        <Button onClick={reload}>Look again</Button>
      </PageHead>
      <div className="stack wide">
        <Loaded load={load} reload={reload}>
          {(system) => (
            <>
              <Gateway system={system} />
              <Parts parts={system.parts} />
              <Metering system={system} />
              <DeploymentsCard deployments={system.deployments} />
              {system.books !== undefined && <BooksCard books={system.books} />}
            </>
          )}
        </Loaded>
        <AuditCard />
      </div>
    </>
  );
}

const toMs = (seconds: bigint | undefined) => Number(seconds ?? 0n) * 1_000;

function Gateway({ system }: { readonly system: GetSystemResponse }) {
  const { version, runtime, gatewayId, startedAt, config } = system;
  const facts: readonly Fact[] = [
    ["Gateway", gatewayId],
    ["Version", `${version} on ${runtime}`],
    ["Up for", toSpan(Date.now() - toMs(startedAt))],
    ["Configuration", config?.version ?? ""],
    ["In force since", toSecond(toMs(config?.loadedAt))],
  ];
  return (
    <Card title="Gateway">
      <FactList facts={facts} />
    </Card>
  );
}

function Parts({ parts }: { readonly parts: readonly SystemPart[] }) {
  return (
    <Card flush title="What it stands on">
      <Table
        caption="Parts and their states"
        rows={parts}
        keyOf={({ part, message }) => `${part} ${message}`}
        columns={[
          { title: "Part", cell: ({ part }) => <span className="name nowrap">{part}</span> },
          { title: "State", cell: ({ status }) => <PartTag status={status} /> },
          { title: "Found", cell: (part) => <Found part={part} /> },
        ]}
      />
    </Card>
  );
}

function PartTag({ status }: { readonly status: string }) {
  if (status === "ok") return <Tag tone="good">ok</Tag>;
  return <Tag tone={status === "error" ? "bad" : "warn"}>{status}</Tag>;
}

function Found({ part: { message, meaning, remedy } }: { readonly part: SystemPart }) {
  return (
    <div className="wrap">
      {message}
      {meaning !== "" && <div className="small muted">{meaning}</div>}
      {remedy !== "" && <div className="small">What to do: {remedy}</div>}
    </div>
  );
}

function Metering({ system: { log, consumer, holds } }: { readonly system: GetSystemResponse }) {
  const facts: readonly Fact[] = [
    ["Open holds", toCount(holds?.open ?? 0)],
    ["Held, credits", toCreditsText(holds?.heldMicro ?? 0n)],
    ["Events in the log", toCount(log?.events ?? 0n)],
    ["Not confirmed yet", toCount(log?.unconfirmed ?? 0n)],
    ["The log is full to", toPercent(log?.fill ?? 0)],
    ...(log !== undefined && log.degraded > 0n
      ? [["On the disk alone", toCount(log.degraded)] as const]
      : []),
    ...(consumer === undefined
      ? []
      : ([
          ["Consumer's lag", toCount(consumer.lag)],
          ["Its restarts", toCount(consumer.restarts)],
          ["Dead letters", toCount(consumer.deadLetters)],
          [
            "Last confirm",
            consumer.confirmedAt === undefined
              ? "not since the start"
              : toSecond(toMs(consumer.confirmedAt)),
          ],
        ] as const)),
  ];
  return (
    <Card title="Metering">
      <FactList facts={facts} />
    </Card>
  );
}
