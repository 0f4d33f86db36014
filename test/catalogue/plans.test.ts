/** What each plan grants. */

import { expect, it } from "vitest";
import { plans } from "../../src/catalogue/plans.ts";

const microPerCredit = 1_000_000n;

it.each([
  ["free", 500n, 10, 200, 40_000],
  ["starter", 10_000n, 60, 5_000, 200_000],
  ["pro", 100_000n, 300, 50_000, 1_000_000],
  ["business", 1_000_000n, 1_000, 200_000, 5_000_000],
])("%s grants %s credits a month and the limits of the public API's table", (...row) => {
  const [name, credits, requestsPerMinute, requestsPerDay, tokensPerMinute] = row;
  expect(plans.find((plan) => plan.name === name)).toEqual({
    name,
    creditsPerMonthMicro: credits * microPerCredit,
    requestsPerMinute,
    requestsPerDay,
    tokensPerMinute,
  });
});

it("enterprise has the limits of business and no grant of its own", () => {
  const business = plans.find((plan) => plan.name === "business");
  const enterprise = plans.find((plan) => plan.name === "enterprise");
  expect(enterprise).toEqual({
    name: "enterprise",
    requestsPerMinute: business?.requestsPerMinute,
    requestsPerDay: business?.requestsPerDay,
    tokensPerMinute: business?.tokensPerMinute,
  });
});

it("there are five plans, smallest first", () => {
  const names = ["free", "starter", "pro", "business", "enterprise"];
  expect(plans.map((plan) => plan.name)).toEqual(names);
});
