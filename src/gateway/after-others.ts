// Methods about what all replicas share see what was changed at another one, just before.
import type { MethodEntry } from "./exchange.ts";

/**
 * The entries, each of which first waits for what others have changed: behind a proxy the request after a change comes
 * to any replica. `catchUp` must have a deadline of its own; undefined: there are no others.
 */
export function afterOthers(
  entries: readonly MethodEntry[],
  catchUp: (() => Promise<void>) | undefined,
): readonly MethodEntry[] {
  if (catchUp === undefined) return entries;
  return entries.map((entry) => {
    if (entry.kind !== "unary") return entry;
    const call: typeof entry.call = async (request, exchange) => {
      await catchUp();
      return entry.call(request, exchange);
    };
    return { ...entry, call };
  });
}
