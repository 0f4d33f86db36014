// Who calls, and whether they may: the same check in front of every method, whatever the door.
import { type DescMethod, getOption } from "@bufbuild/protobuf";
import { access } from "../gen/optamil/options/v1/options_pb.ts";
import { readCredential } from "../keys/credential.ts";
import type { Caller } from "../keys/verify.ts";
import type { Attempts } from "../platform/attempts.ts";
import { OptamilError } from "../platform/errors.ts";
import { guardAddress } from "./address.ts";

/** Verifies a credential; throws `unauthenticated`. */
export type Verify = (credential: string) => Caller;

/** What a request says of who makes it. */
export type Claimant = {
  /** Gives a header by its lower-case name. */
  readonly header: (name: string) => string | undefined;
  /** The network that it comes from. */
  readonly address: string;
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
  const caller = identify(claimant, gate);
  if (caller.scopes.includes(scope)) return caller;
  throw new OptamilError(
    "permission_denied",
    `This key lacks the scope '${scope}'. Create a key that has it.`,
  );
}

function identify({ header, address }: Claimant, { verify, failures }: Gate): Caller {
  try {
    return verify(readCredential(header));
  } catch (refusal) {
    throw guardAddress(address, refusal, failures);
  }
}

/** The scope that a method's `access` option asks for; undefined: the method is public. Throws where it says neither. */
export function scopeOf(method: DescMethod): string | undefined {
  const { public: isPublic, scope } = getOption(method, access);
  if (isPublic) return undefined;
  if (scope === "") throw new Error(`${method.parent.typeName}.${method.name} names no scope`);
  return scope;
}
