import { describe, expect, it } from "vitest";
import { DayCounts } from "../../src/admission/day-counts.ts";

const midnightMs = Date.UTC(2026, 3, 11);
const minuteMs = 60_000;

describe("requests of a UTC day", () => {
  it("are counted by id until midnight", () => {
    const days = new DayCounts();
    days.add(midnightMs - minuteMs, "a");
    expect(days.used(midnightMs - 1, "a")).toBe(1);
    expect(days.used(midnightMs - 1, "b")).toBe(0);
    expect(days.waitMs(midnightMs - minuteMs, "a", 1)).toBe(minuteMs);
    expect(days.used(midnightMs, "a")).toBe(0);
  });

  it("are not given twice when the clock is set back over midnight", () => {
    const days = new DayCounts();
    days.add(midnightMs + minuteMs, "a");
    expect(days.used(midnightMs - minuteMs, "a")).toBe(1);
    expect(days.used(midnightMs + 2 * minuteMs, "a")).toBe(1);
  });

  it("begin anew when a clock that was days ahead is set right", () => {
    const days = new DayCounts();
    days.add(midnightMs + 90 * 86_400_000, "a");
    expect(days.used(midnightMs, "a")).toBe(0);
  });

  it("are restored to no less than what is known", () => {
    const days = new DayCounts();
    days.restore(midnightMs, "a", 5);
    days.restore(midnightMs, "a", 3);
    expect(days.used(midnightMs, "a")).toBe(5);
  });
});
