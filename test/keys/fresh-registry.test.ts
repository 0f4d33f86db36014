import { describe, expect, it } from "vitest";
import { createFreshRegistry } from "../../src/keys/fresh-registry.ts";

const known = { accountId: "account" };

function open(staleMs: () => number) {
  const clock = { nowMs: 1_000, monotonicMs: () => clock.nowMs };
  const registry = { key: (id: string) => (id === "known" ? known : undefined) };
  return { clock, registry: createFreshRegistry(registry, { staleMs, clock }) };
}

const unavailable = expect.objectContaining({ code: "service_unavailable", retryAfterMs: 5_000 });

describe("a registry that nobody can bring up to date", () => {
  it("answers for five minutes, then with 503 until it is fresh again", () => {
    let staleMs = 330_000;
    const { clock, registry } = open(() => staleMs);
    clock.nowMs += 1_000_000;
    expect(registry.key("known")).toBe(known);
    expect(registry.key("unknown")).toBeUndefined();
    staleMs += 1;
    expect(() => registry.key("known")).toThrow(unavailable);
    expect(() => registry.key("unknown")).toThrow(unavailable);
    staleMs = 400;
    expect(registry.key("known")).toBe(known);
  });

  it("that began with an earlier process's copy answers for five minutes from its start", () => {
    const { clock, registry } = open(() => Number.POSITIVE_INFINITY);
    clock.nowMs += 330_000;
    expect(registry.key("known")).toBe(known);
    clock.nowMs += 1;
    expect(() => registry.key("known")).toThrow(unavailable);
  });
});
