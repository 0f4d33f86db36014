import { describe, expect, it } from "vitest";
import { needsSharedCredits, toLocalRequest } from "../../src/admission/local-share.ts";
import { credit, request } from "./requests.ts";

const limits = { requestsPerMinute: 10, requestsPerDay: 100, tokensPerMinute: 1_000 };

describe("the share of one gateway", () => {
  it.each([
    { replicas: 1, requestsPerMinute: 10, totalMicro: 6n * credit },
    { replicas: 3, requestsPerMinute: 3, totalMicro: 2n * credit },
    { replicas: 20, requestsPerMinute: 1, totalMicro: 300_000n },
  ])("of $replicas is $requestsPerMinute of 10 requests a minute", ({ replicas, ...share }) => {
    const whole = request({ eventId: "a", limits, overdraftMicro: 6n * credit });
    const local = toLocalRequest(whole, replicas);
    expect(local.limits.requestsPerMinute).toBe(share.requestsPerMinute);
    expect(local.totalMicro).toBe(share.totalMicro);
    expect(local.overdraftMicro).toBe(0n);
    expect(local.totalMicro * BigInt(replicas)).toBeLessThanOrEqual(whole.overdraftMicro);
  });

  it("divides those limits that a key has, and makes up none", () => {
    const whole = request({ eventId: "a", limits, keyLimits: { requestsPerDay: 8 } });
    expect(toLocalRequest(whole, 2).keyLimits).toEqual({ requestsPerDay: 4 });
  });

  it.each([
    { overdraftMicro: 0n, holdMicro: credit, needs: true },
    { overdraftMicro: 0n, holdMicro: 0n, needs: false },
    { overdraftMicro: 1n, holdMicro: credit, needs: false },
  ])(
    "of an overdraft of $overdraftMicro does not pay $holdMicro: $needs",
    ({ needs, ...price }) => {
      expect(needsSharedCredits(request({ eventId: "a", ...price }))).toBe(needs);
    },
  );
});
