/** The planted bugs: each a plausible mistake that the simulation must find. */
import type { AdmitRequest, Counters } from "../../src/admission/counters.ts";
import type { MemoryCounters } from "../../src/admission/memory.ts";

/** Their names. */
export const bugNames = [
  "the hold is not atomic",
  "settling does not look for the hold",
  "a second release gives credits back again",
  "confirmed sums carry no version",
  "the warehouse acknowledges before it has inserted",
  "the log acknowledges before it has flushed",
  "a batch that was begun is taken for stored",
  "the period is that of the request's end",
  "leases never end",
  "billing adds up rows instead of events",
  "sums are delivered before they are written down",
  "a refund that is asked for again is another event",
] as const;

/** One of them. */
export type Bug = (typeof bugNames)[number];

/** The counters with a bug of theirs built around them; without one, as they are. */
export function plantBug(
  bug: Bug | undefined,
  counters: MemoryCounters,
  sleep: (ms: number) => Promise<void>,
): Counters {
  switch (bug) {
    case "the hold is not atomic":
      return withCounters(counters, {
        admit: (request) => admitInTwoSteps(request, counters, sleep),
      });
    case "settling does not look for the hold":
      return withCounters(counters, {
        settle: (eventId, settlement) => {
          const result = counters.settle(eventId, settlement);
          return result === "ignored" ? forceSettle(eventId, settlement, counters) : result;
        },
      });
    case "a second release gives credits back again":
      return withSecondRelease(counters);
    case "confirmed sums carry no version":
      return withoutVersions(counters);
    case "leases never end":
      return withCounters(counters, { sweep: () => [] });
    default:
      return counters;
  }
}

function withCounters(counters: MemoryCounters, changed: Partial<Counters>): Counters {
  return {
    admit: (request) => counters.admit(request),
    settle: (eventId, settlement) => counters.settle(eventId, settlement),
    release: (eventId, release) => counters.release(eventId, release),
    renew: (holds) => counters.renew(holds),
    sweep: () => counters.sweep(),
    confirm: (sums) => counters.confirm(sums),
    rate: (load) => counters.rate(load),
    usage: (accountId, totalMicro) => counters.usage(accountId, totalMicro),
    ...changed,
  };
}

async function admitInTwoSteps(
  request: AdmitRequest,
  counters: MemoryCounters,
  sleep: (ms: number) => Promise<void>,
) {
  const { accountId, totalMicro, holdMicro } = request;
  const { usedMicro, heldMicro } = await counters.usage(accountId, totalMicro);
  if (totalMicro - usedMicro - heldMicro < holdMicro) return counters.admit(request);
  await sleep(1);
  return counters.admit({ ...request, totalMicro: totalMicro + 1_000n * holdMicro });
}

/** Makes pending usage of an id that has no hold, by giving it one. */
function forceSettle(
  eventId: string,
  settlement: Parameters<Counters["settle"]>[1],
  counters: MemoryCounters,
) {
  const wide = Number.MAX_SAFE_INTEGER;
  const limits = { requestsPerMinute: wide, requestsPerDay: wide, tokensPerMinute: wide };
  const { accountId } = settlement;
  const free = { totalMicro: 10n ** 18n, overdraftMicro: 0n, holdMicro: 0n, lowestMicro: 0n };
  const request = { eventId, accountId, keyId: "bug", limits, tokens: 0, ...free };
  // The account is in memory, so this happens at once.
  void counters.admit(request);
  return counters.settle(eventId, settlement);
}

/** Subtracts from the sum of holds without looking for the hold: another one's credits come free. */
function withSecondRelease(counters: MemoryCounters): Counters {
  const open = new Map<string, string>();
  return withCounters(counters, {
    admit: async (request) => {
      const admission = await counters.admit(request);
      if (admission.admitted) open.set(request.eventId, request.accountId);
      return admission;
    },
    release: (eventId, release) => {
      const known = open.delete(eventId);
      counters.release(eventId, release);
      const other = [...open].find(([, accountId]) => accountId === release.accountId);
      if (known || other === undefined) return;
      open.delete(other[0]);
      counters.release(other[0], release);
    },
  });
}

function withoutVersions(counters: MemoryCounters): Counters {
  let offset = 0;
  return withCounters(counters, {
    confirm: (sums) => {
      offset += 1;
      counters.confirm({ ...sums, version: { epoch: 9, offset } });
    },
  });
}
