import { describe, expect, it } from "vitest";
import { readQuality } from "../../src/gateway/quality-header.ts";

const read = (text?: string) =>
  readQuality((name) => (name === "x-optamil-quality" ? text : undefined));

describe("the header X-Optamil-Quality", () => {
  it("may be absent", () => {
    expect(read()).toBeUndefined();
  });

  it.each([
    ["0", 0],
    ["1", 1],
    ["0.8", 0.8],
    [".25", 0.25],
    ["1.0", 1],
    ["0.000001", 0.000001],
  ])("may say %s", (text, quality) => {
    expect(read(text)).toBe(quality);
  });

  it.each(["", "high", "-0.1", "1.01", "2", "NaN", "1e-3", "0.8 ", "0,8"])(
    "may not say '%s'",
    (text) => {
      expect(() => read(text)).toThrow(
        expect.objectContaining({
          code: "invalid_request",
          message: expect.stringContaining("from 0 (cheapest) to 1 (best)"),
        }),
      );
    },
  );
});
