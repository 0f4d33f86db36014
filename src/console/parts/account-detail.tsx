// One account, for operators: its plan, grants, routing and keys.
import { createClient } from "@connectrpc/connect";
import { useState } from "react";
import { AdminService } from "../../gen/optamil/v1/admin_pb.ts";
import type { Key } from "../../gen/optamil/v1/keys_pb.ts";
import { useLoad } from "../api/load.ts";
import { transport } from "../api/transport.ts";
import { Link } from "../navigation.tsx";
import { Card, Empty, Loaded, PageHead } from "../ui/layout.tsx";
import { GrantForm, PlanForm, RoutingForm } from "./account-settings.tsx";
import { RevokeDialog } from "./key-dialogs.tsx";
import { KeyTable } from "./key-table.tsx";

const adminClient = createClient(AdminService, transport);

/** The page of one account. */
export function AccountDetail({ accountId }: { readonly accountId: string }) {
  return (
    <>
      <PageHead title="Account" lead={<code>{accountId}</code>}>
        <Link className="button" href={`/admin/changes?account=${accountId}`}>
          Its audit log
        </Link>
        <Link className="button" href="/admin/accounts">
          All accounts
        </Link>
      </PageHead>
      <div className="stack wide">
        <div className="grid">
          <Card title="Plan">
            <PlanForm accountId={accountId} />
          </Card>
          <Card title="Grant credits">
            <GrantForm accountId={accountId} />
          </Card>
          <Card title="Routing">
            <RoutingForm accountId={accountId} />
          </Card>
        </div>
        <AccountKeys accountId={accountId} />
      </div>
    </>
  );
}

function AccountKeys({ accountId }: { readonly accountId: string }) {
  const { load, reload } = useLoad((signal) =>
    adminClient.listAccountKeys({ accountId }, { signal }),
  );
  const [subject, setSubject] = useState<Key | undefined>(undefined);
  return (
    <Card flush title="Keys">
      <Loaded load={load} reload={reload}>
        {({ data }) =>
          data.length === 0 ? (
            <Empty title="This account has no keys" />
          ) : (
            <KeyTable keys={data} onRevoke={setSubject} />
          )
        }
      </Loaded>
      {subject !== undefined && (
        <RevokeDialog
          subject={subject}
          onClose={() => setSubject(undefined)}
          revoke={async (reason) => {
            await adminClient.revokeAccountKey({ accountId, keyId: subject.id, reason });
            setSubject(undefined);
            reload();
          }}
        />
      )}
    </Card>
  );
}
