// The books: what the counters know beside what the warehouse has, and an audit of all of it.
import { createClient } from "@connectrpc/connect";
import { useState } from "react";
import { AdminService } from "../../gen/optamil/v1/admin_pb.ts";
import type { SystemBooks } from "../../gen/optamil/v1/system_pb.ts";
import { useAction } from "../api/load.ts";
import { transport } from "../api/transport.ts";
import { toCreditsText } from "../format/credits.ts";
import { Button } from "../ui/button.tsx";
import { Card, Empty, FailureNotice, Notice } from "../ui/layout.tsx";
import { Table } from "../ui/table.tsx";
import { Tag } from "../ui/tier.tsx";

const adminClient = createClient(AdminService, transport);

type Finding = { readonly audit: string; readonly severity: string; readonly message: string };

/** The greatest accounts of the period. */
export function BooksCard({ books }: { readonly books: SystemBooks }) {
  const { periodId, accounts } = books;
  return (
    <Card flush title={`Books of ${periodId}`}>
      <Drift books={books} />
      {accounts.length === 0 ? (
        <Empty title="Nothing is used yet">
          The accounts that use most are listed here, or the warehouse does not answer.
        </Empty>
      ) : (
        <Table
          caption="Granted = balance + held + settled, of the accounts that use most"
          rows={accounts}
          keyOf={({ accountId }) => accountId}
          columns={[
            { title: "Account", cell: ({ name, accountId }) => name || accountId },
            credits("Granted", (one) => one.grantedMicro),
            credits("Balance", (one) => one.balanceMicro),
            credits("Held", (one) => one.heldMicro),
            credits("Settled", (one) => one.settledMicro),
            credits("In the warehouse", (one) => one.storedMicro),
          ]}
        />
      )}
    </Card>
  );
}

type Account = SystemBooks["accounts"][number];

function credits(title: string, of: (account: Account) => bigint) {
  return { title, right: true, cell: (account: Account) => toCreditsText(of(account)) };
}

function Drift({ books: { driftMicro, accounts } }: { readonly books: SystemBooks }) {
  if (driftMicro === undefined) {
    return accounts.length === 0 ? null : (
      <Notice>The drift is not known: events are on their way to the warehouse.</Notice>
    );
  }
  if (driftMicro === 0n) return <Notice tone="good">Counters and warehouse agree: drift 0.</Notice>;
  return (
    <Notice tone="bad">
      Counters and warehouse differ by {toCreditsText(driftMicro)} credits: audit the books.
    </Notice>
  );
}

/** Proves that nothing is lost and nothing counts twice, when it is asked to. */
export function AuditCard() {
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
      title="Audit"
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
