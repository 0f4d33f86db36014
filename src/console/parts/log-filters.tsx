// What the request log is narrowed to.
import { SelectField, TextField } from "../ui/field.tsx";
import { tierNames } from "../ui/tier.tsx";
import { outcomeNames } from "./outcome.tsx";

/** The filter as it is typed; empty: all. */
export type LogFilter = {
  readonly model: string;
  readonly tier: string;
  readonly tag: string;
  readonly outcome: string;
  /** A day, `2026-04-01`. */
  readonly from: string;
};

/** The filter that lets everything through. */
export const blankFilter: LogFilter = { model: "", tier: "", tag: "", outcome: "", from: "" };

type FiltersProps = {
  readonly filter: LogFilter;
  readonly onChange: (filter: LogFilter) => void;
};

/** The filter's fields. Names are matched whole. */
export function LogFilters({ filter, onChange }: FiltersProps) {
  const field = (name: keyof LogFilter) => ({
    value: filter[name],
    onChange: (event: { target: { value: string } }) =>
      onChange({ ...filter, [name]: event.target.value.trim() }),
  });
  return (
    <div className="filters">
      <SelectField label="Outcome" {...field("outcome")}>
        <option value="">all</option>
        {outcomeNames.map((name) => (
          <option key={name}>{name}</option>
        ))}
      </SelectField>
      <SelectField label="Tier" {...field("tier")}>
        <option value="">all</option>
        {tierNames.map((name) => (
          <option key={name}>{name}</option>
        ))}
      </SelectField>
      <TextField label="Model that answered" placeholder="all" {...field("model")} />
      <TextField label="Tag" placeholder="all" maxLength={64} {...field("tag")} />
      <TextField label="Since" type="date" {...field("from")} />
    </div>
  );
}
