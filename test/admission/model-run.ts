/** Random sequences of operations, done on counters and on the plain model. */
import fc from "fast-check";
import type { Counters } from "../../src/admission/counters.ts";
import type { ManualClock } from "./manual-clock.ts";
import { CreditModel, toSums } from "./model.ts";
import { request } from "./requests.ts";

const ids = Array.from({ length: 12 }, (_, number) => `e${number}`);
const operation = fc.record({
  name: fc.constantFrom("admit", "admit", "settle", "release", "renew", "sweep", "confirm", "wait"),
  id: fc.constantFrom(...ids),
  others: fc.subarray(ids, { maxLength: 3 }),
  amount: fc.bigInt({ min: 0n, max: 6n }),
  part: fc.integer({ min: 0, max: 3 }),
  number: fc.integer({ min: 0, max: 40 }),
  budgets: fc.subarray([
    { id: "key:one", limitMicro: 14n },
    { id: "tag:two", limitMicro: 9n },
  ]),
  ledger: fc.constantFrom(undefined, undefined, "key:one", "tag:two"),
});
type Operation = typeof operation extends fc.Arbitrary<infer Value> ? Value : never;

/** Sequences long enough for every end of a request. */
export const sequences = fc.array(operation, { minLength: 5, maxLength: 40 });

const totalMicro = 20n;

/** Does one operation on both; gives what each answers. */
async function apply(
  one: Operation,
  counters: Counters,
  model: CreditModel,
  clock: ManualClock,
): Promise<unknown[]> {
  const { id, amount } = one;
  const nowMs = clock.monotonicMs();
  const end = { accountId: "account", tokens: 5 };
  switch (one.name) {
    case "admit": {
      // An id is admitted once in its life.
      if (model.knows(id)) return [0, 0];
      const lowestMicro = (amount * BigInt(one.part)) / 3n;
      const asked = { totalMicro, holdMicro: amount, lowestMicro, budgets: one.budgets };
      const admission = await counters.admit(request({ eventId: id, ...asked }));
      const { budgets } = model;
      const expected = model.admit(id, nowMs, asked);
      if (!admission.admitted) {
        return [`${admission.reason} ${admission.budget ?? ""}`, expected];
      }
      const used = one.budgets.map((budget) => budgets.get(budget.id)?.used());
      return [`admitted ${admission.budgetsUsedMicro ?? ""}`, `${expected} ${used}`];
    }
    case "settle": {
      const settlement = { ...end, tier: "premium", creditsMicro: amount } as const;
      return [await counters.settle(id, settlement), model.settle(id, amount)];
    }
    case "release":
      return [await counters.release(id, end), model.release(id)];
    case "renew":
      return [
        await counters.renew([{ eventId: id, accountId: "account" }]),
        model.account.renew(id, nowMs),
      ];
    case "sweep": {
      const swept = await counters.sweep();
      return [swept.map(({ eventId }) => eventId).toSorted(), model.sweep(nowMs)];
    }
    case "confirm":
      await counters.confirm(toSums(amount, one.others, one.number, one.ledger));
      return [0, model.confirm(one.ledger, amount, one.others, one.number) ?? 0];
    default:
      clock.advance(one.number * 1_000);
      return [0, 0];
  }
}

/** Does a sequence on both; gives what each answers, a line an operation. */
export async function runSequence(
  operations: readonly Operation[],
  counters: Counters,
  clock: ManualClock,
): Promise<{ seen: string[]; expected: string[] }> {
  const model = new CreditModel(["key:one", "tag:two"]);
  const ledgers = [
    { id: undefined, ledger: model.account },
    ...[...model.budgets].map(([id, ledger]) => ({ id, ledger })),
  ];
  for (const { id } of ledgers) await counters.usage("account", totalMicro, id);
  const seen = [];
  const expected = [];
  for (const one of operations) {
    const [answer, modelAnswer] = await apply(one, counters, model, clock);
    seen.push(`${one.name}: ${answer}`);
    expected.push(`${one.name}: ${modelAnswer}`);
    for (const { id, ledger } of ledgers) {
      const usage = await counters.usage("account", totalMicro, id);
      const { usedMicro, usedByTierMicro, heldMicro } = usage;
      seen.push(`${id}: ${usedMicro} ${usedByTierMicro.premium} ${heldMicro}`);
      const used = ledger.used();
      expected.push(`${id}: ${used} ${used} ${ledger.sum("held")}`);
    }
  }
  return { seen, expected };
}
