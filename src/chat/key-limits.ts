// What a key's own limits ask of an admission.
import type { AdmitRequest, Limits } from "../admission/counters.ts";
import type { KeyLimits, RequestLimits } from "../gen/optamil/v1/keys_pb.ts";

/** The parts of an admission that narrow it for one key. */
export type Narrowing = Pick<AdmitRequest, "keyLimits" | "keyRunningMax" | "parts">;

/** What is asked for: the model by its name, and the tier of the one that is tried first. */
export type Asked = { readonly model: string; readonly tier: string | undefined };

/** What a key's limits, if it has any, add to the admission of a request; without `asked`, to that of none. */
export function narrowedBy(limits: KeyLimits | undefined, asked?: Asked): Narrowing {
  if (limits === undefined) return {};
  const { concurrentRequests, models, tiers } = limits;
  const parts = [toPart("model", asked?.model, models), toPart("tier", asked?.tier, tiers)].flatMap(
    (part) => part ?? [],
  );
  return {
    keyLimits: toLimits(limits),
    ...(concurrentRequests !== undefined && { keyRunningMax: concurrentRequests }),
    ...(parts.length > 0 && { parts }),
  };
}

function toPart(
  kind: string,
  name: string | undefined,
  all: Readonly<Record<string, RequestLimits>>,
): { id: string; limits: Partial<Limits> } | undefined {
  if (name === undefined || !Object.hasOwn(all, name)) return undefined;
  const limits = all[name];
  return limits && { id: `${kind} ${name}`, limits: toLimits(limits) };
}

function toLimits(
  limits: Pick<KeyLimits, "requestsPerMinute" | "requestsPerDay"> &
    Partial<Pick<KeyLimits, "tokensPerMinute">>,
): Partial<Limits> {
  const { requestsPerMinute, requestsPerDay, tokensPerMinute } = limits;
  return {
    ...(requestsPerMinute !== undefined && { requestsPerMinute }),
    ...(requestsPerDay !== undefined && { requestsPerDay }),
    ...(tokensPerMinute !== undefined && { tokensPerMinute }),
  };
}
