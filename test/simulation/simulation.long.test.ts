import { describe, expect, it } from "vitest";
import { simulate } from "./simulate.ts";

/** Other seeds in every run: the first of them is in the name of a failure. */
const firstSeed = 1_000_000 + (Math.floor(Date.now() / 1_000) % 1_000_000_000);
const seedCount = 100_000;

describe("the simulation", () => {
  it(`holds every invariant in ${seedCount} seeds from ${firstSeed} on`, async () => {
    for (let seed = firstSeed; seed < firstSeed + seedCount; seed += 1) {
      expect((await simulate(seed)).violation, `seed ${seed}`).toBeUndefined();
    }
  }, 7_200_000);
});
