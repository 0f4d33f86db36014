import { describe, expect, it } from "vitest";
import {
  formatMicros,
  formatTime,
  openTimeZone,
  parseTime,
  startOf,
  toBuckets,
} from "../../src/usage/time-buckets.ts";

const utc = openTimeZone("UTC");

function bucketsOf(
  granularity: "hour" | "day" | "month",
  zoneName: string,
  from: string,
  to: string,
) {
  const zone = openTimeZone(zoneName);
  const span = { fromMs: parseTime(from, zone, "from"), toMs: parseTime(to, zone, "to") };
  const { startsMs, endMs } = toBuckets(granularity, span, zone, 800);
  return { starts: startsMs.map((atMs) => formatTime(atMs, zone)), end: formatTime(endMs, zone) };
}

describe("the buckets of a time zone", () => {
  it("are whole ones, widened to hold all of the time", () => {
    const asked = ["2026-04-01T10:30:00Z", "2026-04-01T12:00:01Z"] as const;
    expect(bucketsOf("hour", "UTC", ...asked)).toEqual({
      starts: ["2026-04-01T10:00:00Z", "2026-04-01T11:00:00Z", "2026-04-01T12:00:00Z"],
      end: "2026-04-01T13:00:00Z",
    });
    expect(bucketsOf("month", "UTC", "2026-12-31", "2027-01-02").starts).toEqual([
      "2026-12-01T00:00:00Z",
      "2027-01-01T00:00:00Z",
    ]);
  });

  it("have days of 23 and of 25 hours where clocks change", () => {
    expect(bucketsOf("day", "Europe/Berlin", "2026-03-29", "2026-03-31")).toEqual({
      starts: ["2026-03-29T00:00:00+01:00", "2026-03-30T00:00:00+02:00"],
      end: "2026-03-31T00:00:00+02:00",
    });
    expect(bucketsOf("hour", "Europe/Berlin", "2026-03-29", "2026-03-30").starts).toHaveLength(23);
    expect(bucketsOf("hour", "Europe/Berlin", "2026-10-25", "2026-10-26").starts).toHaveLength(25);
  });

  it("begin where the day does, also where midnight is left out or comes twice", () => {
    // Beirut's clocks go from 00:00 to 01:00, Havana's from 01:00 back to 00:00.
    expect(bucketsOf("day", "Asia/Beirut", "2026-03-29", "2026-03-30").starts).toEqual([
      "2026-03-29T01:00:00+03:00",
    ]);
    expect(bucketsOf("day", "America/Havana", "2026-11-01", "2026-11-02").starts).toEqual([
      "2026-11-01T00:00:00-04:00",
    ]);
  });

  it("follow zones that are not whole hours ahead", () => {
    expect(
      bucketsOf("hour", "Asia/Kathmandu", "2026-04-01T00:00:00Z", "2026-04-01T00:10:00Z"),
    ).toEqual({
      starts: ["2026-04-01T05:00:00+05:45"],
      end: "2026-04-01T06:00:00+05:45",
    });
  });

  it("are told apart before their first one, by the same count", () => {
    const atMs = Date.parse("2026-03-31T12:00:00Z");
    expect(formatTime(startOf("month", atMs, utc, -1), utc)).toBe("2026-02-01T00:00:00Z");
    expect(formatTime(startOf("day", atMs, utc, -31), utc)).toBe("2026-02-28T00:00:00Z");
    expect(formatTime(startOf("hour", atMs, utc, -24), utc)).toBe("2026-03-30T12:00:00Z");
  });

  it("are bounded", () => {
    const span = { fromMs: Date.UTC(2026, 0, 1), toMs: Date.UTC(2026, 0, 11) };
    expect(toBuckets("day", span, utc, 10).startsMs).toHaveLength(10);
    expect(() => toBuckets("day", span, utc, 9)).toThrow("more than 9 buckets");
  });
});

describe("a time", () => {
  it.each([
    ["2026-04-01T00:00:00Z", Date.UTC(2026, 3, 1)],
    ["2026-04-01T02:00:00.5+02:00", Date.UTC(2026, 3, 1) + 500],
    ["2026-04-01", Date.UTC(2026, 3, 1)],
  ])("is read: %s", (text, atMs) => {
    expect(parseTime(text, utc, "from")).toBe(atMs);
  });

  it.each([
    "",
    "yesterday",
    "2026-02-30",
    "2026-13-01",
    "2026-04-01T25:00:00Z",
    "2026-04-01T00:00:00",
    "1999-12-31",
    "2100-01-01",
    "1775001600",
    "2026-04-01'; --",
  ])("is refused: %s", (text) => {
    expect(() => parseTime(text, utc, "from")).toThrow("This is no time");
  });

  it("is shown to the microsecond as the zone has it", () => {
    const atUs = BigInt(Date.UTC(2026, 3, 1)) * 1_000n + 42n;
    expect(formatMicros(atUs, openTimeZone("America/New_York"))).toBe(
      "2026-03-31T20:00:00.000042-04:00",
    );
  });

  it("is of a zone that there is", () => {
    expect(() => openTimeZone("Mars/Olympus")).toThrow("no such time zone");
    expect(() => openTimeZone("UTC'; DROP TABLE x; --")).toThrow("no such time zone");
  });
});
