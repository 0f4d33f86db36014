// Sign-in: who knows the password of an account gets a session of some hours.
import type { Account } from "../gen/optamil/v1/accounts_pb.ts";
import type { Attempts } from "../platform/attempts.ts";
import type { Clock } from "../platform/clock.ts";
import { OptamilError } from "../platform/errors.ts";
import type { Directory, DirectoryChange } from "./directory.ts";
import { toAccount } from "./manage.ts";
import type { PasswordRoom } from "./password.ts";

/** What sign-in stands on. */
export type SignInParts = {
  readonly store: Pick<Directory, "accountOf" | "append">;
  /** Makes a session's token; it works once its change is in the directory. */
  readonly issueSession: (request: {
    accountId: string;
    plan: string;
    expiresAt: number;
  }) => Promise<{ key: string; change: DirectoryChange }>;
  readonly passwords: PasswordRoom;
  readonly clock: Pick<Clock, "wallMs">;
  /** Wrong passwords by address, and by account. */
  readonly wrongByAddress: Attempts;
  readonly wrongByAccount: Attempts;
};

/** Who signs in, and from where. */
export type SignInRequest = {
  readonly email: string;
  readonly password: string;
  readonly address: string;
};

/** A session that is open. */
export type Session = {
  readonly account: Account;
  /** The secret, for a cookie: kept nowhere. */
  readonly token: string;
  /** Unix seconds. */
  readonly expiresAt: number;
};

/**
 * Opens a session. Throws `unauthenticated` (wrong address or password: one answer that takes one time),
 * `rate_limit_exceeded` (too many wrong ones from the address or for the account, or too much hashing at once).
 */
export type SignIn = (request: SignInRequest) => Promise<Session>;

/** How long a session lasts, seconds: a working day. */
export const sessionSeconds = 43_200;

/** Sign-in over a directory. */
export function createSignIn(parts: SignInParts): SignIn {
  const { store, issueSession, passwords, clock, wrongByAddress, wrongByAccount } = parts;
  return async ({ email, password, address }) => {
    const account = store.accountOf(email);
    const accountKey = email.toLowerCase();
    const waitMs = Math.max(wrongByAddress.waitMs(address), wrongByAccount.waitMs(accountKey));
    if (waitMs > 0) throw tooMany(waitMs);
    const isRight = await passwords.isPassword(password, account?.passwordHash ?? "");
    if (!isRight || account === undefined) {
      wrongByAddress.note(address);
      wrongByAccount.note(accountKey);
      throw new OptamilError("unauthenticated", "Wrong e-mail address or password.");
    }
    const expiresAt = Math.floor(clock.wallMs() / 1_000) + sessionSeconds;
    const { id: accountId, plan } = account;
    const { key: token, change } = await issueSession({ accountId, plan, expiresAt });
    await store.append(change, { actor: "sign-in", expectedVersion: 0n });
    return { account: toAccount(account), token, expiresAt };
  };
}

function tooMany(retryAfterMs: number): OptamilError {
  const message = "Too many attempts to sign in. Wait a moment.";
  return new OptamilError("rate_limit_exceeded", message, { retryAfterMs });
}
