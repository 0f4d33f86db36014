import { expect, it, onTestFinished } from "vitest";
import type { AdmitRequest } from "../../src/admission/counters.ts";
import { FleetCounters } from "../../src/admission/fleet-counters.ts";
import { MemoryCounters } from "../../src/admission/memory.ts";
import { connectRedis, RedisCounters } from "../../src/admission/redis.ts";
import { describeWith } from "../setup/describe-with.ts";
import { startRedis } from "../setup/redis.ts";
import { ManualClock } from "./manual-clock.ts";
import { openReplica } from "./redis-replica.ts";
import { byTier, credit, emptyBase, request, wideLimits } from "./requests.ts";
import { SlowLink } from "./slow-link.ts";

const rich = 1_000n * credit;
const usedOne = { accountId: "account", tier: "mid", creditsMicro: credit, tokens: 40 } as const;
const free = { accountId: "account", tokens: 0 };
/** Of an account with an overdraft of four requests. */
const paid = (eventId: string, overrides: Partial<AdmitRequest> = {}) =>
  request({ eventId, overdraftMicro: 4n * credit, ...overrides });

/** Ticks until it is quick. */
async function untilUp(gateway: FleetCounters): Promise<void> {
  const state = async () => {
    await gateway.tick();
    return gateway.status().state;
  };
  await expect.poll(state).toBe("up");
}

