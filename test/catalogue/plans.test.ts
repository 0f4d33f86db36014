/** What each plan grants. */

import { expect, it } from "vitest";
import { createPlans } from "../../src/catalogue/plans.ts";

const microPerCredit = 1_000_000n;
const plans = createPlans();

it.each([
  ["free", 500n, 10, 200, 40_000],
  ["starter", 10_000n, 60, 5_000, 200_000],
  ["pro", 100_000n, 300, 50_000, 1_000_000],
  ["business", 1_000_000n, 1_000, 200_000, 5_000_000],
])("%s grants %s credits a month and the limits of the public API's table", (...row) => {
  const [name, credits, requestsPerMinute, requestsPerDay, tokensPerMinute] = row;
  expect(plans.byName(name)).toEqual({
    name,
    creditsPerMonthMicro: credits * microPerCredit,
    requestsPerMinute,
    requestsPerDay,
    tokensPerMinute,
  });
});

it("enterprise has the limits of business and no grant of its own", () => {
  const business = plans.byName("business");
  const enterprise = plans.byName("enterprise");
  expect(enterprise).toEqual({
    name: "enterprise",
    requestsPerMinute: business?.requestsPerMinute,
    requestsPerDay: business?.requestsPerDay,
    tokensPerMinute: business?.tokensPerMinute,
  });
});

it("there are five plans, smallest first", () => {
  const names = ["free", "starter", "pro", "business", "enterprise"];
  expect(plans.all.map((plan) => plan.name)).toEqual(names);
});

it("an override replaces the fields that it gives, and the others stay", () => {
  const overridden = createPlans([{ name: "pro", requestsPerMinute: 5 }]);
  expect(overridden.byName("pro")).toEqual({ ...plans.byName("pro"), requestsPerMinute: 5 });
  expect(overridden.all.map(({ name }) => name)).toEqual(plans.all.map(({ name }) => name));
});

it("a new plan comes last, and grants nothing unless it says so", () => {
  const trial = { name: "trial", requestsPerMinute: 1, requestsPerDay: 2, tokensPerMinute: 3 };
  const extended = createPlans([trial, { name: "trial", requestsPerDay: 4 }]);
  expect(extended.all.at(-1)).toEqual({ ...trial, requestsPerDay: 4 });
  expect(extended.byName("trial")?.creditsPerMonthMicro).toBeUndefined();
});

it("a new plan without its limits fails, and an unknown name is undefined", () => {
  expect(() => createPlans([{ name: "trial", requestsPerMinute: 1 }])).toThrow("needs its limits");
  expect(plans.byName("trial")).toBeUndefined();
});
