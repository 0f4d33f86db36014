/** A value that is exchanged while work goes on. */
import { afterEach, describe, expect, it, vi } from "vitest";
import { Generations } from "../../src/platform/generations.ts";

function open(patienceMs = 60_000) {
  const retired: [string, readonly string[]][] = [];
  const retire = async (value: string, inUse: readonly string[]) => {
    retired.push([value, inUse]);
  };
  return { generations: new Generations<string>("first", { patienceMs, retire }), retired };
}

/** Work that uses the newest value until it is told to end. */
function work(generations: Generations<string>) {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const done = generations.use(async (value) => {
    await promise;
    return value;
  });
  return { done, end: resolve, fail: reject };
}

afterEach(() => {
  vi.useRealTimers();
});

describe("a value that was replaced", () => {
  it("is retired at once if nobody uses it", () => {
    const { generations, retired } = open();
    generations.replace("second");
    expect(generations.current).toBe("second");
    expect(retired).toEqual([["first", ["second"]]]);
  });

  it("serves what began with it to the end, and is retired then, whether that ends well or not", async () => {
    const { generations, retired } = open();
    const [one, two] = [work(generations), work(generations)];
    generations.replace("second");
    const three = work(generations);
    one.end();
    expect(await one.done).toBe("first");
    expect(retired).toEqual([]);
    two.fail(new Error("cut"));
    await expect(two.done).rejects.toThrow("cut");
    expect(retired).toEqual([["first", ["second"]]]);
    three.end();
    expect(await three.done).toBe("second");
    expect(retired).toHaveLength(1);
  });

  it("is told which others are still in use", async () => {
    const { generations, retired } = open();
    const one = work(generations);
    generations.replace("second");
    const two = work(generations);
    generations.replace("third");
    two.end();
    await two.done;
    one.end();
    await one.done;
    expect(retired).toEqual([
      ["second", ["third", "first"]],
      ["first", ["third"]],
    ]);
  });

  it("is retired when patience ends, once", async () => {
    vi.useFakeTimers();
    const { generations, retired } = open(1_000);
    const one = work(generations);
    generations.replace("second");
    vi.advanceTimersByTime(999);
    expect(retired).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(retired).toEqual([["first", ["second"]]]);
    one.end();
    expect(await one.done).toBe("first");
    expect(retired).toHaveLength(1);
  });
});

it("closing retires every value that is left, used or not", async () => {
  const { generations, retired } = open();
  const one = work(generations);
  generations.replace("second");
  await generations.close();
  expect(retired.map(([value]) => value)).toEqual(["first", "second"]);
  one.end();
  await one.done;
  expect(retired).toHaveLength(2);
});
