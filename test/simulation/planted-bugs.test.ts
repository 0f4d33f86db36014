import { describe, expect, it } from "vitest";
import { bugNames } from "./bugs.ts";
import { simulate } from "./simulate.ts";

describe("the simulation finds within 500 seeds that", () => {
  it.each(bugNames)("%s", async (bug) => {
    let violation: string | undefined;
    for (let seed = 1; seed <= 500 && violation === undefined; seed += 1) {
      violation = (await simulate(seed, bug)).violation;
    }
    expect(violation).toBeDefined();
  });
});
