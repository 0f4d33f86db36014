import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type TierName, tierNames } from "../../src/catalogue/tiers.ts";
import { Outcome } from "../../src/gen/optamil/v1/event_pb.ts";
import {
  charge,
  defaultSchedule,
  priceBounds,
  type Schedule,
  tokenSchedule,
} from "../../src/usage/charge.ts";
import { noTokens } from "../../src/usage/tokens.ts";

const tokens = { ...noTokens, prompt: 1_000, completion: 500 };
const credit = 1_000_000n;
const tiered: Schedule = {
  version: 9,
  unit: "request",
  priceMicro: { free: 0n, budget: 1n, mid: 5n, premium: 20n, ultra: 100n },
  embeddingsPriceMicro: { free: 0n, budget: 2n, mid: 3n, premium: 4n, ultra: 5n },
};

describe("by default a chat request costs one credit", () => {
  it.each<[string, Outcome, TierName | undefined, bigint]>([
    ["a complete answer", Outcome.OK, "budget", credit],
    ["a complete stream", Outcome.STREAM_OK, "ultra", credit],
    ["a complete answer of the free tier", Outcome.OK, "free", credit],
    ["an answer that the client left after content", Outcome.CLIENT_CANCEL_PARTIAL, "mid", credit],
  ])("%s", (_case, outcome, servedTier, expected) => {
    const settled = { outcome, servedTier, requestedTier: undefined, tokens };
    expect(charge(settled, defaultSchedule)).toBe(expected);
  });
});

describe("embeddings, which have no completion,", () => {
  const read = { ...noTokens, prompt: 1_000 };
  const made = { outcome: Outcome.OK, requestedTier: undefined, tokens: read } as const;

  it("cost one credit by default, as a chat does", () => {
    const settled = { ...made, servedTier: "budget", operation: "embeddings" } as const;
    expect(charge(settled, defaultSchedule)).toBe(credit);
    expect(charge({ ...settled, operation: "chat" }, defaultSchedule)).toBe(0n);
  });

  it("have prices of their own, which is what is held", () => {
    const settled = { ...made, servedTier: "mid", operation: "embeddings" } as const;
    expect(charge(settled, tiered)).toBe(3n);
    expect(priceBounds(["budget", "mid"], 1_000, tiered, "embeddings")).toEqual({
      lowestMicro: 2n,
      highestMicro: 3n,
    });
  });

  it("cost what their tokens do by a schedule of tokens", () => {
    const settled = { ...made, servedTier: "budget", operation: "embeddings" } as const;
    expect(charge(settled, tokenSchedule)).toBe(140n);
  });

  it("are free where none came", () => {
    const failed = { ...made, outcome: Outcome.UPSTREAM_ERROR, servedTier: undefined } as const;
    expect(charge({ ...failed, operation: "embeddings" }, defaultSchedule)).toBe(0n);
  });
});

describe("it is free", () => {
  it.each<[string, Outcome, TierName | undefined]>([
    ["that every attempt failed", Outcome.UPSTREAM_ERROR, undefined],
    ["that the provider died after content", Outcome.UPSTREAM_PARTIAL, "ultra"],
    ["that the client left before content", Outcome.CLIENT_CANCEL_BEFORE, "mid"],
    ["that the deadline passed before content", Outcome.TIMEOUT, "mid"],
    ["that the gateway died", Outcome.GATEWAY_ABORT, undefined],
    ["to be refused for want of credits", Outcome.REJECTED_402, undefined],
    ["to be refused by a limit", Outcome.REJECTED_429, undefined],
    ["to be refused as malformed", Outcome.REJECTED_4XX, undefined],
    ["what no outcome was given for", Outcome.UNSPECIFIED, "mid"],
  ])("%s", (_case, outcome, servedTier) => {
    for (const schedule of [defaultSchedule, tokenSchedule]) {
      const settled = { outcome, servedTier, requestedTier: undefined, tokens };
      expect(charge(settled, schedule)).toBe(0n);
    }
  });

  it.each([Outcome.OK, Outcome.STREAM_OK])("to get an answer without a token (%i)", (outcome) => {
    const empty = { ...noTokens, prompt: 1_000 };
    const settled = {
      outcome,
      servedTier: "mid",
      requestedTier: undefined,
      tokens: empty,
    } as const;
    expect(charge(settled, defaultSchedule)).toBe(0n);
    expect(charge(settled, tokenSchedule)).toBe(0n);
  });
});

