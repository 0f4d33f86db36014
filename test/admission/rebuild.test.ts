import fc from "fast-check";
import { expect, it, onTestFinished } from "vitest";
import { connectRedis } from "../../src/admission/redis.ts";
import { debianTool } from "../setup/debian-tool.ts";
import { describeWith } from "../setup/describe-with.ts";
import { redisOfTest } from "../setup/redis.ts";
import { type Happening, ledgers, RebuildWorld } from "./rebuild-world.ts";

const happening = fc.record<Happening>({
  name: fc.constantFrom(
    ...(["admit", "admit", "admit", "settle", "settle", "insert", "confirm"] as const),
    ...(["tick", "tick", "fail", "mend", "slow", "slow", "lose"] as const),
  ),
  gateway: fc.nat(1),
  dice: fc.nat(1_000_000),
});

await describeWith(
  "two gateways whose Redis is slow, loses commands, answers and everything it knew, in 150 random histories",
  () => debianTool("redis-server"),
  () => {
    it("never let an account or a budget seem richer once they trust it again, and count each charge once in the end", async () => {
      const server = await redisOfTest();
      const connection = connectRedis({ url: server.url, commandTimeoutMs: 10_000 });
      onTestFinished(() => connection.close());
      await connection.ready();
      const seen = { trusted: 0, charged: 0n };
      await fc.assert(
        fc.asyncProperty(fc.array(happening, { minLength: 20, maxLength: 80 }), async (history) => {
          const world = new RebuildWorld(connection, () => server.wipe());
          for (const one of history) {
            await world.happen(one);
            if (!world.trusted) continue;
            for (const ledger of ledgers) {
              const { usedMicro = 0n, chargedMicro = 0n } = (await world.usage(ledger)) ?? {};
              expect(usedMicro, ledger).toBeGreaterThanOrEqual(chargedMicro);
            }
            seen.trusted += 1;
          }
          for (const { usedMicro, heldMicro, chargedMicro } of await world.calmDown()) {
            expect({ usedMicro, heldMicro }).toEqual({ usedMicro: chargedMicro, heldMicro: 0n });
            seen.charged += chargedMicro;
          }
        }),
        { numRuns: 150, seed: 7 },
      );
      expect(seen.trusted).toBeGreaterThan(150);
      expect(seen.charged).toBeGreaterThan(0n);
    }, 120_000);
  },
);
