// Who calls, and whether they may: the same check in front of every method, whatever the door.
import { type DescMethod, getOption } from "@bufbuild/protobuf";
import { access } from "../gen/optamil/options/v1/options_pb.ts";
import { readCredential } from "../keys/credential.ts";
import { NotKnownYet } from "../keys/unauthenticated.ts";
import type { Caller, CredentialKind } from "../keys/verify.ts";
import type { Attempts } from "../platform/attempts.ts";
import { OptamilError } from "../platform/errors.ts";
import { guardAddress } from "./address.ts";
import { readSessionCookie } from "./session-cookie.ts";

/** Verifies a key or a session's token; throws `unauthenticated`. */
export type Verify = (credential: string, kind: CredentialKind) => Caller;

/** What a request says of who makes it. */
export type Claimant = {
  /** Gives a header by its lower-case name. */
  readonly header: (name: string) => string | undefined;
  /** The network that it comes from. */
  readonly address: string;
  /** Whether its cookies count: a page of another origin may not use them. */
  readonly ownOrigin: () => boolean;
};

/** What credentials are checked by. */
export type Gate = {
  readonly verify: Verify;
  /** Bad credentials by address. */
  readonly failures: Attempts;
};

/** Who calls a public method: nobody. `publicUnary` keeps it from the services. */
const anonymous: Caller = Object.freeze({
  accountId: "",
  keyId: "",
  plan: "",
  scopes: [],
  models: [],
  expiresAt: 0,
});

/**
 * The caller of a method, who must have the method's scope. A public method has none: no credential is read, so
 * that a wrong one does no harm. Throws `unauthenticated`, `permission_denied`, or `rate_limit_exceeded` for the
 * bad credentials of an address that sends too many.
 */
export function authorize(scope: string | undefined, claimant: Claimant, gate: Gate): Caller {
  if (scope === undefined) return anonymous;
  try {
    return withScope(verifyClaim(claimant, gate), scope);
  } catch (refusal) {
    throw guardAddress(claimant.address, refusal, gate.failures);
  }
}

/** The same, but a key that another replica has just made is waited for: its maker's next request may come here. */
export function authorizeSoon(
  scope: string | undefined,
  claimant: Claimant,
  gate: Gate,
): Caller | Promise<Caller> {
  if (scope === undefined) return anonymous;
  try {
    return withScope(verifyClaim(claimant, gate), scope);
  } catch (refusal) {
    const { cause } = refusal instanceof OptamilError ? refusal : {};
    if (cause instanceof NotKnownYet) {
      return cause.settled().then(() => authorize(scope, claimant, gate));
    }
    throw guardAddress(claimant.address, refusal, gate.failures);
  }
}

function withScope(caller: Caller, scope: string): Caller {
  if (caller.scopes.includes(scope)) return caller;
  throw new OptamilError(
    "permission_denied",
    caller.session
      ? `A session lacks the scope '${scope}'. Use a key that has it.`
      : `This key lacks the scope '${scope}'. Create a key that has it.`,
  );
}

function verifyClaim(claimant: Claimant, { verify }: Gate): Caller {
  const session = readSession(claimant);
  return session === undefined
    ? verify(readCredential(claimant.header), "key")
    : verify(session, "session");
}

/** The session's token, where no key is sent. */
function readSession({ header, ownOrigin }: Claimant): string | undefined {
  if (header("authorization") !== undefined || header("x-api-key") !== undefined) return undefined;
  const token = readSessionCookie(header("cookie"));
  return token !== undefined && ownOrigin() ? token : undefined;
}

/** The scope that a method's `access` option asks for; undefined: the method is public. Throws where it says neither. */
export function scopeOf(method: DescMethod): string | undefined {
  const { public: isPublic, scope } = getOption(method, access);
  if (isPublic) return undefined;
  if (scope === "") throw new Error(`${method.parent.typeName}.${method.name} names no scope`);
  return scope;
}
