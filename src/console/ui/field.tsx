// Labelled fields of forms.
import {
  type InputHTMLAttributes,
  type ReactNode,
  type SelectHTMLAttributes,
  type TextareaHTMLAttributes,
  useId,
} from "react";

type Labelled = { readonly label: string; readonly hint?: ReactNode };

type Parts = Labelled & { readonly id: string; readonly children: ReactNode };

function Field({ label, hint, id, children }: Parts) {
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children}
      {hint !== undefined && (
        <span className="hint" id={`${id}-hint`}>
          {hint}
        </span>
      )}
    </div>
  );
}

type Named = { readonly id: string; readonly "aria-describedby"?: string };

function useNamed(hint: ReactNode): Named {
  const id = useId();
  return hint === undefined ? { id } : { id, "aria-describedby": `${id}-hint` };
}

/** A line of text, a number or a date. */
export function TextField({
  label,
  hint,
  ...others
}: Labelled & InputHTMLAttributes<HTMLInputElement>) {
  const named = useNamed(hint);
  return (
    <Field label={label} hint={hint} id={named.id}>
      <input className="input" {...named} {...others} />
    </Field>
  );
}

/** Some lines of text. */
export function AreaField({
  label,
  hint,
  ...others
}: Labelled & TextareaHTMLAttributes<HTMLTextAreaElement>) {
  const named = useNamed(hint);
  return (
    <Field label={label} hint={hint} id={named.id}>
      <textarea className="input" {...named} {...others} />
    </Field>
  );
}

/** One of some choices. */
export function SelectField({
  label,
  hint,
  ...others
}: Labelled & SelectHTMLAttributes<HTMLSelectElement>) {
  const named = useNamed(hint);
  return (
    <Field label={label} hint={hint} id={named.id}>
      <select className="input" {...named} {...others} />
    </Field>
  );
}

type ChoicesProps = Labelled & {
  readonly options: readonly string[];
  readonly chosen: readonly string[];
  readonly onChange: (chosen: readonly string[]) => void;
};

/** Any of some choices, as check boxes. */
export function ChoicesField({ label, hint, options, chosen, onChange }: ChoicesProps) {
  const toggle = (option: string, on: boolean) =>
    onChange(options.filter((one) => (one === option ? on : chosen.includes(one))));
  return (
    <fieldset className="choices field">
      <legend className="legend">{label}</legend>
      <div className="choices">
        {options.map((option) => (
          <label className="choice" key={option}>
            <input
              type="checkbox"
              checked={chosen.includes(option)}
              onChange={(event) => toggle(option, event.target.checked)}
            />
            {option}
          </label>
        ))}
      </div>
      {hint !== undefined && <span className="hint">{hint}</span>}
    </fieldset>
  );
}
