import { expect, it } from "vitest";
import { FleetCounters } from "../../src/admission/fleet-counters.ts";
import { MemoryCounters } from "../../src/admission/memory.ts";
import type { ReadBase } from "../../src/admission/recovery.ts";
import { debianTool } from "../setup/debian-tool.ts";
import { describeWith } from "../setup/describe-with.ts";
import { type RedisServer, redisOfTest } from "../setup/redis.ts";
import { ManualClock } from "./manual-clock.ts";
import { connectReplica } from "./redis-replica.ts";
import { credit, emptyBase, request, wideLimits } from "./requests.ts";

const rich = 1_000n * credit;
const usedOne = { accountId: "account", tier: "mid", creditsMicro: credit, tokens: 100 } as const;
const readNothing: ReadBase = async () => ({ ...emptyBase, includedIds: [] });

type Options = { keyPrefix?: string; readBase?: ReadBase; clock?: ManualClock };

async function openGateway(server: RedisServer, options: Options = {}) {
  const { clock = new ManualClock(), readBase = readNothing, keyPrefix = "test" } = options;
  const shared = await connectReplica(server.url, { clock, keyPrefix, commandTimeoutMs: 1_000 });
  const local = new MemoryCounters({ clock, loadBase: () => emptyBase });
  const gateway = new FleetCounters({ shared, local, readBase, clock });
  await gateway.tick();
  return { gateway, clock };
}

