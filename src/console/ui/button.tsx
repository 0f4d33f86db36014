// Buttons.
import type { ButtonHTMLAttributes } from "react";

/** Looks of a button. */
type Kind = "plain" | "primary" | "danger" | "quiet";

type ButtonProps = ButtonHTMLAttributes<HTMLButtonElement> & {
  /** Default: plain. */
  readonly kind?: Kind;
  /** Whether it is the smaller one, for tables. Default false. */
  readonly slim?: boolean;
  /** Whether its action runs: it cannot be pressed again. Default false. */
  readonly busy?: boolean;
};

/** A button; inside a form it submits only with `type="submit"`. */
export function Button({ kind = "plain", slim = false, busy = false, ...others }: ButtonProps) {
  const classes = ["button", kind, slim ? "slim" : ""].filter((name) => name !== "").join(" ");
  const disabled = busy || others.disabled === true;
  return (
    <button type="button" {...others} className={classes} disabled={disabled} aria-busy={busy} />
  );
}
