import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RecentMap } from "../../src/keys/recent-map.ts";

describe("a map that forgets", () => {
  it("keeps at least the half of its entries that were used last", () => {
    const keys = fc.array(fc.integer({ min: 0, max: 30 }), { minLength: 1, maxLength: 200 });
    return fc.assert(
      fc.property(keys, (used) => {
        const map = new RecentMap<number, string>(20);
        for (const key of used) if (map.get(key) === undefined) map.set(key, `${key}`);
        const recent = [...new Set(used.toReversed())].slice(0, 10);
        for (const key of recent) expect(map.get(key)).toBe(`${key}`);
      }),
    );
  });

  it("never holds more entries than it may", () => {
    const map = new RecentMap<number, number>(10);
    for (let key = 0; key < 1_000; key += 1) map.set(key, key);
    const kept = Array.from({ length: 1_000 }, (_, key) => key).filter((key) => map.get(key));
    expect(kept.length).toBeLessThanOrEqual(10);
    expect(kept).toContain(999);
  });

  it("holds nothing after it was cleared", () => {
    const map = new RecentMap<string, string>(10);
    map.set("a", "b");
    map.clear();
    expect(map.get("a")).toBeUndefined();
  });
});
