// `node bench/admission.ts`: what the counters cost a request, without anything around them.
import type { AdmitRequest } from "../src/admission/counters.ts";
import { MemoryCounters } from "../src/admission/memory.ts";
import { systemClock } from "../src/platform/clock.ts";

const rounds = 7;
const requestsPerRound = 100_000;
const limits = {
  requestsPerMinute: 1_000,
  requestsPerDay: 100_000_000,
  tokensPerMinute: 1_000_000_000,
};
const nothing = { free: 0n, budget: 0n, mid: 0n, premium: 0n, ultra: 0n };

function toRequest(number: number, accounts: number): AdmitRequest {
  const of = number % accounts;
  return {
    eventId: `0198c0de-0000-7000-8000-${String(number).padStart(12, "0")}`,
    accountId: `account-${of}`,
    keyId: `key-${of}`,
    limits,
    tokens: 700,
    totalMicro: 1_000_000_000_000n,
    overdraftMicro: 0n,
    holdMicro: 1_000_000n,
    lowestMicro: 1_000_000n,
  };
}

type Round = { readonly admitUs: number; readonly settleUs: number; readonly refuseUs: number };

/** One round on fresh counters: all are admitted, all are settled, then as many are refused. */
function measure(accounts: number): Round {
  const loadBase = () => ({
    baseByTierMicro: nothing,
    version: { epoch: 0, offset: -1 },
    pending: [],
  });
  const counters = new MemoryCounters({ clock: systemClock, loadBase, accountsMax: accounts });
  const requests = Array.from({ length: requestsPerRound }, (_, at) => toRequest(at, accounts));
  const settlements = requests.map(({ accountId }) => ({
    accountId,
    tier: "mid" as const,
    creditsMicro: 1_000_000n,
    tokens: 650,
  }));
  const each = (work: (request: AdmitRequest, at: number) => unknown): number => {
    const startedMs = performance.now();
    requests.forEach(work);
    return ((performance.now() - startedMs) * 1_000) / requestsPerRound;
  };
  const admitUs = each((request) => counters.admit(request));
  const settleUs = each(({ eventId }, at) => {
    const settlement = settlements[at];
    if (settlement) counters.settle(eventId, settlement);
  });
  const refuseUs = each((request) => counters.admit({ ...request, holdMicro: 10n ** 18n }));
  return { admitUs, settleUs, refuseUs };
}

function median(values: readonly number[]): string {
  return (values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN).toFixed(2);
}

console.log(`medians of ${rounds} rounds, µs`);
for (const accounts of [100, 1_000, 10_000]) {
  const measured = Array.from({ length: rounds }, () => measure(accounts));
  const admit = median(measured.map(({ admitUs }) => admitUs));
  const settle = median(measured.map(({ settleUs }) => settleUs));
  const refuse = median(measured.map(({ refuseUs }) => refuseUs));
  console.log(`${accounts} accounts: admit ${admit}  settle ${settle}  refuse ${refuse}`);
}
