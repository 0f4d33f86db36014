import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RollupReaches, toPieces } from "../../src/usage/rollup-reach.ts";
import type { PlacedEvent } from "../../src/usage/warehouse.ts";
import { placeEvents, sampleEvent } from "./sample-events.ts";
import { createIdAt } from "./sample-usage.ts";

const hourS = 3_600;
const dayS = 24 * hourS;
const dayMs = dayS * 1_000;

describe("the pieces that make up a time", () => {
  it("are whole days where buckets begin with days of UTC", () => {
    expect(toPieces([10 * dayS, 11 * dayS, 13 * dayS])).toEqual({
      starts: [10 * dayS, 11 * dayS, 12 * dayS],
      spans: [dayS, dayS, dayS],
    });
  });

  it("are two for a day that begins two hours before UTC's", () => {
    const fromS = 10 * dayS - 2 * hourS;
    const { spans } = toPieces([fromS, fromS + dayS]);
    expect(spans.map((spanS) => spanS / hourS)).toEqual([2, 22]);
  });

  it("are hours within a day", () => {
    const fromS = 10 * dayS + hourS;
    const { spans } = toPieces([fromS, fromS + 3 * hourS]);
    expect(spans).toEqual([hourS, hourS, hourS]);
  });

  it("are none of no time", () => {
    expect(toPieces([7 * hourS, 7 * hourS])).toEqual({ starts: [], spans: [] });
    expect(toPieces([])).toEqual({ starts: [], spans: [] });
  });

  it("follow one another without a gap, each within one bucket and one day, at an end of the day or of an hour", () => {
    const moments = fc
      .array(fc.integer({ min: 0, max: 24 * 40 }), { minLength: 2, maxLength: 20 })
      .map((hours) => hours.map((hour) => hour * hourS).toSorted((one, other) => one - other));
    const property = fc.property(moments, (given) => {
      const { starts, spans } = toPieces(given);
      let atS = given[0] ?? 0;
      for (const [index, startS] of starts.entries()) {
        const spanS = spans[index] ?? 0;
        expect(startS).toBe(atS);
        const endS = startS + spanS;
        const isAtAnEnd = startS % dayS === 0 || endS % dayS === 0;
        expect(isAtAnEnd || spanS === hourS).toBe(true);
        expect(Math.floor(startS / dayS)).toBe(Math.ceil(endS / dayS) - 1);
        expect(given.filter((moment) => moment > startS && moment < startS + spanS)).toEqual([]);
        atS += spanS;
      }
      expect(atS).toBe(given.at(-1));
    });
    fc.assert(property);
  });
});

describe("how far rollups reach", () => {
  const untilDay = 20_000;
  const eventOf = (accountId: string, day: number): readonly PlacedEvent[] =>
    placeEvents([sampleEvent({ accountId, eventId: createIdAt(day * dayMs) })]);

  function open(hasMore: number) {
    let asked = 0;
    const reaches = new RollupReaches(async () => {
      asked++;
      return [{ until_hour: untilDay * 24, has_more: hasMore, first: 0, after: untilDay * dayS }];
    });
    const countAfter = async () => {
      await reaches.of("acme");
      return asked;
    };
    return { reaches, countAfter };
  }

  it("is asked once, and not again for events of hours that are not rolled up", async () => {
    const { reaches, countAfter } = open(1);
    expect(await countAfter()).toBe(1);
    reaches.forgetOlder(eventOf("acme", untilDay));
    expect(await countAfter()).toBe(1);
  });

  it("is asked again after an event of an hour that is rolled up, and not after another account's", async () => {
    const { reaches, countAfter } = open(1);
    expect(await countAfter()).toBe(1);
    reaches.forgetOlder(eventOf("globex", untilDay - 1));
    expect(await countAfter()).toBe(1);
    reaches.forgetOlder(eventOf("acme", untilDay - 1 / 24));
    expect(await countAfter()).toBe(2);
  });

  it("is asked again after the first event behind the rollups, and after a rollup", async () => {
    const { reaches, countAfter } = open(0);
    expect(await countAfter()).toBe(1);
    reaches.forgetOlder(eventOf("acme", untilDay));
    expect(await countAfter()).toBe(2);
    reaches.forget("acme");
    expect(await countAfter()).toBe(3);
  });

  it("is not kept if something was inserted while it was asked", async () => {
    const { reaches, countAfter } = open(1);
    const asking = reaches.of("acme");
    reaches.forgetOlder(eventOf("globex", untilDay));
    await asking;
    expect(await countAfter()).toBe(2);
  });
});
