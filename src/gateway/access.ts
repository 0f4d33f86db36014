// Who calls, and whether they may: the same check in front of every method, whatever the door.
import { type DescMethod, getOption } from "@bufbuild/protobuf";
import { access } from "../gen/optamil/options/v1/options_pb.ts";
import { readCredential } from "../keys/credential.ts";
import type { Caller } from "../keys/verify.ts";
import { OptamilError } from "../platform/errors.ts";

/** Verifies a credential; throws `unauthenticated`. */
export type Verify = (credential: string) => Caller;

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
 * that a wrong one does no harm. Throws `unauthenticated` or `permission_denied`.
 */
export function authorize(
  scope: string | undefined,
  header: (name: string) => string | undefined,
  verify: Verify,
): Caller {
  if (scope === undefined) return anonymous;
  const caller = verify(readCredential(header));
  if (caller.scopes.includes(scope)) return caller;
  throw new OptamilError(
    "permission_denied",
    `This key lacks the scope '${scope}'. Create a key that has it.`,
  );
}

/** The scope that a method's `access` option asks for; undefined: the method is public. Throws where it says neither. */
export function scopeOf(method: DescMethod): string | undefined {
  const { public: isPublic, scope } = getOption(method, access);
  if (isPublic) return undefined;
  if (scope === "") throw new Error(`${method.parent.typeName}.${method.name} names no scope`);
  return scope;
}
