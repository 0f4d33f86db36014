// What the playground asks for beside the prompt.
import { AreaField, SelectField, TextField } from "../ui/field.tsx";
import { Card } from "../ui/layout.tsx";

/** The settings as they are typed; empty: the default. */
export type Settings = {
  readonly model: string;
  /** A second model that is asked the same; empty: none. */
  readonly other: string;
  readonly quality: string;
  readonly system: string;
  readonly tokensMax: string;
  readonly key: string;
  readonly tag: string;
};

/** The settings at the beginning. */
export const blankSettings: Settings = {
  model: "auto",
  other: "",
  quality: "",
  system: "",
  tokensMax: "",
  key: "",
  tag: "",
};

type SettingsProps = {
  readonly settings: Settings;
  readonly onChange: (settings: Settings) => void;
  /** Names of the models that can be asked. */
  readonly models: readonly string[];
};

/** The settings' fields. */
export function PlaygroundSettings({ settings, onChange, models }: SettingsProps) {
  const field = (name: keyof Settings) => ({
    value: settings[name],
    onChange: (event: { target: { value: string } }) =>
      onChange({ ...settings, [name]: event.target.value }),
  });
  const options = models.map((name) => <option key={name}>{name}</option>);
  return (
    <Card title="Settings">
      <div className="stack">
        <SelectField label="Model" {...field("model")}>
          {options}
        </SelectField>
        <SelectField label="Beside it" hint="Asks a second model the same." {...field("other")}>
          <option value="">no other model</option>
          {options}
        </SelectField>
        <TextField
          label="Quality of auto"
          hint="0: the cheapest model that can serve; 1: the best."
          type="number"
          min={0}
          max={1}
          step={0.05}
          placeholder="the account's"
          {...field("quality")}
        />
        <AreaField label="System prompt" rows={2} placeholder="none" {...field("system")} />
        <TextField
          label="Most tokens of the answer"
          type="number"
          min={1}
          placeholder="the model's"
          {...field("tokensMax")}
        />
        <TextField
          label="Tag"
          hint="Counts the work under this name in the usage."
          placeholder="none"
          maxLength={64}
          {...field("tag")}
        />
        <TextField
          label="API key"
          hint="Pays for the answer. It is not kept."
          type="password"
          autoComplete="off"
          placeholder="whoever is signed in"
          {...field("key")}
        />
      </div>
    </Card>
  );
}
