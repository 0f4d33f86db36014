// The audit log: who changed which account or key, when, and how it was before.

import { createClient } from "@connectrpc/connect";
import { useState } from "react";
import { AdminService, type Change } from "../../gen/optamil/v1/admin_pb.ts";
import { useLoad } from "../api/load.ts";
import { transport } from "../api/transport.ts";
import { toMinute } from "../format/time.ts";
import { useQuery } from "../navigation.tsx";
import { Card, Empty, Loaded, PageHead } from "../ui/layout.tsx";
import { Pager } from "../ui/pager.tsx";
import { Table } from "../ui/table.tsx";
import { Tag } from "../ui/tier.tsx";

const adminClient = createClient(AdminService, transport);
const limit = 50;

/** The page of the audit log. */
export default function Changes() {
  const accountId = useQuery().get("account") ?? "";
  const [befores, setBefores] = useState<readonly number[]>([]);
  const before = befores.at(-1);
  const { load, reload } = useLoad(
    (signal) =>
      adminClient.listChanges(
        { limit, accountId, ...(before !== undefined && { before }) },
        { signal },
      ),
    `${accountId} ${before}`,
  );
  return (
    <>
      <PageHead
        title="Audit log"
        lead={
          accountId === ""
            ? "Every change of an account or key. Nothing is ever taken out."
            : `Changes of account ${accountId}.`
        }
      />
      <Card flush>
        <Loaded load={load} reload={reload}>
          {({ data, hasMore }) => (
            <>
              <ChangeTable changes={data} />
              <Pager
                onNewer={befores.length === 0 ? undefined : () => setBefores(befores.slice(0, -1))}
                onOlder={
                  hasMore ? () => setBefores([...befores, data.at(-1)?.sequence ?? 0]) : undefined
                }
              />
            </>
          )}
        </Loaded>
      </Card>
    </>
  );
}

function ChangeTable({ changes }: { readonly changes: readonly Change[] }) {
  if (changes.length === 0) return <Empty title="Nothing was changed yet" />;
  return (
    <Table
      caption="Changes"
      rows={changes}
      keyOf={({ id }) => id}
      columns={[
        { title: "No.", right: true, cell: ({ sequence }) => sequence },
        {
          title: "When",
          cell: ({ created }) => <span className="nowrap">{toMinute(created)}</span>,
        },
        { title: "What", cell: ({ action }) => <Tag>{action}</Tag> },
        { title: "By", cell: ({ actor }) => <code className="nowrap">{toShortId(actor)}</code> },
        {
          title: "Account",
          cell: ({ accountId }) => <code className="nowrap">{toShortId(accountId)}</code>,
        },
        { title: "Changes", cell: (change) => <Fields change={change} /> },
      ]}
    />
  );
}

/** The end of a UUIDv7, which tells ids of one day apart; other names whole. */
function toShortId(id: string): string {
  return /^[0-9a-f-]{36}$/.test(id) ? `…${id.slice(-12)}` : id;
}

function Fields({ change: { fields } }: { readonly change: Change }) {
  return (
    <ul className="plain-list small">
      {fields
        .filter(({ field }) => field !== "account_id")
        .map(({ field, before, after }) => (
          <li key={field} className="wrap">
            <strong>{field}</strong>{" "}
            {before !== undefined && <span className="muted">{before} → </span>}
            {after ?? "none"}
          </li>
        ))}
    </ul>
  );
}
