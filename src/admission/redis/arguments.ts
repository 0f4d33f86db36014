// What the scripts take, as text and numbers.
import assert from "node:assert/strict";
import { tierNames } from "../../catalogue/tiers.ts";
import { type Budget, type KeyPart, type Limits, type LoadedBase, sweptMax } from "../counters.ts";
import type { KnownRequest } from "../shared-counters.ts";

/**
 * Largest amount, micro-credits: 4.5 billion credits. Lua counts in doubles, exact to 2^53; the sum or the
 * difference of two amounts must stay below. A larger total counts as this one.
 */
export const redisMicroMax = 2n ** 52n;

/** Limits; "" for those that there are not. */
export function toArguments(limits: Partial<Limits>): (string | number)[] {
  const { requestsPerMinute, requestsPerDay, tokensPerMinute } = limits;
  return [requestsPerMinute ?? "", requestsPerDay ?? "", tokensPerMinute ?? ""];
}

/** Three fields of each part. */
export function toParts(parts: readonly KeyPart[]): (string | number)[] {
  return parts.flatMap(({ id, limits: { requestsPerMinute, requestsPerDay } }) => [
    id,
    requestsPerMinute ?? "",
    requestsPerDay ?? "",
  ]);
}

/** Id and limit of each budget; how many come first. */
export function toBudgets(budgets: readonly Budget[] = []): (string | number)[] {
  return [budgets.length, ...budgets.flatMap(({ id, limitMicro }) => [id, bounded(limitMicro)])];
}

/** Sums in the order of the tiers. */
export function toBase(byTier: LoadedBase["baseByTierMicro"]): string[] {
  return tierNames.map((tier) => exact(byTier[tier]));
}

/** What the limits need; how many come first. */
export function toTraffic(traffic: LoadedBase["traffic"]): (string | number)[] {
  const requests = traffic?.requests ?? [];
  const today = [...(traffic?.todayByKey ?? [])];
  const taken = requests.flatMap(({ keyId, admittedAtMs, tokens }) => [
    keyId,
    admittedAtMs,
    tokens,
  ]);
  return [requests.length, ...taken, today.length, ...today.flat()];
}

/** As a request that has settled: what it held is of no interest any more. */
export function toSettled({ eventId, tier, creditsMicro }: LoadedBase["pending"][number]) {
  return [eventId, tier, exact(creditsMicro), "0", "0", "0", 0, 0, "", ""];
}

/** Ten fields of a request as its gateway knows it. */
export function toKnown(known: KnownRequest): (string | number)[] {
  return [
    known.eventId,
    known.settled?.tier ?? "",
    exact(known.settled?.creditsMicro ?? 0n),
    exact(known.heldMicro),
    exact(known.lowestMicro),
    exact(known.marginMicro),
    known.tokens,
    known.admittedAtMs,
    known.budgets.join(),
    known.keyId,
  ];
}

/** What is granted or asked for: more than the bound is as good as the bound. */
export function bounded(micro: bigint): string {
  return (micro > redisMicroMax ? redisMicroMax : micro).toString();
}

/** What is counted: never beyond the bound. */
export function exact(micro: bigint): string {
  assert(-redisMicroMax <= micro && micro <= redisMicroMax, "an amount beyond what Redis counts");
  return micro.toString();
}

/** At least one part: sums without ids are to be told too. */
export function toIdParts(ids: readonly string[]): (readonly string[])[] {
  return ids.length === 0 ? [[]] : inParts(ids, sweptMax);
}

/** Pieces of so many values. */
export function inParts<Value>(values: readonly Value[], countMax: number): Value[][] {
  const parts: Value[][] = [];
  for (let at = 0; at < values.length; at += countMax) parts.push(values.slice(at, at + countMax));
  return parts;
}
