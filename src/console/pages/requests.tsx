// The request log: what was asked, by which key, how it ended and what it cost.

import { useState } from "react";
import type { LoggedRequest } from "../../gen/optamil/v1/analytics_pb.ts";
import { analyticsClient } from "../api/analytics.ts";
import { useLoad } from "../api/load.ts";
import { useScope } from "../api/session.tsx";
import { toCreditsText } from "../format/credits.ts";
import { toDuration, toSecond } from "../format/time.ts";
import { Link, useQuery } from "../navigation.tsx";
import { ContentKeeping } from "../parts/content-keeping.tsx";
import { blankFilter, type LogFilter, LogFilters } from "../parts/log-filters.tsx";
import { Outcome } from "../parts/outcome.tsx";
import { RequestDetail } from "../parts/request-detail.tsx";
import { Button } from "../ui/button.tsx";
import { Card, Empty, Loaded, PageHead } from "../ui/layout.tsx";
import { Pager } from "../ui/pager.tsx";
import { Table } from "../ui/table.tsx";
import { Tier } from "../ui/tier.tsx";

const limit = 50;

/** The page of the request log, or of one request. */
export default function Requests() {
  const id = useQuery().get("id");
  return id === null ? <RequestLog /> : <RequestDetail key={id} requestId={id} />;
}

function toAsked({ model, tier, tag, outcome, from }: LogFilter) {
  const list = (value: string) => (value === "" ? [] : [value]);
  return { model: list(model), tier: list(tier), tag: list(tag), outcome: list(outcome), from };
}

function RequestLog() {
  const mayKeep = useScope("keys:write");
  const [filter, setFilter] = useState(blankFilter);
  const [cursors, setCursors] = useState<readonly string[]>([]);
  const cursor = cursors.at(-1) ?? "";
  const { load, reload } = useLoad(
    (signal) =>
      analyticsClient.listLoggedRequests({ ...toAsked(filter), limit, cursor }, { signal }),
    JSON.stringify([filter, cursor]),
  );
  return (
    <>
      <PageHead
        title="Requests"
        lead="Every request, refusal and refund of this account, newest first."
      >
        <Button onClick={reload}>Look again</Button>
      </PageHead>
      <div className="stack wide">
        <Card flush>
          <LogFilters
            filter={filter}
            onChange={(next) => {
              setFilter(next);
              setCursors([]);
            }}
          />
          <Loaded load={load} reload={reload}>
            {({ data, nextCursor }) => (
              <>
                <LogTable requests={data} />
                <Pager
                  onNewer={
                    cursors.length === 0 ? undefined : () => setCursors(cursors.slice(0, -1))
                  }
                  onOlder={
                    nextCursor === "" ? undefined : () => setCursors([...cursors, nextCursor])
                  }
                />
              </>
            )}
          </Loaded>
        </Card>
        {mayKeep && <ContentKeeping />}
      </div>
    </>
  );
}

function LogTable({ requests }: { readonly requests: readonly LoggedRequest[] }) {
  if (requests.length === 0) {
    return (
      <Empty title="No requests like that">
        The log has a request about a second after its end.
      </Empty>
    );
  }
  return (
    <Table
      caption="Requests"
      rows={requests}
      keyOf={({ id }) => id}
      columns={[
        { title: "When", cell: (request) => <When request={request} /> },
        { title: "Outcome", cell: ({ outcome, kind }) => <Outcome outcome={outcome || kind} /> },
        {
          title: "Asked for",
          cell: ({ requestedModel }) => <span className="wrap">{requestedModel}</span>,
        },
        { title: "Answered by", cell: ({ model }) => <span className="wrap">{model || "–"}</span> },
        { title: "Tier", cell: ({ tier }) => <Tier name={tier} /> },
        { title: "Tag", cell: ({ tag }) => <span className="wrap">{tag || "–"}</span> },
        { title: "Took", right: true, cell: ({ durationMs }) => toDuration(Number(durationMs)) },
        { title: "Credits", right: true, cell: ({ creditsMicro }) => toCreditsText(creditsMicro) },
      ]}
    />
  );
}

function When({ request: { id, admittedAt } }: { readonly request: LoggedRequest }) {
  return (
    <Link className="nowrap" href={`/requests?id=${encodeURIComponent(id)}`}>
      {toSecond(Date.parse(admittedAt))}
    </Link>
  );
}