describe("the tier decides the price", () => {
  it.each<[string, TierName, TierName | undefined, bigint]>([
    ["of the model that answered where the router chose it", "premium", undefined, 20n],
    ["of the model that answered where it is cheaper than the named one", "budget", "premium", 1n],
    ["of the named model where a dearer one had to stand in", "ultra", "mid", 5n],
    ["of both where they are the same", "mid", "mid", 5n],
  ])("%s", (_case, servedTier, requestedTier, expected) => {
    const settled = { outcome: Outcome.OK, servedTier, requestedTier, tokens };
    expect(charge(settled, tiered)).toBe(expected);
  });
});

describe("a schedule by tokens", () => {
  it.each<[string, TierName, number, bigint]>([
    [
      "charges a million tokens of prompt and completion at the tier's price",
      "mid",
      1_000_000,
      1_500_000n,
    ],
    ["charges a part of that for less", "premium", 1_500, 7_500n],
    ["rounds up to a whole micro-credit", "budget", 3, 1n],
    ["charges nothing in the free tier", "free", 1_000_000, 0n],
  ])("%s", (_case, servedTier, completion, expected) => {
    const used = { ...noTokens, completion };
    const settled = { outcome: Outcome.OK, servedTier, requestedTier: undefined, tokens: used };
    expect(charge(settled, tokenSchedule)).toBe(expected);
  });

  it("charges a client that left after content for the tokens so far", () => {
    const used = { ...noTokens, prompt: 100, completion: 10, estimated: true };
    const outcome = Outcome.CLIENT_CANCEL_PARTIAL;
    const settled = {
      outcome,
      servedTier: "ultra",
      requestedTier: undefined,
      tokens: used,
    } as const;
    expect(charge(settled, tokenSchedule)).toBe(1_650n);
  });
});

describe("the price bounds of a hold", () => {
  it("are the lowest and the highest price among the tiers that may serve", () => {
    const bounds = priceBounds(["ultra", "budget", "mid"], 0, tiered);
    expect(bounds).toEqual({ lowestMicro: 1n, highestMicro: 100n });
  });

  it("are 0 without a tier", () => {
    expect(priceBounds([], 1_000, tokenSchedule)).toEqual({ lowestMicro: 0n, highestMicro: 0n });
  });

  it("hold every charge of a request that keeps to its tokens and tiers", () => {
    const cases = fc.record({
      schedule: fc.constantFrom(defaultSchedule, tokenSchedule, tiered),
      serving: fc.uniqueArray(fc.constantFrom(...tierNames), { minLength: 1 }),
      pick: fc.nat(),
      prompt: fc.nat(100_000),
      completion: fc.nat(100_000),
      outcome: fc.constantFrom(Outcome.OK, Outcome.CLIENT_CANCEL_PARTIAL, Outcome.UPSTREAM_PARTIAL),
    });
    fc.assert(
      fc.property(cases, ({ schedule, serving, pick, prompt, completion, outcome }) => {
        const { highestMicro } = priceBounds(serving, prompt + completion, schedule);
        const servedTier = serving[pick % serving.length];
        const used = { ...noTokens, prompt, completion };
        const micro = charge(
          { outcome, servedTier, requestedTier: undefined, tokens: used },
          schedule,
        );
        expect(micro).toBeGreaterThanOrEqual(0n);
        expect(micro).toBeLessThanOrEqual(highestMicro);
      }),
    );
  });
});
