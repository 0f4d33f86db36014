import { expect, it, onTestFinished } from "vitest";
import type { LoadBase, LoadedBase } from "../../src/admission/counters.ts";
import { connectRedis, RedisIdempotency, redisMicroMax } from "../../src/admission/redis.ts";
import { describeCounters } from "../contracts/counters.ts";
import { describeIdempotency, keyedTry } from "../contracts/idempotency.ts";
import { describeWith } from "../setup/describe-with.ts";
import { redisOfTest, startRedis } from "../setup/redis.ts";
import { ManualClock } from "./manual-clock.ts";
import { openReplica } from "./redis-replica.ts";
import { byTier, credit, emptyBase, request, wideLimits } from "./requests.ts";
import { worstMinute } from "./traffic.ts";

await describeWith("Redis", startRedis, (server) => {
  describeCounters("Redis", async ({ wallMs, base = emptyBase }) => {
    const clock = new ManualClock(wallMs);
    const firstPeriod = new Date(wallMs).toISOString().slice(0, 7);
    const loadBase: LoadBase = (_, periodId) => (periodId === firstPeriod ? base : emptyBase);
    const counters = await openReplica(server.url, { clock, loadBase });
    return { counters, advance: (ms) => clock.advance(ms) };
  });

  describeIdempotency("Redis", async () => {
    const clock = new ManualClock();
    const options = { keyPrefix: crypto.randomUUID(), wallMs: () => clock.wallMs() };
    let connection = connectRedis({ url: server.url, commandTimeoutMs: 5_000 });
    await connection.ready();
    return {
      store: new RedisIdempotency({ connection, ...options }),
      advance: (ms) => clock.advance(ms),
      reopen: async () => {
        connection.close();
        connection = connectRedis({ url: server.url, commandTimeoutMs: 5_000 });
        await connection.ready();
        return new RedisIdempotency({ connection, ...options });
      },
      remove: async () => connection.close(),
    };
  });

  it("1,000 requests at one credit by 3 gateways: one is admitted, in each of 50 rounds", async () => {
    const shared = { keyPrefix: crypto.randomUUID(), clock: new ManualClock() };
    const replicas = await Promise.all([1, 2, 3].map(() => openReplica(server.url, shared)));
    const admitted: number[] = [];
    for (let round = 0; round < 50; round += 1) {
      const tries = Array.from({ length: 1_000 }, (_, at) =>
        replicas[at % 3]?.admit(
          request({ eventId: `e${at}`, accountId: `account-${round}`, totalMicro: credit }),
        ),
      );
      const decisions = await Promise.all(tries);
      admitted.push(decisions.filter((one) => one?.admitted).length);
    }
    expect(admitted).toEqual(Array.from({ length: 50 }, () => 1));
  });

  it("4 gateways share a limit of 60 a minute: 60 are accepted, and no rolling minute has more", async () => {
    const clock = new ManualClock();
    const shared = { keyPrefix: crypto.randomUUID(), clock };
    const replicas = await Promise.all([1, 2, 3, 4].map(() => openReplica(server.url, shared)));
    const limits = { ...wideLimits, requestsPerMinute: 60 };
    const taken: { atMs: number; amount: number }[] = [];
    for (let at = 0; at < 1_200; at += 4) {
      const decisions = await Promise.all(
        replicas.map((replica, of) => replica.admit(request({ eventId: `e${at + of}`, limits }))),
      );
      for (const one of decisions) {
        if (one.admitted) taken.push({ atMs: clock.wallMs(), amount: 1 });
      }
      clock.advance(400);
    }
    const firstMs = taken[0]?.atMs ?? 0;
    expect(taken.filter(({ atMs }) => atMs < firstMs + 60_000)).toHaveLength(60);
    expect(taken).toHaveLength(120);
    expect(worstMinute(taken)).toBe(60);
  });

  it("a hold whose lease has ended is given to exactly one of the gateways that sweep", async () => {
    const clock = new ManualClock();
    const shared = { keyPrefix: crypto.randomUUID(), clock };
    const replicas = await Promise.all([1, 2, 3].map(() => openReplica(server.url, shared)));
    for (let at = 0; at < 30; at += 1) {
      await replicas[0]?.admit(request({ eventId: `e${at}`, accountId: `account-${at}` }));
    }
    clock.advance(30_001);
    const swept = (await Promise.all(replicas.map((replica) => replica.sweep()))).flat();
    expect(new Set(swept.map(({ eventId }) => eventId)).size).toBe(30);
    expect(swept).toHaveLength(30);
  });

  it("amounts are exact up to the bound of 2^52 micro-credits", async () => {
    const counters = await openReplica(server.url, { clock: new ManualClock() });
    const most = redisMicroMax;
    const price = { totalMicro: most, holdMicro: most - 1n };
    expect(await counters.admit(request({ eventId: "a", ...price }))).toMatchObject({
      heldMicro: most - 1n,
    });
    const end = {
      accountId: "account",
      tier: "ultra",
      creditsMicro: most - 1n,
      tokens: 1,
    } as const;
    await counters.settle("a", end);
    expect((await counters.usage("account", most)).remainingMicro).toBe(1n);
    await expect(
      counters.admit(request({ eventId: "b", ...price, holdMicro: 2n })),
    ).resolves.toMatchObject({
      reason: "credits",
    });
    await expect(
      counters.admit(request({ eventId: "c", ...price, holdMicro: 1n })),
    ).resolves.toMatchObject({
      admitted: true,
    });
  });

  it("an account does not miss what is confirmed while it is being read", async () => {
    const load = Promise.withResolvers<LoadedBase>();
    const asked = Promise.withResolvers<void>();
    const loadBase: LoadBase = () => {
      asked.resolve();
      return load.promise;
    };
    const counters = await openReplica(server.url, { clock: new ManualClock(), loadBase });
    const usage = counters.usage("account", 9n * credit);
    await asked.promise;
    const after = byTier({ mid: 5n });
    await counters.confirm({
      accountId: "account",
      periodId: "2026-04",
      baseByTierMicro: after,
      includedIds: ["old"],
      version: { epoch: 0, offset: 7 },
    });
    const old = { eventId: "old", tier: "mid", creditsMicro: 5n } as const;
    load.resolve({ ...emptyBase, pending: [old] });
    expect((await usage).usedByTierMicro).toEqual(after);
  });

  it("more commands at once than the connection's bound are refused at once", async () => {
    const connection = connectRedis({ url: server.url, commandsMax: 2 });
    onTestFinished(() => connection.close());
    await connection.ready();
    const sent = [1, 2, 3].map((number) => connection.set(`${crypto.randomUUID()}`, `${number}`));
    const ends = await Promise.allSettled(sent);
    expect(ends.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected"]);
  });

  it("a keyed request whose end the server did not take is not run again", async () => {
    const own = await redisOfTest();
    const connection = connectRedis({ url: own.url });
    onTestFinished(() => connection.close());
    await connection.ready();
    const store = new RedisIdempotency({ connection });
    await store.begin(keyedTry());
    await own.kill();
    const unavailable = { code: "service_unavailable", retryAfterMs: 2_000 };
    await expect(store.finish(keyedTry(), undefined)).rejects.toMatchObject(unavailable);
    await expect(store.begin(keyedTry({ key: "other" }))).rejects.toMatchObject(unavailable);
    expect(await store.begin(keyedTry({ eventId: "event-2" }))).toEqual({
      kind: "finished",
      answer: undefined,
    });
  });

  it("the recent traffic that was loaded counts in every window, of the account and of its keys", async () => {
    const clock = new ManualClock();
    const requests = [50_000, 61_000, 1_000].map((agoMs) => ({
      keyId: "key",
      admittedAtMs: clock.wallMs() - agoMs,
      tokens: 10,
    }));
    const todayByKey = new Map([
      ["key", 7],
      ["other", 4],
    ]);
    const loadBase = () => ({ ...emptyBase, traffic: { requests, todayByKey } });
    const counters = await openReplica(server.url, { clock, loadBase });
    await counters.usage("account", credit);
    const limits = { requestsPerMinute: 20, requestsPerDay: 20, tokensPerMinute: 1_000 };
    const load = { accountId: "account", keyId: "key", limits };
    const ofAccount = await counters.rate(load);
    expect(ofAccount["requests-minute"].remaining).toBe(18);
    expect(ofAccount["requests-day"].remaining).toBe(9);
    expect(ofAccount["tokens-minute"].remaining).toBe(980);
    const ofKey = await counters.rate({ ...load, keyLimits: { requestsPerDay: 8 } });
    expect(ofKey["requests-day"]).toMatchObject({ limit: 8, remaining: 1 });
  });

  it("every key but those of the generation itself expires", async () => {
    const own = await redisOfTest();
    const clock = new ManualClock();
    const counters = await openReplica(own.url, { clock, keyPrefix: "own" });
    for (const eventId of ["settled", "swept", "open"]) {
      const keyLimits = { requestsPerMinute: 9 };
      await counters.admit(request({ eventId, keyLimits }));
      if (eventId === "settled") {
        await counters.settle(eventId, {
          accountId: "account",
          tier: "mid",
          creditsMicro: 1n,
          tokens: 1,
        });
      }
      if (eventId === "swept") {
        clock.advance(31_000);
        await counters.sweep();
      }
    }
    const script = {
      text: `local kept = {}
        for _, key in ipairs(redis.call("KEYS", "*")) do
          if redis.call("PTTL", key) < 0 then kept[#kept + 1] = key end
        end
        return kept`,
      sha1: "0".repeat(40),
    };
    const connection = connectRedis({ url: own.url });
    onTestFinished(() => connection.close());
    await connection.ready();
    const kept = await connection.run(script, "own", []);
    const generations = kept.filter((key) => String(key).endsWith("}:generation"));
    expect(generations).toHaveLength(64);
    expect(kept.filter((key) => !generations.includes(key))).toEqual(["own:{0}:replicas"]);
  });
});
