import { describe, expect, it } from "vitest";
import { readAfterAnswers, spendLastCredits, startExactGateway } from "./exactness.ts";

describe("a thousand requests at once for the last credit", () => {
  it("get one answer and 999 refusals in each of 50 rounds", async () => {
    const totals = await spendLastCredits([await startExactGateway()], 50, 1_000);
    console.log(`figure  last credit  ${JSON.stringify(totals)}`);
    expect(totals).toMatchObject({ answered: 50, refused: 50 * 999 });
  }, 1_200_000);
});

describe("the usage", () => {
  it("includes an answer as soon as it has ended, 10,000 times of 10,000", async () => {
    const totals = await readAfterAnswers(await startExactGateway(), 10_000);
    console.log(`figure  usage right after an answer  ${JSON.stringify(totals)}`);
    expect(totals).toEqual({ reads: 10_000, missing: 0 });
  }, 600_000);
});