/** Ticks until the gateway trusts the server again; a try takes as long as the server needs to answer. */
async function untilUp(gateway: FleetCounters): Promise<void> {
  const deadline = performance.now() + 15_000;
  // The first tick finds out that the server is gone or another.
  await gateway.tick();
  while (gateway.status().state !== "up") {
    if (performance.now() > deadline) throw new Error("the counters did not come back");
    await gateway.tick();
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

const paid = (eventId: string) => request({ eventId, overdraftMicro: 4n * credit });
const refused = { code: "service_unavailable", retryAfterMs: 2_000 };

await describeWith(
  "a gateway whose Redis",
  () => debianTool("redis-server"),
  () => {
    it("is there uses it, and says how long the last answer took", async () => {
      const { gateway } = await openGateway(await redisOfTest());
      expect(await gateway.admit(request({ eventId: "a" }))).toMatchObject({ admitted: true });
      expect(gateway.status()).toMatchObject({ state: "up", replicas: 1 });
      expect(gateway.status().lastRoundTripMs).toBeGreaterThan(0);
    });

    it.each(["killed", "frozen"] as const)(
      "is %s refuses accounts without overdraft, and spends no more than the overdraft of others",
      async (how) => {
        const server = await redisOfTest();
        const { gateway } = await openGateway(server);
        if (how === "killed") await server.kill();
        else server.pause();
        await expect(gateway.admit(request({ eventId: "free" }))).rejects.toMatchObject(refused);
        expect(gateway.status().state).toBe("down");
        for (const eventId of ["a", "b", "c", "d"]) {
          expect(await gateway.admit(paid(eventId))).toMatchObject({ admitted: true });
          expect(await gateway.settle(eventId, usedOne)).toBe("settled");
        }
        await expect(gateway.admit(paid("e"))).rejects.toMatchObject(refused);
        await expect(gateway.usage("account", rich)).rejects.toMatchObject(refused);
      },
    );

    it("is down admits what costs nothing, up to its share of the limit", async () => {
      const server = await redisOfTest();
      const [one, two] = [await openGateway(server), await openGateway(server)];
      await one.gateway.tick();
      expect(one.gateway.status().replicas).toBe(2);
      await server.kill();
      const limits = { ...wideLimits, requestsPerMinute: 6 };
      const counts = [];
      for (const { gateway } of [one, two]) {
        let admitted = 0;
        for (let at = 0; at < 6; at += 1) {
          const free = { holdMicro: 0n, lowestMicro: 0n, limits };
          const admission = await gateway.admit(request({ eventId: `e${at}`, ...free }));
          if (admission.admitted) admitted += 1;
        }
        counts.push(admitted);
      }
      expect(counts).toEqual([3, 3]);
    });

    it("was frozen gets what was admitted, settled and released meanwhile", async () => {
      const server = await redisOfTest();
      const { gateway } = await openGateway(server);
      for (const eventId of ["before", "held", "free"]) await gateway.admit(paid(eventId));
      server.pause();
      await gateway.settle("before", usedOne);
      await gateway.release("free", { accountId: "account", tokens: 0 });
      for (const eventId of ["local", "open"]) await gateway.admit(paid(eventId));
      await gateway.settle("local", usedOne);
      server.resume();
      await untilUp(gateway);
      expect(await gateway.usage("account", rich)).toMatchObject({
        usedMicro: 2n * credit,
        heldMicro: 2n * credit,
      });
      expect(await gateway.settle("open", usedOne)).toBe("settled");
      expect((await gateway.usage("account", rich)).usedMicro).toBe(3n * credit);
    });

    it.each([
      ["in the log only", { pending: ["before", "others"], base: 0n, included: [] }],
      ["in the warehouse", { pending: [], base: 2n, included: ["before", "others"] }],
      ["in a warehouse that has lost it again", { pending: [], base: -1n, included: ["before"] }],
    ])("was frozen counts once what is %s by now, before it is confirmed", async (_, found) => {
      const server = await redisOfTest();
      const mid = (credits: bigint) => ({ ...emptyBase.baseByTierMicro, mid: credits * credit });
      const readBase: ReadBase = async () => ({
        ...emptyBase,
        baseByTierMicro: mid(3n + found.base),
        pending: found.pending.map((eventId) => ({ eventId, tier: "mid", creditsMicro: credit })),
        includedIds: found.included,
      });
      const { gateway } = await openGateway(server, { readBase });
      for (const eventId of ["before", "others"]) await gateway.admit(paid(eventId));
      const sums = { accountId: "account", periodId: "2026-04", version: { epoch: 0, offset: 1 } };
      await gateway.confirm({ ...sums, baseByTierMicro: mid(3n), includedIds: [] });
      server.pause();
      for (const eventId of ["before", "others"]) await gateway.settle(eventId, usedOne);
      server.resume();
      await untilUp(gateway);
      expect(await gateway.usage("account", rich)).toMatchObject({
        usedMicro: 5n * credit,
        heldMicro: 0n,
      });
      const later = { ...sums, version: { epoch: 0, offset: 3 } };
      const includedIds = ["before", "others"];
      await gateway.confirm({ ...later, baseByTierMicro: mid(5n), includedIds });
      expect((await gateway.usage("account", rich)).usedMicro).toBe(5n * credit);
    });

    it("lost everything is told what is open and what is settled, by every gateway, once", async () => {
      const server = await redisOfTest();
      const gateways = [await openGateway(server), await openGateway(server)];
      for (const [at, { gateway }] of gateways.entries()) {
        await gateway.admit(request({ eventId: `settled-${at}` }));
        await gateway.settle(`settled-${at}`, usedOne);
        await gateway.admit(request({ eventId: `open-${at}` }));
      }
      await server.restart();
      for (const { gateway } of gateways) await gateway.tick();
      await Promise.all(gateways.map(({ gateway }) => untilUp(gateway)));
      const usage = await gateways[0]?.gateway.usage("account", rich);
      expect(usage).toMatchObject({ usedMicro: 2n * credit, heldMicro: 2n * credit });
    });

    it("was wiped is not trusted for a single request", async () => {
      const server = await redisOfTest();
      const { gateway } = await openGateway(server);
      const last = { totalMicro: credit };
      await gateway.admit(request({ eventId: "open", ...last }));
      await server.wipe();
      await expect(gateway.admit(request({ eventId: "next", ...last }))).rejects.toMatchObject(
        refused,
      );
      await untilUp(gateway);
      expect(await gateway.admit(request({ eventId: "next", ...last }))).toMatchObject({
        reason: "credits",
      });
    });

    it("came back from its append-only file is rebuilt all the same: its last second may be missing", async () => {
      const server = await redisOfTest({ appendOnly: true });
      const { gateway } = await openGateway(server);
      await gateway.admit(request({ eventId: "a" }));
      await gateway.settle("a", usedOne);
      await server.restart();
      await untilUp(gateway);
      expect((await gateway.usage("account", rich)).usedMicro).toBe(credit);
    });

    it("lost everything does not count twice what the warehouse has counted", async () => {
      const server = await redisOfTest();
      const readBase: ReadBase = async () => ({
        ...emptyBase,
        baseByTierMicro: { ...emptyBase.baseByTierMicro, mid: credit },
        version: { epoch: 0, offset: 1 },
        includedIds: ["counted"],
      });
      const { gateway } = await openGateway(server, { readBase });
      for (const eventId of ["counted", "not-yet"]) {
        await gateway.admit(request({ eventId }));
        await gateway.settle(eventId, usedOne);
      }
      await server.restart();
      await untilUp(gateway);
      expect((await gateway.usage("account", rich)).usedMicro).toBe(2n * credit);
    });

    it("is still being rebuilt refuses, until what it lost has been read", async () => {
      const server = await redisOfTest();
      const reading = Promise.withResolvers<void>();
      const read = Promise.withResolvers<void>();
      const readBase: ReadBase = async () => {
        reading.resolve();
        await read.promise;
        return { ...emptyBase, includedIds: [] };
      };
      const { gateway } = await openGateway(server, { readBase });
      await gateway.admit(request({ eventId: "before" }));
      await server.wipe();
      const recovery = gateway.tick();
      await reading.promise;
      await expect(gateway.admit(request({ eventId: "a" }))).rejects.toMatchObject(refused);
      read.resolve();
      await recovery;
      expect(await gateway.admit(request({ eventId: "a" }))).toMatchObject({ admitted: true });
    });

    it("comes back under load is trusted again, with all that was admitted and settled meanwhile", async () => {
      const server = await redisOfTest();
      const { gateway } = await openGateway(server);
      const limits = { ...wideLimits, requestsPerMinute: 1_000_000 };
      const enough = 1_000_000n * credit;
      const many = { overdraftMicro: enough, totalMicro: enough, limits };
      await gateway.admit(request({ eventId: "before", ...many }));
      await server.restart();
      let stopped = false;
      let settled = 0;
      const client = async (name: string) => {
        for (let number = 0; !stopped; number += 1) {
          const eventId = `${name}-${number}`;
          const admission = await gateway.admit(request({ eventId, ...many }));
          if (admission.admitted && (await gateway.settle(eventId, usedOne)) !== "ignored") {
            settled += 1;
          }
          await new Promise<void>((resolve) => setImmediate(resolve));
        }
      };
      const clients = ["a", "b", "c", "d"].map(client);
      await untilUp(gateway);
      stopped = true;
      await Promise.all(clients);
      // What it holds for a busy account is not of a request.
      await gateway.close();
      const usage = () => gateway.usage("account", rich);
      const usedMicro = BigInt(settled) * credit;
      await expect.poll(usage).toMatchObject({ usedMicro, heldMicro: credit });
    });

    it("lost everything waits for the other gateways, 2 seconds at most", async () => {
      const server = await redisOfTest();
      const clock = new ManualClock();
      const { gateway } = await openGateway(server, { clock });
      await openGateway(server, { clock });
      await gateway.tick();
      await server.wipe();
      await gateway.tick();
      await gateway.tick();
      expect(gateway.status()).toMatchObject({ state: "rebuilding", replicas: 2 });
      await expect(gateway.admit(request({ eventId: "a" }))).rejects.toMatchObject(refused);
      clock.advance(2_000);
      await gateway.tick();
      expect(gateway.status().state).toBe("up");
    });

    it("lost everything reads a base anew that another confirmation has overtaken", async () => {
      const server = await redisOfTest();
      let reads = 0;
      const readBase: ReadBase = async () => {
        reads += 1;
        if (reads === 1) {
          await consumer.confirm({ ...sums, includedIds: ["a"] });
          return { ...emptyBase, includedIds: [] };
        }
        return { ...emptyBase, ...sums, includedIds: ["a"] };
      };
      const sums = {
        accountId: "account",
        periodId: "2026-04",
        baseByTierMicro: { ...emptyBase.baseByTierMicro, mid: credit },
        version: { epoch: 0, offset: 5 },
      };
      const one = await openGateway(server, { readBase, keyPrefix: "one" });
      await one.gateway.admit(request({ eventId: "a" }));
      await one.gateway.settle("a", usedOne);
      await server.wipe();
      const consumer = await connectReplica(server.url, {
        clock: one.clock,
        keyPrefix: "one",
        isConsumer: true,
      });
      await consumer.open((await consumer.beat(false)).generation);
      await untilUp(one.gateway);
      expect(reads).toBe(2);
      expect((await one.gateway.usage("account", rich)).usedMicro).toBe(credit);
    });
  },
);
