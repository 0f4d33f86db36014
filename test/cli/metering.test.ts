import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { AuditFindingSchema, PlanSchema } from "../../src/gen/optamil/v1/admin_pb.ts";
import { GetUsageResponseSchema } from "../../src/gen/optamil/v1/usage_pb.ts";
import { runWith } from "./fake-context.ts";

const usage = create(GetUsageResponseSchema, {
  creditsUsedMicro: 6_250_000n,
  creditsRemainingMicro: 493_750_000n,
  creditsTotalMicro: 500_000_000n,
  billingPeriodStart: "2026-11-01T00:00:00Z",
  billingPeriodEnd: "2026-11-30T23:59:59Z",
  tierBreakdown: { freeMicro: 5_000_000n, midMicro: 1_250_000n },
});

describe("optamil usage", () => {
  it("prints the period, the tiers and what they add up to", async () => {
    const { code, printed } = await runWith({ metering: { usage: async () => usage } }, "usage");
    expect(code).toBe(0);
    expect(printed).toEqual([
      "2026-11-01T00:00:00Z to 2026-11-30T23:59:59Z",
      "              CREDITS",
      "tier free     5",
      "tier budget   0",
      "tier mid      1.25",
      "tier premium  0",
      "tier ultra    0",
      "used          6.25",
      "remaining     493.75",
      "total         500",
    ]);
  });

  it("prints JSON as /v1/usage does", async () => {
    const metering = { usage: async () => usage };
    const { printed } = await runWith({ metering }, "usage", "--json");
    expect(JSON.parse(printed[0] ?? "")).toMatchObject({
      credits_used: 6.25,
      tier_breakdown: { free: 5, budget: 0, mid: 1.25, premium: 0, ultra: 0 },
    });
  });
});

describe("optamil sql", () => {
  it.each<[string[], string]>([
    [[], "PrettyCompactMonoBlock"],
    [["--json"], "JSONEachRow"],
    [["--format", "CSV"], "CSV"],
  ])("with %j asks for the format %s and prints the answer as it is", async (words, format) => {
    const asked: string[][] = [];
    const metering = {
      sql: async (...question: string[]) => {
        asked.push(question);
        return "one\ntwo\n";
      },
    };
    const { code, printed } = await runWith({ metering }, "sql", "SELECT 1", ...words);
    expect({ code, printed }).toEqual({ code: 0, printed: ["one\ntwo"] });
    expect(asked).toEqual([["SELECT 1", format]]);
  });

  it("prints nothing for an answer without rows", async () => {
    const metering = { sql: async () => "" };
    expect((await runWith({ metering }, "sql", "SELECT 1 WHERE 0")).printed).toEqual([]);
  });

  it("takes one statement", async () => {
    for (const words of [["sql"], ["sql", "SELECT", "1"]]) {
      const { code, warned } = await runWith({ metering: {} }, ...words);
      expect(code).toBe(2);
      expect(warned[0]).toContain("give one statement, in quotes");
    }
  });
});

describe("optamil audit", () => {
  const wrong = create(AuditFindingSchema, {
    audit: "sums",
    severity: "error",
    message: "a sum is wrong",
  });
  const notice = create(AuditFindingSchema, {
    audit: "sequence",
    severity: "notice",
    message: "a gap",
  });

  it.each([
    ["nothing", 0, [], ["Nothing is lost and nothing counts twice."]],
    ["a notice", 0, [notice], ["SEVERITY  AUDIT     FINDING", "notice    sequence  a gap"]],
    [
      "an error",
      1,
      [notice, wrong],
      [
        "SEVERITY  AUDIT     FINDING",
        "notice    sequence  a gap",
        "error     sums      a sum is wrong",
      ],
    ],
  ])("that finds %s ends with exit code %i and says so", async (_name, code, findings, lines) => {
    const metering = { audit: async () => findings };
    expect(await runWith({ metering }, "audit")).toEqual({ code, printed: lines, warned: [] });
    const asJson = await runWith({ metering }, "audit", "--json");
    expect(asJson.code).toBe(code);
    expect(JSON.parse(asJson.printed[0] ?? "")).toHaveLength(findings.length);
  });
});

describe("optamil plans", () => {
  it("lists them as a table or as JSON", async () => {
    const limits = { requestsPerMinute: 10, requestsPerDay: 200, tokensPerMinute: 40_000 };
    const plans = async () => [
      create(PlanSchema, {
        id: "free",
        object: "plan",
        creditsPerMonthMicro: 500_500_000n,
        ...limits,
      }),
      create(PlanSchema, { id: "enterprise", object: "plan", ...limits }),
    ];
    expect((await runWith({ accounts: { plans } }, "plans", "list")).printed).toEqual([
      "PLAN        CREDITS/MONTH  REQUESTS/MIN  REQUESTS/DAY  TOKENS/MIN",
      "free        500.5          10            200           40000",
      "enterprise  by contract    10            200           40000",
    ]);
    const { printed } = await runWith({ accounts: { plans } }, "plans", "list", "--json");
    expect(JSON.parse(printed[0] ?? "")).toMatchObject([
      { id: "free", credits_per_month: 500.5 },
      { id: "enterprise", credits_per_month: null },
    ]);
  });
});

describe("a command about metering", () => {
  it.each([["usage"], ["sql", "SELECT 1"], ["audit"], ["accounts", "refund", "id", "event"]])(
    "says in one line that %s %s needs a running gateway",
    async (...words) => {
      const { code, printed, warned } = await runWith({}, ...words);
      expect({ code, printed }).toEqual({ code: 1, printed: [] });
      expect(warned).toEqual([
        "optamil: no gateway runs on this data, and only one that runs can tell: start it first",
      ]);
    },
  );
});
