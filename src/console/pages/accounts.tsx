// Accounts, for operators: opened, invited, put on plans, granted credits.
import { createClient } from "@connectrpc/connect";
import { useState } from "react";
import type { Account } from "../../gen/optamil/v1/accounts_pb.ts";
import { AdminService } from "../../gen/optamil/v1/admin_pb.ts";
import { useLoad } from "../api/load.ts";
import { transport } from "../api/transport.ts";
import { toDay } from "../format/time.ts";
import { Link, useQuery } from "../navigation.tsx";
import { AccountDetail } from "../parts/account-detail.tsx";
import { InviteForm, NewAccountForm } from "../parts/account-forms.tsx";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { Card, Loaded, PageHead } from "../ui/layout.tsx";
import { SecretDialog } from "../ui/secret.tsx";
import { Table } from "../ui/table.tsx";
import { Tag } from "../ui/tier.tsx";

const adminClient = createClient(AdminService, transport);
const limit = 50;

/** The page of the accounts, or of one of them. */
export default function Accounts() {
  const id = useQuery().get("id");
  return id === null ? <AccountList /> : <AccountDetail key={id} accountId={id} />;
}

type Open = "create" | "invite" | { readonly secret: string } | undefined;

function AccountList() {
  const [afters, setAfters] = useState<readonly string[]>([]);
  const [open, setOpen] = useState<Open>(undefined);
  const after = afters.at(-1) ?? "";
  const { load, reload } = useLoad(
    (signal) => adminClient.listAccounts({ limit, after }, { signal }),
    after,
  );
  return (
    <>
      <PageHead title="Accounts" lead="All accounts of this gateway, oldest first.">
        <Button onClick={() => setOpen("invite")}>Invite somebody</Button>
        <Button kind="primary" onClick={() => setOpen("create")}>
          Create an account
        </Button>
      </PageHead>
      <Card flush>
        <Loaded load={load} reload={reload}>
          {({ data, hasMore }) => (
            <>
              <AccountTable accounts={data} />
              {(hasMore || afters.length > 0) && (
                <div className="row between pager">
                  <Button
                    slim
                    disabled={afters.length === 0}
                    onClick={() => setAfters(afters.slice(0, -1))}
                  >
                    Older
                  </Button>
                  <Button
                    slim
                    disabled={!hasMore}
                    onClick={() => setAfters([...afters, data.at(-1)?.id ?? ""])}
                  >
                    Newer
                  </Button>
                </div>
              )}
            </>
          )}
        </Loaded>
      </Card>
      <AccountDialog
        open={open}
        onClose={() => setOpen(undefined)}
        onCreated={(secret) => {
          setOpen({ secret });
          reload();
        }}
      />
    </>
  );
}

function AccountTable({ accounts }: { readonly accounts: readonly Account[] }) {
  return (
    <Table
      caption="Accounts"
      rows={accounts}
      keyOf={({ id }) => id}
      columns={[
        { title: "Account", cell: (account) => <AccountName account={account} /> },
        { title: "Plan", cell: ({ plan }) => <Tag>{plan}</Tag> },
        { title: "Since", cell: ({ created }) => <span className="nowrap">{toDay(created)}</span> },
        { title: "Id", cell: ({ id }) => <code className="nowrap">{id}</code> },
      ]}
    />
  );
}

function AccountName({ account: { id, name, email } }: { readonly account: Account }) {
  return (
    <div>
      <Link href={`/admin/accounts?id=${id}`} className="wrap">
        {name}
      </Link>
      {email !== undefined && email !== name && <div className="small muted wrap">{email}</div>}
    </div>
  );
}

type DialogProps = {
  readonly open: Open;
  readonly onClose: () => void;
  readonly onCreated: (secret: string) => void;
};

function AccountDialog({ open, onClose, onCreated }: DialogProps) {
  if (open === undefined) return null;
  if (open === "invite") {
    return (
      <Dialog title="Invite somebody" onClose={onClose}>
        <InviteForm onClose={onClose} invite={(request) => adminClient.createInvitation(request)} />
      </Dialog>
    );
  }
  if (open === "create") {
    return (
      <Dialog title="Create an account" onClose={onClose}>
        <NewAccountForm
          onCancel={onClose}
          create={async (request) => onCreated((await adminClient.createAccount(request)).key)}
        />
      </Dialog>
    );
  }
  return <SecretDialog title="The account's first key" secret={open.secret} onClose={onClose} />;
}
