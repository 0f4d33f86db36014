import { describe, expect, it } from "vitest";
import { explore, whole } from "../../src/router/explore.ts";

describe("exploration", () => {
  it.each([
    [1, 50_000, [1_000_000]],
    [2, 50_000, [975_000, 25_000]],
    [3, 10_000, [993_334, 3_333, 3_333]],
    [8, 50_000, [956_250, ...new Array(7).fill(6_250)]],
    [8, 7, new Array(8).fill(0).map((_, place) => (place === 0 ? 1_000_000 : 0))],
  ])(
    "of %i models at %i millionths takes each exactly as often as it says",
    (count, sharePpm, expected) => {
      const taken = new Array<number>(count).fill(0);
      const said = new Map<number, number>();
      for (let draw = 0; draw < whole; draw++) {
        const random = () => (draw + 0.5) / whole;
        const { place, propensityPpm } = explore(count, { sharePpm, random });
        taken[place] = (taken[place] ?? 0) + 1;
        if (!said.has(place)) said.set(place, propensityPpm);
        else if (said.get(place) !== propensityPpm) throw new Error(`two chances for ${place}`);
      }
      expect(taken).toEqual(expected);
      for (const [place, propensityPpm] of said) expect(propensityPpm).toBe(taken[place]);
    },
  );

  it("is none where nobody asks for it", () => {
    expect(explore(8, undefined)).toEqual({ place: 0, propensityPpm: 1_000_000 });
  });
});
