// AccountService: sign-up, sign-in and sign-out, and the account itself.
import { create } from "@bufbuild/protobuf";
import type { Limits } from "../../admission/counters.ts";
import type { AccountManager } from "../../directory/manage.ts";
import { type SignIn, sessionSeconds } from "../../directory/sign-in.ts";
import type { SignUp } from "../../directory/sign-up.ts";
import {
  AccountService,
  GetAccountResponseSchema,
  SignInResponseSchema,
  SignOutResponseSchema,
  SignUpResponseSchema,
} from "../../gen/optamil/v1/accounts_pb.ts";
import type { Caller } from "../../keys/verify.ts";
import { invalidRequest } from "../../platform/errors.ts";
import { type MethodEntry, publicUnary, unary } from "../exchange.ts";
import { toSessionCookie } from "../session-cookie.ts";

/** What the service stands on. */
export type AccountParts = {
  readonly signUp: SignUp;
  readonly signIn: SignIn;
  /** Ends a session of an account at once. */
  readonly endSession: (sessionId: string, accountId: string) => Promise<void>;
  readonly accounts: Pick<AccountManager, "find">;
  /** What the plan of a caller's account allows. */
  readonly limitsOf: (caller: Caller) => Limits;
  /** Whether clients reach the gateway by https, so that cookies can be `Secure`. */
  readonly secure: () => boolean;
};

/** The methods of AccountService. */
export function accountMethods(parts: AccountParts): readonly MethodEntry[] {
  const { method } = AccountService;
  return [
    publicUnary(method.signUp, async (request, { address }) =>
      create(SignUpResponseSchema, await parts.signUp(request, address)),
    ),
    publicUnary(method.signIn, async (request, { address, setHeader }) => {
      const { account, token, expiresAt } = await parts.signIn({ ...request, address });
      setHeader("set-cookie", toSessionCookie(token, sessionSeconds, parts.secure()));
      return create(SignInResponseSchema, { account, expiresAt: BigInt(expiresAt) });
    }),
    unary(method.getAccount, (_request, { caller }) => {
      const { requestsPerMinute, requestsPerDay, tokensPerMinute } = parts.limitsOf(caller);
      return create(GetAccountResponseSchema, {
        account: parts.accounts.find(caller.accountId),
        limits: { requestsPerMinute, requestsPerDay, tokensPerMinute },
        credentialId: caller.keyId,
        credential: caller.session ? "session" : "key",
        scopes: [...caller.scopes],
      });
    }),
    unary(method.signOut, async (_request, { caller, setHeader }) => {
      if (!caller.session) {
        throw invalidRequest("No session was sent, but a key: revoke that one through /v1/keys.");
      }
      await parts.endSession(caller.keyId, caller.accountId);
      setHeader("set-cookie", toSessionCookie("", 0, parts.secure()));
      return create(SignOutResponseSchema);
    }),
  ];
}
