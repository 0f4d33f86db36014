import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MemoryCounters } from "../../src/admission/memory.ts";
import { ManualClock } from "./manual-clock.ts";
import { CreditModel, toSums } from "./model.ts";
import { atOnce, emptyBase, request } from "./requests.ts";

const ids = Array.from({ length: 12 }, (_, number) => `e${number}`);
const operation = fc.record({
  name: fc.constantFrom("admit", "admit", "settle", "release", "renew", "sweep", "confirm", "wait"),
  id: fc.constantFrom(...ids),
  others: fc.subarray(ids, { maxLength: 3 }),
  amount: fc.bigInt({ min: 0n, max: 6n }),
  part: fc.integer({ min: 0, max: 3 }),
  number: fc.integer({ min: 0, max: 40 }),
});
type Operation = typeof operation extends fc.Arbitrary<infer Value> ? Value : never;

const totalMicro = 20n;

/** Does one operation on both; gives what each answers. */
function apply(
  one: Operation,
  counters: MemoryCounters,
  model: CreditModel,
  clock: ManualClock,
): unknown[] {
  const { id, amount } = one;
  const nowMs = clock.monotonicMs();
  const end = { accountId: "account", tokens: 5 };
  switch (one.name) {
    case "admit": {
      // An id is admitted once in its life.
      if (model.items.has(id)) return [0, 0];
      const lowestMicro = (amount * BigInt(one.part)) / 3n;
      const made = { eventId: id, totalMicro, holdMicro: amount, lowestMicro };
      const admission = atOnce(counters.admit(request(made)));
      const outcome = admission.admitted ? "admitted" : admission.reason;
      return [outcome, model.admit(id, nowMs, totalMicro, amount, lowestMicro)];
    }
    case "settle": {
      const settlement = { ...end, tier: "premium", creditsMicro: amount } as const;
      return [counters.settle(id, settlement), model.settle(id, amount)];
    }
    case "release":
      return [counters.release(id, end), model.release(id)];
    case "renew":
      return [counters.renew([{ eventId: id, accountId: "account" }]), model.renew(id, nowMs)];
    case "sweep": {
      const swept = counters.sweep();
      return [swept.map(({ eventId }) => eventId).toSorted(), model.sweep(nowMs)];
    }
    case "confirm":
      counters.confirm(toSums(amount, one.others, one.number));
      return [0, model.confirm(amount, one.others, one.number) ?? 0];
    default:
      clock.advance(one.number * 1_000);
      return [0, 0];
  }
}

describe("10,000 random sequences of operations", () => {
  it("give the same answers and the same usage as the plain model", () => {
    fc.assert(
      fc.property(fc.array(operation, { minLength: 5, maxLength: 40 }), (operations) => {
        const clock = new ManualClock(Date.UTC(2026, 3, 2));
        const counters = new MemoryCounters({ clock, loadBase: () => emptyBase });
        const model = new CreditModel();
        atOnce(counters.usage("account", totalMicro));
        const seen = [];
        const expected = [];
        for (const one of operations) {
          const [answer, modelAnswer] = apply(one, counters, model, clock);
          const { usedMicro, usedByTierMicro, heldMicro } = atOnce(
            counters.usage("account", totalMicro),
          );
          seen.push(`${one.name}: ${answer} ${usedMicro} ${usedByTierMicro.premium} ${heldMicro}`);
          const used = model.used();
          expected.push(`${one.name}: ${modelAnswer} ${used} ${used} ${model.sum("held")}`);
        }
        if (seen.join("\n") !== expected.join("\n")) expect(seen).toEqual(expected);
      }),
      { numRuns: 10_000, seed: 5 },
    );
  });
});
