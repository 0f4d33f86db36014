// The form of a budget.
import { type FormEvent, useState } from "react";
import type { Key } from "../../gen/optamil/v1/keys_pb.ts";
import { useAction } from "../api/load.ts";
import { readCredits } from "../format/credits.ts";
import { Button } from "../ui/button.tsx";
import { SelectField, TextField } from "../ui/field.tsx";
import { FailureNotice } from "../ui/layout.tsx";

type BudgetFormProps = {
  /** The keys that can have one. */
  readonly keys: readonly Key[];
  readonly save: (budget: { budgetId: string; creditsMicro: bigint }) => Promise<void>;
  readonly onCancel: () => void;
};

/** Asks whose budget it is, and how much. */
export function BudgetForm({ keys, save, onCancel }: BudgetFormProps) {
  const { busy, failure, run } = useAction();
  const [key, setKey] = useState("");
  const [tag, setTag] = useState("");
  const [credits, setCredits] = useState("");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const budgetId = key === "" ? `tag:${tag}` : `key:${key}`;
    void run(() => save({ budgetId, creditsMicro: readCredits(credits) ?? 0n }));
  };
  return (
    <form className="stack" onSubmit={submit}>
      <SelectField label="Of" value={key} onChange={(event) => setKey(event.target.value)}>
        <option value="">a tag</option>
        {keys
          .filter(({ revokedAt }) => revokedAt === undefined)
          .map(({ id, name, lastFour }) => (
            <option key={id} value={id}>
              key {name} (…{lastFour})
            </option>
          ))}
      </SelectField>
      {key === "" && (
        <TextField
          label="Tag"
          required
          pattern="[A-Za-z0-9][A-Za-z0-9._:\-]{0,63}"
          hint="As requests say it in X-Optamil-Tag."
          value={tag}
          onChange={(event) => setTag(event.target.value)}
        />
      )}
      <TextField
        label="Credits in a billing period"
        inputMode="decimal"
        required
        pattern="[0-9,]+(\.[0-9]{1,6})?"
        value={credits}
        onChange={(event) => setCredits(event.target.value)}
      />
      <FailureNotice failure={failure} />
      <div className="row end">
        <Button onClick={onCancel}>Cancel</Button>
        <Button kind="primary" type="submit" busy={busy}>
          Set it
        </Button>
      </div>
    </form>
  );
}
