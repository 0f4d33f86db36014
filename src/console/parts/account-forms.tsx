// The forms of new accounts and invitations.
import { createClient } from "@connectrpc/connect";
import { type FormEvent, useState } from "react";
import { AdminService } from "../../gen/optamil/v1/admin_pb.ts";
import { useAction, useLoad } from "../api/load.ts";
import { transport } from "../api/transport.ts";
import { toMinute } from "../format/time.ts";
import { Button } from "../ui/button.tsx";
import { CodeBlock } from "../ui/copy.tsx";
import { SelectField, TextField } from "../ui/field.tsx";
import { FailureNotice } from "../ui/layout.tsx";

const adminClient = createClient(AdminService, transport);

type PlanProps = { readonly value: string; readonly onChange: (plan: string) => void };

/** The choice of a plan. */
export function PlanField({ value, onChange }: PlanProps) {
  const { load } = useLoad((signal) => adminClient.listPlans({}, { signal }));
  const plans = load.state === "ready" ? load.value.data.map(({ id }) => id) : [value];
  return (
    <SelectField label="Plan" value={value} onChange={(event) => onChange(event.target.value)}>
      {plans.map((id) => (
        <option key={id}>{id}</option>
      ))}
    </SelectField>
  );
}

type NewAccountProps = {
  readonly create: (request: { name: string; plan: string }) => Promise<void>;
  readonly onCancel: () => void;
};

/** Asks for the name and plan of a new account. */
export function NewAccountForm({ create, onCancel }: NewAccountProps) {
  const { busy, failure, run } = useAction();
  const [name, setName] = useState("");
  const [plan, setPlan] = useState("free");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void run(() => create({ name, plan }));
  };
  return (
    <form className="stack" onSubmit={submit}>
      <TextField
        label="Name"
        required
        maxLength={128}
        value={name}
        onChange={(event) => setName(event.target.value)}
      />
      <PlanField value={plan} onChange={setPlan} />
      <FailureNotice failure={failure} />
      <div className="row end">
        <Button onClick={onCancel}>Cancel</Button>
        <Button kind="primary" type="submit" busy={busy}>
          Create
        </Button>
      </div>
    </form>
  );
}

type Invitation = { readonly invitation: string; readonly expiresAt: bigint };

type InviteProps = {
  readonly invite: (request: { email: string; plan: string }) => Promise<Invitation>;
  readonly onClose: () => void;
};

/** Asks whom to invite; gives the link to send. */
export function InviteForm({ invite, onClose }: InviteProps) {
  const { busy, failure, run } = useAction();
  const [email, setEmail] = useState("");
  const [plan, setPlan] = useState("free");
  const [made, setMade] = useState<Invitation | undefined>(undefined);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void run(async () => setMade(await invite({ email, plan })));
  };
  if (made !== undefined) {
    const link = `${location.origin}/sign-up?invitation=${encodeURIComponent(made.invitation)}`;
    return (
      <div className="stack">
        <p>
          Send this link to {email}. It opens that account once, until {toMinute(made.expiresAt)}.
        </p>
        <CodeBlock title="Link" text={link} wrapped />
        <div className="row end">
          <Button onClick={onClose}>Done</Button>
        </div>
      </div>
    );
  }
  return (
    <form className="stack" onSubmit={submit}>
      <TextField
        label="E-mail address"
        type="email"
        required
        value={email}
        onChange={(event) => setEmail(event.target.value)}
      />
      <PlanField value={plan} onChange={setPlan} />
      <FailureNotice failure={failure} />
      <div className="row end">
        <Button onClick={onClose}>Cancel</Button>
        <Button kind="primary" type="submit" busy={busy}>
          Make the invitation
        </Button>
      </div>
    </form>
  );
}
