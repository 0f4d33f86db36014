// Methods about what all replicas share see what was changed at another one, just before.
import type { Caller } from "../keys/verify.ts";
import { scopeOf } from "./access.ts";
import type { MethodEntry } from "./exchange.ts";

/** What other replicas change. */
export type Others = {
  /** Resolves when what they had changed is here; must have a deadline of its own. */
  readonly catchUp: () => Promise<void>;
  /** Throws `unauthenticated` where the caller's key or session has ended meanwhile. */
  readonly check: (caller: Caller) => void;
};

/**
 * The entries, each of which first waits for what others have changed: behind a proxy the request after a change comes
 * to any replica. The caller is looked at once more then. Undefined: there are no others.
 */
export function afterOthers(
  entries: readonly MethodEntry[],
  others: Others | undefined,
): readonly MethodEntry[] {
  if (others === undefined) return entries;
  return entries.map((entry) => {
    if (entry.kind !== "unary") return entry;
    const isPublic = scopeOf(entry.method) === undefined;
    const call: typeof entry.call = async (request, exchange) => {
      await others.catchUp();
      if (!isPublic) others.check(exchange.caller);
      return entry.call(request, exchange);
    };
    return { ...entry, call };
  });
}
