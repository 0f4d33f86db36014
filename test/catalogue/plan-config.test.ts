/** How the configuration file says which plans there are. */
import { expect, it } from "vitest";
import { toPlanOverrides } from "../../src/catalogue/plan-config.ts";
import { createPlans } from "../../src/catalogue/plans.ts";
import { parseConfig, SettingsError } from "../../src/platform/settings.ts";

function plansOf(plans: object[]) {
  return createPlans(toPlanOverrides(parseConfig(JSON.stringify({ plans }), "test.yaml").plans));
}

function problemsOf(plans: object[]): readonly string[] {
  try {
    plansOf(plans);
  } catch (thrown) {
    if (thrown instanceof SettingsError) return thrown.problems;
    throw thrown;
  }
  return [];
}

it("takes credits with up to 6 decimals, exactly", () => {
  const plans = plansOf([{ name: "free", creditsPerMonth: 0.000001 }]);
  expect(plans.byName("free")?.creditsPerMonthMicro).toBe(1n);
  expect(plans.byName("free")?.requestsPerMinute).toBe(10);
});

it("takes 0 credits for 0, not for nothing said", () => {
  expect(plansOf([{ name: "pro", creditsPerMonth: 0 }]).byName("pro")?.creditsPerMonthMicro).toBe(
    0n,
  );
});

it("adds a plan that has all limits", () => {
  const limits = { requestsPerMinute: 1, requestsPerDay: 2, tokensPerMinute: 3 };
  const plans = plansOf([{ name: "lab", creditsPerMonth: 12.5, ...limits }]);
  expect(plans.byName("lab")).toEqual({
    name: "lab",
    creditsPerMonthMicro: 12_500_000n,
    ...limits,
  });
});

it("names each limit that a new plan lacks, by its path", () => {
  expect(problemsOf([{ name: "pro" }, { name: "lab", requestsPerDay: 2 }])).toEqual([
    expect.stringMatching(/^plans\[1\]\.requestsPerMinute: is missing/),
    expect.stringMatching(/^plans\[1\]\.tokensPerMinute: is missing/),
  ]);
});

it.each<[string, object]>([
  ["seven decimals", { name: "pro", creditsPerMonth: 0.0000001 }],
  ["credits below 0", { name: "pro", creditsPerMonth: -1 }],
  ["a limit of 0", { name: "pro", requestsPerMinute: 0 }],
  ["a name with spaces", { name: "my plan" }],
  ["no name", { creditsPerMonth: 1 }],
  ["an unknown field", { name: "pro", credits: 1 }],
])("refuses %s in one line", (_name, plan) => {
  expect(problemsOf([plan])).toEqual([expect.stringContaining("test.yaml: Invalid 'plans[0].")]);
});
