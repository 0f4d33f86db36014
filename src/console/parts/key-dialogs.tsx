// What is asked before a key is rotated or revoked.
import { useState } from "react";
import type { Key } from "../../gen/optamil/v1/keys_pb.ts";
import { useAction } from "../api/load.ts";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { SelectField } from "../ui/field.tsx";
import { FailureNotice } from "../ui/layout.tsx";

type RotateProps = {
  readonly subject: Key;
  readonly onClose: () => void;
  readonly rotate: (overlapSeconds: number) => Promise<void>;
};

/** Asks how long the old key goes on. */
export function RotateDialog({ subject, onClose, rotate }: RotateProps) {
  const { busy, failure, run } = useAction();
  const [overlap, setOverlap] = useState("86400");
  return (
    <Dialog title="Rotate the key" onClose={onClose}>
      <p className="wrap">
        A new key takes the place of <strong>{subject.name}</strong>, with its scopes, limits and
        budget.
      </p>
      <SelectField
        label="The old key goes on for"
        value={overlap}
        onChange={(event) => setOverlap(event.target.value)}
        hint="Time to put the new one everywhere."
      >
        <option value="0">no time: it ends now</option>
        <option value="3600">an hour</option>
        <option value="86400">a day</option>
        <option value="604800">a week</option>
        <option value="2592000">30 days</option>
      </SelectField>
      <FailureNotice failure={failure} />
      <div className="row end">
        <Button onClick={onClose}>Cancel</Button>
        <Button kind="primary" busy={busy} onClick={() => void run(() => rotate(Number(overlap)))}>
          Rotate
        </Button>
      </div>
    </Dialog>
  );
}

type RevokeProps = {
  readonly subject: Key;
  readonly onClose: () => void;
  readonly revoke: (reason: string) => Promise<void>;
};

/** Asks whether a key is to end, and why. */
export function RevokeDialog({ subject, onClose, revoke }: RevokeProps) {
  const { busy, failure, run } = useAction();
  const [reason, setReason] = useState("unused");
  return (
    <Dialog title="Revoke the key" onClose={onClose}>
      <p className="wrap">
        <strong>{subject.name}</strong> (…{subject.lastFour}) ends at once, everywhere. This cannot
        be undone.
      </p>
      <SelectField label="Why" value={reason} onChange={(event) => setReason(event.target.value)}>
        <option value="unused">It is not used any more</option>
        <option value="rotated">Another one took its place</option>
        <option value="leaked">It leaked: end its running streams too</option>
      </SelectField>
      <FailureNotice failure={failure} />
      <div className="row end">
        <Button onClick={onClose}>Cancel</Button>
        <Button kind="danger" busy={busy} onClick={() => void run(() => revoke(reason))}>
          Revoke
        </Button>
      </div>
    </Dialog>
  );
}
