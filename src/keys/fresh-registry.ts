// A key registry that stops answering once what it knows is too old.
import type { Clock } from "../platform/clock.ts";
import { OptamilError } from "../platform/errors.ts";
import type { KeyRegistry } from "./registry.ts";

/** What a registry's freshness is judged by. */
export type Freshness = {
  /** Milliseconds since the registry was known to have everything; Infinity: it never was. */
  readonly staleMs: () => number;
  readonly clock: Pick<Clock, "monotonicMs">;
  /** How old it may be, milliseconds. Default 330,000: five minutes that are promised, and half of one to come
   * back in. A revoked key works no longer than that, whatever is down. */
  readonly staleMsMax?: number | undefined;
};

const staleMsMaxDefault = 330_000;
const retryAfterMs = 5_000;

/**
 * The registry, which throws `service_unavailable` while it is older than allowed: nobody knows then which keys
 * were revoked. One that never had everything, as it began with an earlier process's copy, is as old as this object.
 */
export function createFreshRegistry(registry: KeyRegistry, freshness: Freshness): KeyRegistry {
  const { staleMs, clock, staleMsMax = staleMsMaxDefault } = freshness;
  const openedAtMs = clock.monotonicMs();
  return {
    key(keyId) {
      const ageMs = Math.min(staleMs(), clock.monotonicMs() - openedAtMs);
      if (ageMs <= staleMsMax) return registry.key(keyId);
      const message = "Keys cannot be checked: the directory has not been reached for too long.";
      throw new OptamilError("service_unavailable", message, { retryAfterMs });
    },
  };
}
