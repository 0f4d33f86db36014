// `node bench/admission.ts`: what the counters cost a request, without anything around them.
import type { AdmitRequest } from "../src/admission/counters.ts";
import { MemoryCounters } from "../src/admission/memory.ts";
import { connectRedis, RedisCounters } from "../src/admission/redis.ts";
import { systemClock } from "../src/platform/clock.ts";

const rounds = 7;
const requestsPerRound = 100_000;
const redisRequests = 10_000;
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

/** One decision after the other, then 64 at a time, on the Redis at `REDIS_URL`. */
async function measureRedis(url: string): Promise<void> {
  const connection = connectRedis({ url, commandTimeoutMs: 5_000 });
  await connection.ready();
  const loadBase = () => ({
    baseByTierMicro: nothing,
    version: { epoch: 0, offset: -1 },
    pending: [],
  });
  const replicaId = crypto.randomUUID();
  const counters = new RedisCounters({ connection, loadBase, replicaId, keyPrefix: replicaId });
  await counters.open((await counters.beat(false)).generation);
  for (const inFlight of [1, 64]) {
    const tookMs: number[] = [];
    let number = 0;
    const startedMs = performance.now();
    const worker = async () => {
      while (number < redisRequests) {
        number += 1;
        const request = toRequest(number + inFlight * redisRequests, 100);
        const sentMs = performance.now();
        await counters.admit(request);
        tookMs.push(performance.now() - sentMs);
        await counters.release(request.eventId, { accountId: request.accountId, tokens: 650 });
      }
    };
    await Promise.all(Array.from({ length: inFlight }, worker));
    const perSecond = Math.round((redisRequests * 1_000) / (performance.now() - startedMs));
    const sorted = tookMs.toSorted((a, b) => a - b);
    const at = (part: number) =>
      (sorted[Math.floor(sorted.length * part)] ?? Number.NaN).toFixed(2);
    console.log(
      `Redis, ${inFlight} in flight: decision p50 ${at(0.5)} ms  p99 ${at(0.99)} ms; ` +
        `${perSecond} admitted and released a second`,
    );
  }
  connection.close();
}

const redisUrl = process.env["REDIS_URL"];
if (redisUrl === undefined) console.log("Redis: not measured, REDIS_URL is not set");
else await measureRedis(redisUrl);
