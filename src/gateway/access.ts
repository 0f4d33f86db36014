// Who calls, and whether they may: the same check in front of every method, whatever the door.
import { type DescMethod, getOption } from "@bufbuild/protobuf";
import { access } from "../gen/optamil/options/v1/options_pb.ts";
import { readCredential } from "../keys/credential.ts";
import type { Caller } from "../keys/verify.ts";
import { OptamilError } from "../platform/errors.ts";

/** Verifies a credential; throws `unauthenticated`. */
export type Verify = (credential: string) => Caller;

/** The caller of a method, who must have the method's scope. Throws `unauthenticated` or `permission_denied`. */
export function authorize(
  scope: string,
  header: (name: string) => string | undefined,
  verify: Verify,
): Caller {
  const caller = verify(readCredential(header));
  if (caller.scopes.includes(scope)) return caller;
  throw new OptamilError(
    "permission_denied",
    `This key lacks the scope '${scope}'. Create a key that has it.`,
  );
}

/** The scope that a method's `access` option asks for. A method must have one: open methods are not served here. */
export function scopeOf(method: DescMethod): string {
  const { scope } = getOption(method, access);
  if (scope === "") throw new Error(`${method.parent.typeName}.${method.name} names no scope`);
  return scope;
}
