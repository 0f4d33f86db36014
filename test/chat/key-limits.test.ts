import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { narrowedBy } from "../../src/chat/key-limits.ts";
import { KeyLimitsSchema } from "../../src/gen/optamil/v1/keys_pb.ts";

const asked = { model: "gpt-5", tier: "premium" };

describe("a key's limits in an admission", () => {
  it("are none where the key has none", () => {
    expect(narrowedBy(undefined, asked)).toEqual({});
  });

  it("are the key's windows, how many may run, and the parts that the request belongs to", () => {
    const limits = create(KeyLimitsSchema, {
      requestsPerMinute: 3,
      tokensPerMinute: 900,
      concurrentRequests: 2,
      models: { "gpt-5": { requestsPerMinute: 1 }, o3: { requestsPerMinute: 2 } },
      tiers: { premium: { requestsPerDay: 7 }, ultra: { requestsPerDay: 8 } },
    });
    expect(narrowedBy(limits, asked)).toEqual({
      keyLimits: { requestsPerMinute: 3, tokensPerMinute: 900 },
      keyRunningMax: 2,
      parts: [
        { id: "model gpt-5", limits: { requestsPerMinute: 1 } },
        { id: "tier premium", limits: { requestsPerDay: 7 } },
      ],
    });
  });

  it("have no part for a model of the prototype's name", () => {
    const limits = create(KeyLimitsSchema, { requestsPerMinute: 3 });
    expect(narrowedBy(limits, { model: "constructor", tier: "toString" })).toEqual({
      keyLimits: { requestsPerMinute: 3 },
    });
  });
});
