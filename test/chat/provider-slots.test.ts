import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ProviderSlots } from "../../src/chat/provider-slots.ts";

const free = { model: "m", provider: "one", upstreamModel: "m", weight: 1, live: true };
const two = { ...free, maxConcurrent: 2 };

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe("a provider without a bound", () => {
  it("takes everything at once", () => {
    const slots = new ProviderSlots();
    expect(Array.from({ length: 5_000 }, () => slots.take(free, "a")).every(Boolean)).toBe(true);
  });
});

describe("a provider that takes two requests at once", () => {
  it("has one wait until another gives its slot back, whichever of its models that is for", async () => {
    const slots = new ProviderSlots();
    const other = { ...two, model: "n" };
    expect([slots.take(two, "a"), slots.take(other, "a")]).toEqual([true, true]);
    const third = slots.take(two, "a");
    slots.give(two);
    expect(await third).toBe(true);
  });

  it("gives up after a second, and lets others in afterwards", async () => {
    const slots = new ProviderSlots();
    void slots.take(two, "a");
    void slots.take(two, "a");
    const third = slots.take(two, "a");
    vi.advanceTimersByTime(1_000);
    expect(await third).toBe(false);
    slots.give(two);
    expect(slots.take(two, "b")).toBe(true);
  });

  it("serves an account with one request in its turn beside one with a hundred", async () => {
    const slots = new ProviderSlots();
    void slots.take(two, "greedy");
    void slots.take(two, "greedy");
    const served: string[] = [];
    const ask = async (account: string) => {
      if (await slots.take(two, account)) served.push(account);
    };
    const asked = [
      ...Array.from({ length: 100 }, () => ask("greedy")),
      ask("modest"),
      ask("third"),
    ];
    for (let count = 0; count < asked.length; count += 1) slots.give(two);
    await Promise.all(asked);
    expect(served.slice(0, 4)).toEqual(["greedy", "modest", "third", "greedy"]);
    expect(served).toHaveLength(102);
  });

  it("keeps a hundred of one account waiting and a thousand of all, and refuses more at once", () => {
    const slots = new ProviderSlots();
    void slots.take(two, "a");
    void slots.take(two, "a");
    const waits = Array.from({ length: 100 }, () => slots.take(two, "a"));
    expect(waits.every((wait) => wait instanceof Promise)).toBe(true);
    expect(slots.take(two, "a")).toBe(false);
    for (let account = 1; account < 10; account += 1) {
      for (let count = 0; count < 100; count += 1) void slots.take(two, `account-${account}`);
    }
    expect(slots.take(two, "late")).toBe(false);
    vi.advanceTimersByTime(1_000);
    expect(slots.take(two, "late")).toBeInstanceOf(Promise);
  });

  it("never has more than two running, however many come and go", async () => {
    const slots = new ProviderSlots();
    let running = 0;
    let most = 0;
    const work = async (number: number) => {
      if (!(await slots.take(two, `account-${number % 7}`))) return false;
      running += 1;
      most = Math.max(most, running);
      await Promise.resolve();
      running -= 1;
      slots.give(two);
      return true;
    };
    const done = await Promise.all(Array.from({ length: 500 }, (_, number) => work(number)));
    expect({ most, running, served: done.filter(Boolean).length }).toEqual({
      ...{ most: 2, running: 0, served: 500 },
    });
  });
});
