/** What an account may use, by its plan and its grants. */
import { create } from "@bufbuild/protobuf";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createPlans } from "../../src/catalogue/plans.ts";
import { entitlementOf } from "../../src/directory/entitlement.ts";
import { AccountStateSchema } from "../../src/gen/optamil/v1/directory_pb.ts";

const credit = 1_000_000n;
const limits = { requestsPerMinute: 1, requestsPerDay: 2, tokensPerMinute: 3 };
const plans = createPlans([
  { name: "small", creditsPerMonthMicro: 300n * credit, ...limits },
  { name: "grants-only", ...limits },
]);

function account(plan: string, grants: Record<string, bigint> = {}) {
  const sums = Object.entries(grants).map(([periodId, creditsMicro]) => ({
    periodId,
    creditsMicro,
  }));
  return create(AccountStateSchema, { plan, grants: sums });
}

describe("an entitlement", () => {
  it.each<[string, bigint, bigint]>([
    ["free", 500n * credit, 0n],
    ["starter", 10_000n * credit, 10n * credit],
    ["pro", 100_000n * credit, 10n * credit],
    ["business", 1_000_000n * credit, 10n * credit],
    ["enterprise", 0n, 0n],
    ["small", 300n * credit, 3n * credit],
    ["grants-only", 0n, 0n],
  ])("of plan %s without grants is %s micro-credits and %s overdraft", (name, total, overdraft) => {
    const entitlement = entitlementOf(account(name), plans, "2026-04");
    expect(entitlement).toEqual({
      limits: plans.byName(name),
      totalMicro: total,
      overdraftMicro: overdraft,
    });
  });

  it.each<[string, bigint, bigint]>([
    ["free", 507n * credit, 0n],
    ["small", 307n * credit, 3n * credit],
    ["enterprise", 7n * credit, 70_000n],
  ])("of plan %s with a grant of 7 credits is %s and %s overdraft", (name, total, overdraft) => {
    const granted = account(name, { "2026-04": 7n * credit });
    const { totalMicro, overdraftMicro } = entitlementOf(granted, plans, "2026-04");
    expect({ totalMicro, overdraftMicro }).toEqual({
      totalMicro: total,
      overdraftMicro: overdraft,
    });
  });

  it("counts a grant in its own period alone", () => {
    const granted = account("free", { "2026-04": credit, "2026-05": 2n * credit });
    const totals = ["2026-03", "2026-04", "2026-05", "2026-06"].map(
      (periodId) => entitlementOf(granted, plans, periodId).totalMicro / credit,
    );
    expect(totals).toEqual([500n, 501n, 502n, 500n]);
  });

  it("gives Enterprise the limits of Business until a row says otherwise", () => {
    const { requestsPerMinute, requestsPerDay, tokensPerMinute } = entitlementOf(
      account("enterprise"),
      plans,
      "2026-04",
    ).limits;
    expect(plans.byName("business")).toMatchObject({
      requestsPerMinute,
      requestsPerDay,
      tokensPerMinute,
    });
  });

  it.each<[string, string | undefined, string | undefined, string]>([
    ["the account's plan, whatever the token was signed for", "pro", "business", "pro"],
    ["the signed plan where the account's is unknown", "gone", "starter", "starter"],
    ["the signed plan where there is no account", undefined, "starter", "starter"],
    ["Free where neither is known", "gone", "gone too", "free"],
    ["Free where nothing is said", undefined, undefined, "free"],
  ])("is that of %s", (_name, plan, signed, expected) => {
    const known = plan === undefined ? undefined : account(plan);
    expect(entitlementOf(known, plans, "2026-04", signed).limits.name).toBe(expected);
  });

  it("never has an overdraft below 0, above 10 credits or, on Free, at all", () => {
    const micro = fc.bigInt({ min: 0n, max: 10n ** 15n });
    void fc.assert(
      fc.property(
        micro,
        micro,
        fc.constantFrom("free", "lab"),
        (creditsPerMonthMicro, grant, name) => {
          const own = createPlans([{ name, creditsPerMonthMicro, ...limits }]);
          const granted = account(name, { "2026-04": grant });
          const { totalMicro, overdraftMicro } = entitlementOf(granted, own, "2026-04");
          expect(totalMicro).toBe(creditsPerMonthMicro + grant);
          expect(overdraftMicro).toBeGreaterThanOrEqual(0n);
          expect(overdraftMicro).toBeLessThanOrEqual(name === "free" ? 0n : 10n * credit);
        },
      ),
    );
  });
});