await describeWith("a gateway whose Redis is slow", startRedis, (server) => {
  async function open(wallMs?: number) {
    const clock = new ManualClock(wallMs);
    const keyPrefix = crypto.randomUUID();
    const connection = connectRedis({ url: server.url, commandTimeoutMs: 10_000 });
    onTestFinished(() => connection.close());
    await connection.ready();
    const link = new SlowLink(connection);
    const shared = new RedisCounters({
      ...{ connection: link, keyPrefix, replicaId: "one", loadBase: () => emptyBase },
      wallMs: () => clock.wallMs(),
    });
    const local = new MemoryCounters({ clock, loadBase: () => emptyBase });
    const readBase = async () => ({ ...emptyBase, includedIds: [] });
    const gateway = new FleetCounters({ shared, local, readBase, clock });
    await gateway.tick();
    const other = await openReplica(server.url, { clock, keyPrefix, isConsumer: true });
    return { gateway, link, clock, other };
  }
  type World = Awaited<ReturnType<typeof open>>;

  /** What Redis knows when the gateway has told it everything. */
  async function ledgerOf({ gateway, other }: World, periodId = "2026-04") {
    await gateway.usage("account", rich);
    const { usedMicro, heldMicro } = (await other.check("account", periodId)) ?? {};
    return { used: usedMicro, held: heldMicro };
  }
  const sums = (used: bigint, held: bigint) => {
    const both = (credits: bigint) => ({ sum: credits * credit, ofItems: credits * credit });
    return { used: both(used), held: both(held) };
  };
  const confirmed = (credits: bigint, includedIds: readonly string[]) => ({
    ...{ accountId: "account", periodId: "2026-04", includedIds },
    ...{ baseByTierMicro: byTier({ mid: credits * credit }), version: { epoch: 0, offset: 1 } },
  });

  it("admits ahead of it within its part of the overdraft, which is free again when Redis has admitted too", async () => {
    const world = await open();
    const { gateway, link } = world;
    for (let round = 0; round < 3; round += 1) {
      link.hold();
      for (const turn of ["a", "b", "c", "d"]) {
        const admission = await gateway.admit(paid(`${turn}${round}`));
        expect(admission).toMatchObject({ admitted: true, heldMicro: credit });
      }
      expect(gateway.status().state).toBe("slow");
      link.release();
      expect(await ledgerOf(world)).toEqual(sums(0n, 4n * BigInt(round + 1)));
    }
    for (const eventId of ["a0", "b1"]) {
      expect(await gateway.settle(eventId, usedOne)).toBe("settled");
    }
    await gateway.release("c2", free);
    expect(await ledgerOf(world)).toEqual(sums(2n, 9n));
  });

  it("waits for the answer where its part is spent, the account has no overdraft, or a budget is to be asked", async () => {
    const { gateway, link } = await open();
    link.hold();
    for (const eventId of ["a", "b", "c", "d"]) await gateway.admit(paid(eventId));
    const budgets = [{ id: "key:one", limitMicro: credit }];
    const waiting = [
      gateway.admit(paid("e")),
      gateway.admit(request({ eventId: "f", accountId: "free" })),
      gateway.admit(paid("g", { accountId: "third", budgets })),
    ];
    // Later than any of them could have been decided by the gateway.
    await gateway.admit(paid("h", { accountId: "fourth" }));
    const first = await Promise.race([...waiting, Promise.resolve("nobody")]);
    expect(first).toBe("nobody");
    link.release();
    for (const admission of await Promise.all(waiting)) {
      expect(admission).toMatchObject({ admitted: true });
    }
  });

  it("keeps credits in reserve of an account that must not overdraw, and gives them back when Redis is quick", async () => {
    const world = await open();
    const { gateway, link, other } = world;
    const free = (eventId: string) => request({ eventId });
    link.hold();
    const waiting = gateway.admit(free("first"));
    await gateway.admit(paid("later", { accountId: "other" }));
    link.release();
    await waiting;
    const held = async () => (await other.check("account", "2026-04"))?.heldMicro.sum;
    await expect.poll(held).toBe(9n * credit);
    link.hold();
    for (let turn = 0; turn < 8; turn += 1) {
      expect(await gateway.admit(free(`ahead-${turn}`))).toMatchObject({ admitted: true });
    }
    const ninth = gateway.admit(free("ninth"));
    await gateway.admit(paid("later", { accountId: "another" }));
    expect(await Promise.race([ninth, Promise.resolve("nobody")])).toBe("nobody");
    link.release();
    await ninth;
    await untilUp(gateway);
    await expect.poll(held).toBe(10n * credit);
    expect(await ledgerOf(world)).toEqual(sums(0n, 10n));
  });

  it("has a reserve of a busy account that has plenty before it is slow, so that nobody waits", async () => {
    const world = await open();
    const { gateway, link, clock, other } = world;
    const plenty = (eventId: string) => request({ eventId, totalMicro: 2_000n * credit });
    const held = async () => (await other.check("account", "2026-04"))?.heldMicro.sum;
    for (const eventId of ["a", "b"]) await gateway.admit(plenty(eventId));
    await expect.poll(held).toBe(34n * credit);
    link.hold();
    for (let turn = 0; turn < 32; turn += 1) {
      expect(await gateway.admit(plenty(`ahead-${turn}`))).toMatchObject({ admitted: true });
    }
    link.release();
    await untilUp(gateway);
    await expect.poll(held).toBe(34n * credit);
    await gateway.admit(plenty("c"));
    await gateway.admit(plenty("d"));
    await expect.poll(held).toBe(68n * credit);
    clock.advance(9_999);
    await gateway.tick();
    expect(await held()).toBe(68n * credit);
    clock.advance(1);
    await gateway.tick();
    await expect.poll(held).toBe(36n * credit);
  });

  it("has a larger one of an account that is busier", async () => {
    const { gateway, clock, other } = await open();
    const enough = { totalMicro: 100_000n * credit };
    const reserved = async () => {
      const micro = (await other.check("account", "2026-04"))?.heldMicro.sum ?? 0n;
      return micro / credit - admitted;
    };
    let admitted = 0n;
    const admit = async (requests: number) => {
      for (let turn = 0; turn < requests; turn += 1) {
        await gateway.admit(request({ eventId: `${admitted}`, ...enough }));
        admitted += 1n;
      }
    };
    await admit(31);
    await expect.poll(reserved).toBe(32n);
    await admit(1);
    await expect.poll(reserved).toBe(64n);
    await admit(40);
    await expect.poll(reserved).toBe(128n);
    clock.advance(1_000);
    await admit(1);
    expect(await reserved()).toBe(128n);
  });

  it("gives a reserve back before it refuses a request, when it stops, and with its lease", async () => {
    const { gateway, clock, other } = await open();
    const of = (eventId: string, credits: bigint) =>
      request({ eventId, totalMicro: credits * credit });
    const held = async () => (await other.check("account", "2026-04"))?.heldMicro.sum;
    for (const eventId of ["a", "b"]) await gateway.admit(of(eventId, 2_000n));
    await expect.poll(held).toBe(34n * credit);
    // Of a smaller plan now: it all goes to requests.
    expect(await gateway.admit(of("c", 3n))).toMatchObject({ admitted: true });
    expect(await held()).toBe(3n * credit);
    expect(await gateway.admit(of("d", 3n))).toMatchObject({ reason: "credits" });
    clock.advance(10_000);
    await gateway.tick();
    for (const eventId of ["e", "f"]) await gateway.admit(of(eventId, 2_000n));
    await expect.poll(held).toBe(37n * credit);
    await gateway.close();
    await expect.poll(held).toBe(5n * credit);
    for (const eventId of ["g", "h"]) await gateway.admit(of(eventId, 2_000n));
    await expect.poll(held).toBe(39n * credit);
    clock.advance(30_001);
    const swept = await other.sweep();
    expect(swept.map(({ eventId }) => eventId).toSorted()).toEqual([..."abcefgh"]);
    expect(await held()).toBe(0n);
  });

  it("never spends more than was granted of an account that must not overdraw", async () => {
    const world = await open();
    const { gateway, link, other } = world;
    const last = (eventId: string) => request({ eventId, totalMicro: 10n * credit });
    link.hold();
    const waiting = gateway.admit(last("first"));
    await gateway.admit(paid("later", { accountId: "other" }));
    link.release();
    await waiting;
    const held = async () => (await other.check("account", "2026-04"))?.heldMicro.sum;
    await expect.poll(held).toBe(2n * credit + credit / 8n);
    const admitted = [];
    for (let turn = 0; turn < 10; turn += 1) admitted.push(await other.admit(last(`o${turn}`)));
    expect(admitted.filter((one) => one.admitted)).toHaveLength(7);
    expect(admitted.at(-1)).toMatchObject({ reason: "credits-held" });
    link.hold();
    expect(await gateway.admit(last("ahead"))).toMatchObject({ admitted: true });
    link.release();
    await untilUp(gateway);
    await expect.poll(held).toBe(9n * credit);
    expect(await other.admit(last("tenth"))).toMatchObject({ admitted: true });
    expect(await other.admit(last("eleventh"))).toMatchObject({ reason: "credits" });
  });

  it.each(["before its answer", "after it"])(
    "counts a request that ended %s once, however fast the consumers are",
    async (when) => {
      const world = await open();
      const { gateway, link, other } = world;
      await gateway.admit(paid("first"));
      link.hold();
      for (const eventId of ["a", "b", "c"]) await gateway.admit(paid(eventId));
      const end = async () => {
        await gateway.settle("a", usedOne);
        await gateway.settle("b", usedOne);
        await gateway.release("c", free);
      };
      if (when === "before its answer") {
        await end();
        await other.confirm(confirmed(1n, ["a"]));
        link.release();
      } else {
        link.release();
        await end();
        await other.confirm(confirmed(1n, ["a"]));
      }
      expect(await ledgerOf(world)).toEqual(sums(2n, 1n));
      await other.confirm({ ...confirmed(2n, ["b"]), version: { epoch: 0, offset: 2 } });
      expect(await ledgerOf(world)).toEqual(sums(2n, 1n));
      // What has settled here was not of the overdraft.
      link.hold();
      for (const eventId of ["d", "e", "f", "g"]) {
        expect(await gateway.admit(paid(eventId))).toMatchObject({ admitted: true });
      }
      link.release();
    },
  );

  it("charges what Redis refuses too late, spends its part of the overdraft on it, and waits for that account's answers", async () => {
    const world = await open();
    const { gateway, link, clock } = world;
    const last = { totalMicro: 2n * credit };
    await gateway.admit(paid("first", last));
    link.hold();
    for (const eventId of ["a", "b", "c"]) await gateway.admit(paid(eventId, last));
    await gateway.settle("c", usedOne);
    link.release();
    expect(await ledgerOf(world)).toEqual(sums(1n, 3n));
    link.hold();
    const next = gateway.admit(paid("next", last));
    await gateway.admit(paid("later", { accountId: "other" }));
    link.release();
    expect(await next).toMatchObject({ admitted: false, reason: "credits" });
    for (const eventId of ["a", "b"]) await gateway.settle(eventId, usedOne);
    expect(await ledgerOf(world)).toEqual(sums(3n, 1n));
    // Two credits too many were spent: two of its four are left.
    clock.advance(10_001);
    link.hold();
    const admitted = [];
    for (const eventId of ["d", "e"]) admitted.push(await gateway.admit(paid(eventId)));
    const beyond = gateway.admit(paid("f"));
    await gateway.admit(paid("later", { accountId: "another" }));
    expect(await Promise.race([beyond, Promise.resolve("nobody")])).toBe("nobody");
    link.release();
    expect(admitted).toMatchObject([{ admitted: true }, { admitted: true }]);
  });

  it("has what was admitted ahead in the shared windows, whether Redis admits it too or not", async () => {
    const { gateway, link, other } = await open();
    const limits = { ...wideLimits, requestsPerMinute: 3 };
    await gateway.admit(paid("first", { limits }));
    link.hold();
    for (const eventId of ["a", "b", "c"]) await gateway.admit(paid(eventId, { limits }));
    await gateway.settle("a", usedOne);
    link.release();
    await gateway.usage("account", rich);
    await gateway.settle("c", usedOne);
    const rate = await other.rate({ accountId: "account", keyId: "key", limits: wideLimits });
    const used = (window: keyof typeof rate) => rate[window].limit - rate[window].remaining;
    expect([used("requests-minute"), used("requests-day")]).toEqual([4, 4]);
    expect(used("tokens-minute")).toBe(100 + 40 + 100 + 40);
  });

  it("counts a request in the month in which the gateway admitted it", async () => {
    const world = await open(Date.UTC(2026, 3, 30, 23, 59, 59, 900));
    const { gateway, link, clock } = world;
    await gateway.admit(paid("first"));
    link.hold();
    for (const eventId of ["a", "b"]) await gateway.admit(paid(eventId));
    await gateway.settle("b", usedOne);
    clock.advance(200);
    link.release();
    expect(await ledgerOf(world)).toEqual(sums(1n, 2n));
    expect(await ledgerOf(world, "2026-05")).toEqual(sums(0n, 0n));
  });

  it("says so, and waits for it again when it is quick", async () => {
    const { gateway, link } = await open();
    link.hold();
    await gateway.admit(paid("a"));
    link.release();
    await gateway.tick();
    expect(gateway.status().state).toBe("slow");
    await untilUp(gateway);
  });

  it("finds it out by its own sign of life", async () => {
    const { gateway, link } = await open();
    link.hold();
    const tick = gateway.tick();
    await expect.poll(() => gateway.status().state).toBe("slow");
    link.release();
    await tick;
  });
});
