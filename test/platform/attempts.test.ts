import { describe, expect, it } from "vitest";
import { Attempts } from "../../src/platform/attempts.ts";

function open(perMinuteMax: number, idsMax?: number) {
  const clock = { nowMs: 5_000, monotonicMs: () => clock.nowMs };
  return { clock, attempts: new Attempts({ perMinuteMax, clock, idsMax }) };
}

describe("attempts", () => {
  it("are allowed up to their number, then not until their minute is over", () => {
    const { clock, attempts } = open(2);
    attempts.note("ada");
    clock.nowMs += 10_000;
    expect(attempts.waitMs("ada")).toBe(0);
    attempts.note("ada");
    expect(attempts.waitMs("ada")).toBe(50_000);
    expect(attempts.waitMs("bob")).toBe(0);
    clock.nowMs += 49_999;
    expect(attempts.waitMs("ada")).toBe(1);
    clock.nowMs += 1;
    expect(attempts.waitMs("ada")).toBe(0);
  });

  it("are forgotten, oldest first, where there are too many ids", () => {
    const { attempts } = open(1, 2);
    for (const id of ["ada", "bob", "eve"]) attempts.note(id);
    expect(["ada", "bob", "eve"].map((id) => attempts.waitMs(id) > 0)).toEqual([false, true, true]);
  });
});
