// The form of a new key.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type FormEvent, useState } from "react";
import type { CreateKeyRequestSchema } from "../../gen/optamil/v1/keys_pb.ts";
import { useAction } from "../api/load.ts";
import { useScope } from "../api/session.tsx";
import { readCredits } from "../format/credits.ts";
import { Button } from "../ui/button.tsx";
import { ChoicesField, TextField } from "../ui/field.tsx";
import { FailureNotice } from "../ui/layout.tsx";
import { tierNames } from "../ui/tier.tsx";

type Request = MessageInitShape<typeof CreateKeyRequestSchema>;

type KeyFormProps = {
  readonly create: (request: Request) => Promise<void>;
  readonly onCancel: () => void;
};

/** What is typed, as it is typed. */
const blank = {
  name: "",
  budget: "",
  expires: "",
  models: "",
  requestsPerMinute: "",
  requestsPerDay: "",
  tokensPerMinute: "",
  concurrentRequests: "",
  quality: "",
};

type Draft = typeof blank;

/** Asks what a new key may do. */
export function KeyForm({ create, onCancel }: KeyFormProps) {
  const isAdmin = useScope("admin");
  const [draft, setDraft] = useState(blank);
  const [scopes, setScopes] = useState<readonly string[]>(["chat", "models", "usage:read"]);
  const [tiers, setTiers] = useState<readonly string[]>([]);
  const { busy, failure, run } = useAction();
  const options = ["chat", "models", "usage:read", "keys:write", ...(isAdmin ? ["admin"] : [])];
  const field = (name: keyof Draft) => ({
    value: draft[name],
    onChange: (event: { target: { value: string } }) =>
      setDraft({ ...draft, [name]: event.target.value }),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void run(() => create(toRequest(draft, scopes, tiers)));
  };
  return (
    <form className="stack" onSubmit={submit}>
      <TextField
        label="Name"
        required
        maxLength={128}
        placeholder="production, laptop, …"
        {...field("name")}
      />
      <ChoicesField label="It may" options={options} chosen={scopes} onChange={setScopes} />
      <div className="grid pairs">
        <TextField
          label="Budget"
          inputMode="decimal"
          pattern="[0-9,]+(\.[0-9]{1,6})?"
          placeholder="no limit"
          hint="Credits in a billing period."
          {...field("budget")}
        />
        <TextField label="Expires" type="date" hint="Empty: in 10 years." {...field("expires")} />
      </div>
      <details className="disclosure">
        <summary>Limits, models and quality</summary>
        <div className="stack">
          <LimitFields field={field} />
          <ChoicesField
            label="Tiers"
            options={tierNames}
            chosen={tiers}
            onChange={setTiers}
            hint="None: all."
          />
          <TextField
            label="Models"
            placeholder="all"
            hint="Names with commas between them, auto included."
            {...field("models")}
          />
        </div>
      </details>
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

type FieldProps = { value: string; onChange: (event: { target: { value: string } }) => void };

function LimitFields({ field }: { readonly field: (name: keyof Draft) => FieldProps }) {
  const count = { type: "number", min: 1, step: 1, placeholder: "the account's" } as const;
  return (
    <div className="grid pairs">
      <TextField label="Requests a minute" {...count} {...field("requestsPerMinute")} />
      <TextField label="Requests a day" {...count} {...field("requestsPerDay")} />
      <TextField label="Tokens a minute" {...count} {...field("tokensPerMinute")} />
      <TextField
        label="Requests at once"
        {...count}
        placeholder="no limit"
        {...field("concurrentRequests")}
      />
      <TextField
        label="Quality of auto"
        type="number"
        min={0}
        max={1}
        step="any"
        placeholder="the account's"
        {...field("quality")}
      />
    </div>
  );
}

function toRequest(draft: Draft, scopes: readonly string[], tiers: readonly string[]): Request {
  const limits = Object.fromEntries(
    (["requestsPerMinute", "requestsPerDay", "tokensPerMinute", "concurrentRequests"] as const)
      .filter((name) => draft[name] !== "")
      .map((name) => [name, Number(draft[name])]),
  );
  const models = draft.models.split(",").map((name) => name.trim());
  const budgetMicro = draft.budget === "" ? undefined : readCredits(draft.budget);
  return {
    name: draft.name,
    scopes: [...scopes],
    tiers: [...tiers],
    models: models.filter((name) => name !== ""),
    ...(Object.keys(limits).length > 0 && { limits }),
    ...(budgetMicro !== undefined && { budgetMicro }),
    ...(draft.expires !== "" && { expiresAt: BigInt(Date.parse(draft.expires) / 1_000) }),
    ...(draft.quality !== "" && { quality: Number(draft.quality) }),
  };
}
