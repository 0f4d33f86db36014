import { describe, expect, it } from "vitest";
import { Batched } from "../../src/platform/batched.ts";

describe("questions that are answered together", () => {
  it("are those of one turn of the event loop, and those that come while the work is done", async () => {
    const batches: (readonly number[])[] = [];
    const free = Promise.withResolvers<void>();
    const doubles = new Batched<number, number>(10, async (numbers) => {
      batches.push(numbers);
      if (batches.length === 1) await free.promise;
      return numbers.map((number) => 2 * number);
    });
    const first = [doubles.ask(1), doubles.ask(2)];
    await Promise.resolve();
    await Promise.resolve();
    const later = [doubles.ask(3), doubles.ask(4)];
    free.resolve();
    expect(await Promise.all([...first, ...later])).toEqual([2, 4, 6, 8]);
    expect(batches).toEqual([
      [1, 2],
      [3, 4],
    ]);
  });

  it("are as many at once as the bound says", async () => {
    const sizes: number[] = [];
    const echo = new Batched<number, number>(3, async (numbers) => {
      sizes.push(numbers.length);
      return numbers;
    });
    const numbers = [1, 2, 3, 4, 5, 6, 7];
    expect(await Promise.all(numbers.map((number) => echo.ask(number)))).toEqual(numbers);
    expect(sizes).toEqual([3, 3, 1]);
  });

  it("all hear of a failure, and the next ones are answered again", async () => {
    let works = 0;
    const once = new Batched<string, string>(10, async (texts) => {
      works += 1;
      if (works === 1) throw new Error("away");
      return texts;
    });
    const results = await Promise.allSettled([once.ask("a"), once.ask("b")]);
    expect(results.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect(await once.ask("c")).toBe("c");
  });

  it("are told when the work left one out", async () => {
    const short = new Batched<number, number>(10, async (numbers) => numbers.slice(1));
    const results = await Promise.allSettled([short.ask(1), short.ask(2)]);
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
  });
});
