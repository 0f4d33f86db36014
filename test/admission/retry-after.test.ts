import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Admission, AdmitRequest } from "../../src/admission/counters.ts";
import { MemoryCounters } from "../../src/admission/memory.ts";
import { ManualClock } from "./manual-clock.ts";
import { atOnce, emptyBase, request } from "./requests.ts";

const pauses = fc.array(
  fc.record({
    pauseMs: fc.integer({ min: 0, max: 20_000 }),
    tokens: fc.integer({ min: 0, max: 4_000 }),
    used: fc.option(fc.integer({ min: 0, max: 5_000 })),
  }),
  { minLength: 1, maxLength: 60 },
);
const limits = fc.record({
  requestsPerMinute: fc.oneof(
    fc.integer({ min: 1, max: 12 }),
    fc.integer({ min: 1_001, max: 1_010 }),
  ),
  requestsPerDay: fc.integer({ min: 5, max: 80 }),
  tokensPerMinute: fc.integer({ min: 4_000, max: 20_000 }),
});

/** Counters on which some traffic has been; `admit` sends one request more. */
function afterTraffic(
  traffic: { pauseMs: number; tokens: number; used: number | null }[],
  given: AdmitRequest["limits"],
) {
  const clock = new ManualClock();
  const counters = new MemoryCounters({ clock, loadBase: () => emptyBase });
  let count = 0;
  const admit = (tokens: number): Admission => {
    count += 1;
    const made = request({ eventId: `e${count}`, limits: given, tokens, holdMicro: 0n });
    return atOnce(counters.admit(made));
  };
  for (const { pauseMs, tokens, used } of traffic) {
    clock.advance(pauseMs);
    admit(tokens);
    if (used !== null) counters.release(`e${count}`, { accountId: "account", tokens: used });
  }
  return { clock, admit };
}

describe("Retry-After", () => {
  it("is enough for a lone client, and a second less is not", () => {
    let refusals = 0;
    fc.assert(
      fc.property(
        pauses,
        limits,
        fc.integer({ min: 0, max: 4_000 }),
        fc.boolean(),
        (traffic, given, tokens, early) => {
          const { clock, admit } = afterTraffic(traffic, given);
          const refused = admit(tokens);
          if (refused.admitted) return;
          refusals += 1;
          const waitMs = refused.retryAfterMs ?? Number.NaN;
          expect(waitMs).toBeGreaterThan(0);
          if (early && waitMs <= 1_000) return;
          clock.advance(early ? waitMs - 1_000 : waitMs);
          expect(admit(tokens).admitted).toBe(!early);
        },
      ),
      { numRuns: 2_000, seed: 4 },
    );
    expect(refusals).toBeGreaterThan(300);
  });
});
