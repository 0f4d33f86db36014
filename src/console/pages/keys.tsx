// The account's keys: made, rotated, revoked.
import { createClient } from "@connectrpc/connect";
import { useState } from "react";
import { type Key, KeyService } from "../../gen/optamil/v1/keys_pb.ts";
import { useLoad } from "../api/load.ts";
import { transport } from "../api/transport.ts";
import { RevokeDialog, RotateDialog } from "../parts/key-dialogs.tsx";
import { KeyForm } from "../parts/key-form.tsx";
import { KeyTable } from "../parts/key-table.tsx";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { Card, Empty, Loaded, PageHead } from "../ui/layout.tsx";
import { SecretDialog } from "../ui/secret.tsx";

const keyClient = createClient(KeyService, transport);

/** What is open over the page. */
type Open =
  | { readonly kind: "create" }
  | { readonly kind: "secret"; readonly secret: string }
  | { readonly kind: "revoke" | "rotate"; readonly key: Key };

/** The page of the keys. */
export default function Keys() {
  const { load, reload } = useLoad((signal) => keyClient.listKeys({}, { signal }));
  const [open, setOpen] = useState<Open | undefined>(undefined);
  const close = () => setOpen(undefined);
  const show = (secret: string) => {
    setOpen({ kind: "secret", secret });
    reload();
  };
  return (
    <>
      <PageHead
        title="Keys"
        lead="A key stands for this account wherever a program asks. Give each program its own: then it can be limited, counted and revoked alone."
      >
        <Button kind="primary" onClick={() => setOpen({ kind: "create" })}>
          Create a key
        </Button>
      </PageHead>
      <Card flush>
        <Loaded load={load} reload={reload}>
          {({ data }) =>
            data.length === 0 ? (
              <Empty title="There are no keys yet">Create one to let a program ask.</Empty>
            ) : (
              <KeyTable
                keys={data}
                onRevoke={(key) => setOpen({ kind: "revoke", key })}
                onRotate={(key) => setOpen({ kind: "rotate", key })}
              />
            )
          }
        </Loaded>
      </Card>
      <KeyDialog
        open={open}
        onClose={close}
        onSecret={show}
        onChange={() => {
          close();
          reload();
        }}
      />
    </>
  );
}

type KeyDialogProps = {
  readonly open: Open | undefined;
  readonly onClose: () => void;
  readonly onSecret: (secret: string) => void;
  readonly onChange: () => void;
};

function KeyDialog({ open, onClose, onSecret, onChange }: KeyDialogProps) {
  switch (open?.kind) {
    case undefined:
      return null;
    case "create":
      return (
        <Dialog title="Create a key" onClose={onClose}>
          <KeyForm
            create={async (request) => onSecret((await keyClient.createKey(request)).key)}
            onCancel={onClose}
          />
        </Dialog>
      );
    case "secret":
      return <SecretDialog title="The new key" secret={open.secret} onClose={onClose} />;
    case "rotate":
      return (
        <RotateDialog
          subject={open.key}
          onClose={onClose}
          rotate={async (overlapSeconds) =>
            onSecret((await keyClient.rotateKey({ keyId: open.key.id, overlapSeconds })).key)
          }
        />
      );
    case "revoke":
      return (
        <RevokeDialog
          subject={open.key}
          onClose={onClose}
          revoke={async (reason) => {
            await keyClient.revokeKey({ keyId: open.key.id, reason });
            onChange();
          }}
        />
      );
  }
}
