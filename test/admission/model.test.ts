import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MemoryCounters } from "../../src/admission/memory.ts";
import { debianTool } from "../setup/debian-tool.ts";
import { describeWith } from "../setup/describe-with.ts";
import { redisOfTest } from "../setup/redis.ts";
import { ManualClock } from "./manual-clock.ts";
import { runSequence, sequences } from "./model-run.ts";
import { openReplica } from "./redis-replica.ts";
import { emptyBase } from "./requests.ts";

const startMs = Date.UTC(2026, 3, 2);

describe("10,000 random sequences of operations in memory", () => {
  it("give the same answers and the same usage as the plain model", async () => {
    await fc.assert(
      fc.asyncProperty(sequences, async (operations) => {
        const clock = new ManualClock(startMs);
        const counters = new MemoryCounters({ clock, loadBase: () => emptyBase });
        const { seen, expected } = await runSequence(operations, counters, clock);
        if (seen.join("\n") !== expected.join("\n")) expect(seen).toEqual(expected);
      }),
      { numRuns: 10_000, seed: 5 },
    );
  });
});

await describeWith(
  "200 random sequences in Redis",
  () => debianTool("redis-server"),
  () => {
    it("give the same answers and the same usage as the plain model", async () => {
      const server = await redisOfTest();
      const clock = new ManualClock(startMs);
      await fc.assert(
        fc.asyncProperty(sequences, async (operations) => {
          clock.jump(startMs - clock.wallMs());
          const counters = await openReplica(server.url, { clock });
          const { seen, expected } = await runSequence(operations, counters, clock);
          if (seen.join("\n") !== expected.join("\n")) expect(seen).toEqual(expected);
        }),
        { numRuns: 200, seed: 5 },
      );
    }, 60_000);
  },
);
