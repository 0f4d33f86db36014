import { describe, expect, it } from "vitest";
import type { FiguresQuestion } from "../../src/usage/analytics.ts";
import { toRollup } from "../../src/usage/figures-parts.ts";

const dayS = 86_400;
const reach = {
  untilHour: 20_000 * 24,
  hasMore: true,
  firstS: 19_990 * dayS,
  afterS: 20_000 * dayS,
};
const filters = { model: [], tier: [], provider: [], key: [], tag: [], outcome: [] };

function ask(fromS: number, endS: number, more: Partial<FiguresQuestion> = {}) {
  const question = { accountId: "acme", by: "key", order: "credits", groupsMax: 10 } as const;
  const times = { previousS: undefined, startsS: [fromS], endS };
  return toRollup({ ...question, ...times, filters, ...more }, reach)?.parameters;
}

describe("the rollup that answers a question", () => {
  it("has the days up to where there are rows alone, whatever the second up to which is asked", () => {
    expect(ask(19_998 * dayS, 20_000 * dayS + 12_345)).toEqual({
      ...{ dimension: "key", names: [], until_hour: 20_000 * 24 },
      piece_starts: [19_998 * dayS, 19_999 * dayS],
      piece_spans: [dayS, dayS],
      first_id: (20_000 * dayS * 1_000).toString(16).padStart(12, "0").padEnd(32, "0"),
    });
  });

  it("has all that there is for a question from any second before it", () => {
    expect(ask(19_000 * dayS + 1, 19_991 * dayS)?.piece_starts).toEqual([19_990 * dayS]);
  });

  it("is none for parts of an hour that is rolled up", () => {
    expect(ask(19_998 * dayS + 1, 20_000 * dayS)).toBeUndefined();
    expect(ask(19_998 * dayS, 19_999 * dayS + 1)).toBeUndefined();
  });

  it("is none for two dimensions, and the filter's for one", () => {
    const filtered = { ...filters, model: ["a"] };
    expect(ask(19_998 * dayS, 20_000 * dayS, { filters: filtered })).toBeUndefined();
    const total = ask(19_998 * dayS, 20_000 * dayS, { by: "none", filters: filtered });
    expect(total).toMatchObject({ dimension: "model", names: ["a"] });
  });
});
