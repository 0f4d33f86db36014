import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createUuidSource, isUuid, toUuidText } from "../../src/platform/uuid.ts";

function clockOf(timesMs: number[]) {
  const left = [...timesMs];
  return { wallMs: () => left.shift() ?? timesMs.at(-1) ?? 0, monotonicMs: () => 0 };
}

describe("a source of UUIDv7s", () => {
  it("writes the time, the version and the variant where RFC 9562 has them", () => {
    // The example of appendix A.6, with a counter that starts in the lower half.
    const source = createUuidSource(clockOf([0x017f22e279b0]), (bytes) => bytes.fill(0x5a));
    expect(source.text()).toBe("017f22e2-79b0-725a-9a5a-5a5a5a5a5a5a");
  });

  it("gives ids that grow, within a millisecond and when the clock goes back", () => {
    const times = fc.array(fc.integer({ min: 0, max: 2 ** 48 - 10_000 }), { minLength: 1 });
    return fc.assert(
      fc.property(times, (timesMs) => {
        const source = createUuidSource(clockOf(timesMs.flatMap((ms) => [ms, ms, ms])));
        const ids = timesMs.flatMap(() => [source.text(), source.text(), source.text()]);
        expect(ids.toSorted()).toEqual(ids);
        expect(new Set(ids).size).toBe(ids.length);
        expect(ids.every(isUuid)).toBe(true);
      }),
    );
  });

  it("gives 100,000 different growing ids in one millisecond", () => {
    const source = createUuidSource(clockOf([1_700_000_000_000]));
    let last = "";
    let grew = 0;
    for (let count = 0; count < 100_000; count += 1) {
      const id = source.text();
      if (id > last) grew += 1;
      last = id;
    }
    expect(grew).toBe(100_000);
  });

  it("gives bytes whose text is a UUID", () => {
    const bytes = createUuidSource(clockOf([1])).bytes();
    expect(bytes).toHaveLength(16);
    expect(isUuid(toUuidText(bytes))).toBe(true);
  });

  it.each(["", "017F22E2-79B0-725A-9A5A-5A5A5A5A5A5A", "017f22e279b0725a9a5a5a5a5a5a5a5a"])(
    "takes %o for no UUID",
    (text) => {
      expect(isUuid(text)).toBe(false);
    },
  );
});
