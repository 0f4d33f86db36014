// Sign-up: a stranger opens an account, where the operator lets him.
import type { Account, SignUpRequest } from "../gen/optamil/v1/accounts_pb.ts";
import type { Clock } from "../platform/clock.ts";
import { OptamilError } from "../platform/errors.ts";
import type { AccountManager } from "./manage.ts";
import { hashPassword } from "./password.ts";

/** What sign-up stands on. */
export type SignUpParts = {
  readonly accounts: Pick<AccountManager, "create">;
  /** Whether anybody may sign up. */
  readonly open: boolean;
  readonly clock: Pick<Clock, "monotonicMs">;
};

/**
 * Opens an account on plan Free with its first key.
 *
 * Throws `permission_denied` where sign-up is closed, `rate_limit_exceeded` above 60 attempts a minute,
 * `invalid_request` where the e-mail address has an account.
 */
export type SignUp = (
  request: Pick<SignUpRequest, "email" | "password">,
) => Promise<{ account: Account; key: string }>;

/** Attempts of everybody together: they bound what hashing costs and how many addresses can be probed. */
const attemptsPerMinuteMax = 60;
const minuteMs = 60_000;

/** Sign-up over the operations on accounts. */
export function createSignUp({ accounts, open, clock }: SignUpParts): SignUp {
  const admit = createGuard(clock);
  return async ({ email, password }) => {
    if (!open) {
      throw new OptamilError("permission_denied", "Sign-up is closed. Ask the operator for a key.");
    }
    admit();
    const passwordHash = password === undefined ? "" : await hashPassword(password);
    return accounts.create({ name: email, email, passwordHash }, "sign-up");
  };
}

/** Lets through what fits into any 60 seconds; throws `rate_limit_exceeded`. */
function createGuard(clock: SignUpParts["clock"]): () => void {
  let admittedAtMs: number[] = [];
  return () => {
    const nowMs = clock.monotonicMs();
    admittedAtMs = admittedAtMs.filter((atMs) => nowMs - atMs < minuteMs);
    const [oldestMs] = admittedAtMs;
    if (oldestMs !== undefined && admittedAtMs.length >= attemptsPerMinuteMax) {
      const retryAfterMs = oldestMs + minuteMs - nowMs;
      throw new OptamilError("rate_limit_exceeded", "Too many sign-ups.", { retryAfterMs });
    }
    admittedAtMs.push(nowMs);
  };
}
