// Sign-up: a stranger opens an account, where the operator lets him.
import type { Account, SignUpRequest } from "../gen/optamil/v1/accounts_pb.ts";
import type { Attempts } from "../platform/attempts.ts";
import { OptamilError } from "../platform/errors.ts";
import type { AccountManager } from "./manage.ts";
import type { PasswordRoom } from "./password.ts";

/** What sign-up stands on. */
export type SignUpParts = {
  readonly accounts: Pick<AccountManager, "create">;
  /** Who may sign up: everybody, who is invited, or nobody. */
  readonly mode: "open" | "invitation" | "closed";
  readonly passwords: PasswordRoom;
  /** Attempts by address. */
  readonly attempts: Attempts;
  /** What an invitation says; throws `permission_denied` where it is none. */
  readonly readInvitation: (text: string) => { readonly email: string; readonly plan: string };
};

/**
 * Opens an account with its first key, on plan Free or the invitation's.
 *
 * Throws `permission_denied` where sign-up is closed or the invitation is missing or another's,
 * `rate_limit_exceeded` for too many attempts of one address,
 * `invalid_request` where the e-mail address has an account.
 */
export type SignUp = (
  request: Pick<SignUpRequest, "email" | "password"> & { readonly invitation?: string },
  address: string,
) => Promise<{ account: Account; key: string }>;

/** Sign-up over the operations on accounts. */
export function createSignUp(parts: SignUpParts): SignUp {
  const { accounts, attempts, passwords } = parts;
  return async ({ email, password, invitation = "" }, address) => {
    if (parts.mode === "closed") {
      throw new OptamilError("permission_denied", "Sign-up is closed. Ask the operator for a key.");
    }
    const retryAfterMs = attempts.waitMs(address);
    if (retryAfterMs > 0) {
      throw new OptamilError("rate_limit_exceeded", "Too many sign-ups.", { retryAfterMs });
    }
    attempts.note(address);
    const plan = planOf(email, invitation, parts);
    const passwordHash = password === undefined ? "" : await passwords.hash(password);
    return accounts.create({ name: email, email, plan, passwordHash }, "sign-up");
  };
}

/** The plan on which the account begins; undefined: the one of everybody. */
function planOf(
  email: string,
  invitation: string,
  { mode, readInvitation }: SignUpParts,
): string | undefined {
  if (mode === "open" && invitation === "") return undefined;
  const param = "invitation";
  if (invitation === "") {
    const message = "Sign-up needs an invitation. Ask the operator for one.";
    throw new OptamilError("permission_denied", message, { param });
  }
  const invited = readInvitation(invitation);
  if (invited.email.toLowerCase() === email.toLowerCase()) return invited.plan;
  const message = "The invitation is for another e-mail address.";
  throw new OptamilError("permission_denied", message, { param });
}
