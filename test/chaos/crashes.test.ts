import { describe, expect, it } from "vitest";
import { killRepeatedly } from "./crashes.ts";

const seed = Date.now() % 1_000_000;

describe("under load, each whole answer has exactly one effective event", () => {
  it.each(["gateway", "consumer"] as const)(
    `when the %s is killed with -9 twenty times (seed ${seed})`,
    async (victim) => {
      const verdict = await killRepeatedly(victim, 20, seed);
      console.log(`figure  kill -9 of the ${victim}  ${JSON.stringify(verdict)}`);
      expect(verdict).toMatchObject({ lost: 0, doubled: 0, kills: 20 });
    },
    600_000,
  );
});
