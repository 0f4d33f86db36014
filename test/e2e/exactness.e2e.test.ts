import { describe, expect, it } from "vitest";
import { readAfterAnswers, spendLastCredits, startExactGateway } from "../chaos/exactness.ts";

describe("a thousand requests at once for the last credit", () => {
  it("get one answer and 999 refusals, and no read sees less than nothing left", async () => {
    const totals = await spendLastCredits([await startExactGateway()], 5, 1_000);
    expect(totals).toMatchObject({ answered: 5, refused: 5 * 999 });
  }, 120_000);
});

describe("the usage", () => {
  it("includes an answer as soon as it has ended, 2,500 times of 2,500", async () => {
    expect(await readAfterAnswers(await startExactGateway(), 2_500)).toEqual({
      reads: 2_500,
      missing: 0,
    });
  }, 120_000);
});
