// What an operator sets of one account.
import { createClient } from "@connectrpc/connect";
import { type FormEvent, type ReactNode, useState } from "react";
import { AdminService } from "../../gen/optamil/v1/admin_pb.ts";
import { useAction } from "../api/load.ts";
import { transport } from "../api/transport.ts";
import { readCredits, toCreditsText } from "../format/credits.ts";
import { Button } from "../ui/button.tsx";
import { TextField } from "../ui/field.tsx";
import { FailureNotice, Notice } from "../ui/layout.tsx";
import { PlanField } from "./account-forms.tsx";

const adminClient = createClient(AdminService, transport);

type AccountProps = { readonly accountId: string };

type SettingProps = {
  readonly verb: string;
  /** Does it, and says what came of it. */
  readonly save: () => Promise<string>;
  readonly children: ReactNode;
};

/** A small form with one button, which says what came of it. */
function Setting({ verb, save, children }: SettingProps) {
  const { busy, failure, run } = useAction();
  const [said, setSaid] = useState("");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setSaid("");
    void run(async () => setSaid(await save()));
  };
  return (
    <form className="stack" onSubmit={submit}>
      {children}
      <FailureNotice failure={failure} />
      {said !== "" && <Notice tone="good">{said}</Notice>}
      <Button type="submit" busy={busy}>
        {verb}
      </Button>
    </form>
  );
}

/** Puts the account on another plan. */
export function PlanForm({ accountId }: AccountProps) {
  const [plan, setPlan] = useState("free");
  const save = async () => {
    const { account } = await adminClient.setAccountPlan({ accountId, plan });
    return `It is on plan ${account?.plan} now.`;
  };
  return (
    <Setting verb="Put it on this plan" save={save}>
      <PlanField value={plan} onChange={setPlan} />
    </Setting>
  );
}

/** Grants credits for the current period. */
export function GrantForm({ accountId }: AccountProps) {
  const [credits, setCredits] = useState("");
  const [reason, setReason] = useState("");
  const save = async () => {
    const creditsMicro = readCredits(credits) ?? 0n;
    const made = await adminClient.grantCredits({ accountId, creditsMicro, reason });
    return `Granted for ${made.periodId}: ${toCreditsText(made.grantedMicro)} credits in all.`;
  };
  return (
    <Setting verb="Grant" save={save}>
      <TextField
        label="Credits"
        inputMode="decimal"
        pattern="[0-9,]+(\.[0-9]{1,6})?"
        required
        hint="For this billing period, beside the plan's."
        value={credits}
        onChange={(event) => setCredits(event.target.value)}
      />
      <TextField
        label="Why"
        maxLength={256}
        value={reason}
        onChange={(event) => setReason(event.target.value)}
      />
    </Setting>
  );
}

/** Says how good answers of `auto` must be, and against what savings are counted. */
export function RoutingForm({ accountId }: AccountProps) {
  const [quality, setQuality] = useState("");
  const [baselineModel, setBaselineModel] = useState("");
  const save = async () => {
    const request = {
      accountId,
      baselineModel,
      ...(quality !== "" && { quality: Number(quality) }),
    };
    const { account } = await adminClient.setAccountRouting(request);
    const said = account?.quality === undefined ? "the gateway's" : account.quality;
    return `Quality: ${said}. Baseline: ${account?.baselineModel ?? "the strongest on offer"}.`;
  };
  return (
    <Setting verb="Set both" save={save}>
      <TextField
        label="Quality of auto"
        type="number"
        min={0}
        max={1}
        step="any"
        placeholder="the gateway's"
        value={quality}
        onChange={(event) => setQuality(event.target.value)}
      />
      <TextField
        label="Baseline of savings"
        placeholder="the strongest model"
        value={baselineModel}
        onChange={(event) => setBaselineModel(event.target.value)}
      />
    </Setting>
  );
}
