import { describe, expect, it } from "vitest";
import { simulate } from "./simulate.ts";

/** Seeds of a normal run; the long one takes others. */
const seedCount = 2_000;

describe("the simulation", () => {
  it(`holds every invariant in ${seedCount} seeds of crashes, lost writes, delays and jumps`, async () => {
    let admitted = 0;
    for (let seed = 1; seed <= seedCount; seed += 1) {
      const outcome = await simulate(seed);
      admitted += outcome.admitted;
      expect(outcome.violation, `seed ${seed}`).toBeUndefined();
    }
    // A world in which nothing happens breaks nothing.
    expect(admitted).toBeGreaterThan(seedCount * 20);
  }, 240_000);

  it("is the same run for the same seed, and another one for another", async () => {
    const hashes = new Set<string>();
    for (let seed = 1; seed <= 20; seed += 1) {
      const { hash } = await simulate(seed);
      expect((await simulate(seed)).hash).toBe(hash);
      hashes.add(hash);
    }
    expect(hashes.size).toBe(20);
  });
});
