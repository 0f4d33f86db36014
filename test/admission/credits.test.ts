import { describe, expect, it } from "vitest";
import { MemoryCounters } from "../../src/admission/memory.ts";
import { ManualClock } from "./manual-clock.ts";
import { byTier, credit, emptyBase, request } from "./requests.ts";

describe("1,000 concurrent requests with one credit left", () => {
  it("in 50 rounds admit exactly one each, and no reading is ever below 0", async () => {
    for (let round = 0; round < 50; round += 1) {
      const base = { ...emptyBase, baseByTierMicro: byTier({ mid: 9n * credit }) };
      const loadBase = () => Promise.resolve(base);
      const counters = new MemoryCounters({ clock: new ManualClock(), loadBase });
      const totalMicro = 10n * credit;
      let admitted = 0;
      const one = async (eventId: string): Promise<void> => {
        const admission = await counters.admit(request({ eventId, totalMicro }));
        if (!admission.admitted) {
          expect(admission.reason).toBe("credits");
          return;
        }
        admitted += 1;
        const settlement = { tier: "ultra", creditsMicro: credit, tokens: 10 } as const;
        await counters.settle(eventId, { accountId: "account", ...settlement });
        const { usedMicro, heldMicro, remainingMicro } = await counters.usage(
          "account",
          totalMicro,
        );
        expect(usedMicro + remainingMicro).toBe(totalMicro);
        expect(usedMicro + heldMicro).toBeLessThanOrEqual(totalMicro);
      };
      await Promise.all(Array.from({ length: 1_000 }, (_, number) => one(`e${number}`)));
      expect(admitted).toBe(1);
    }
  });
});
