import { describe, expect, it } from "vitest";
import { createPeriodFinder, periodAt } from "../../src/admission/period.ts";

describe("billing periods", () => {
  it.each([
    ["2026-04-01T00:00:00.000Z", "2026-04", "2026-05-01"],
    ["2026-04-30T23:59:59.999Z", "2026-04", "2026-05-01"],
    ["2026-12-31T23:59:59.999Z", "2026-12", "2027-01-01"],
    ["2028-02-29T12:00:00.000Z", "2028-02", "2028-03-01"],
  ])("%s belongs to %s, which ends before %s", (at, id, end) => {
    const period = periodAt(Date.parse(at));
    expect(period).toEqual({
      id,
      startMs: Date.parse(`${id}-01`),
      endMs: Date.parse(end),
    });
  });

  it("are found as well in any order of instants", () => {
    const find = createPeriodFinder();
    for (const at of ["2026-04-30", "2026-05-01", "2026-04-30", "1999-01-01"]) {
      expect(find(Date.parse(at)).id).toBe(at.slice(0, 7));
    }
  });
});
