import { describe, expect, it } from "vitest";
import type { AnalyticsWarehouse, LoggedDetails } from "../../src/usage/analytics.ts";
import { boundAnalytics } from "../../src/usage/analytics-room.ts";

type Asked = { readonly id: string; answer(): void; fail(error: Error): void };

/** A warehouse whose answers come when the test says so. */
function createWarehouse() {
  const asked: Asked[] = [];
  const request = (_accountId: string, id: string) => {
    const { promise, resolve, reject } = Promise.withResolvers<LoggedDetails | undefined>();
    asked.push({ id, answer: () => resolve(undefined), fail: reject });
    return promise;
  };
  const never = () => Promise.reject(new Error("not asked here"));
  const warehouse: AnalyticsWarehouse = {
    figures: never,
    requests: never,
    savings: never,
    request,
  };
  return { asked, warehouse };
}

const busy = { code: "service_unavailable", retryAfterMs: 2_000 };

/** Lets everything happen that waits for nothing but its turn. */
const settle = () => new Promise(setImmediate);

describe("analytics behind bounds", () => {
  it("asks one question at a time, in the order in which they came", async () => {
    const { asked, warehouse } = createWarehouse();
    const bound = boundAnalytics(warehouse);
    const ids = ["a", "b", "c"];
    const answers = ids.map((id) => bound.request("acme", id));
    for (let at = 0; at < ids.length; at++) {
      await settle();
      expect(asked.map((one) => one.id)).toEqual(ids.slice(0, at + 1));
      asked[at]?.answer();
      await answers[at];
    }
  });

  it("refuses what would wait behind too many", async () => {
    const { asked, warehouse } = createWarehouse();
    const bound = boundAnalytics(warehouse, { waitingMax: 1 });
    const both = [bound.request("acme", "a"), bound.request("acme", "b")];
    await expect(bound.request("acme", "c")).rejects.toMatchObject(busy);
    for (let at = 0; at < both.length; at++) {
      await settle();
      asked[at]?.answer();
    }
    expect(await Promise.all(both)).toEqual([undefined, undefined]);
  });

  it("gives up what takes too long, whether it runs or waits", async () => {
    const { asked, warehouse } = createWarehouse();
    const bound = boundAnalytics(warehouse, { timeoutMs: 20 });
    const given = await Promise.allSettled([
      bound.request("acme", "a"),
      bound.request("acme", "b"),
    ]);
    expect(given).toMatchObject([{ reason: busy }, { reason: busy }]);
    // The question that was given up still has the warehouse to itself.
    await expect(bound.request("acme", "c")).rejects.toMatchObject(busy);
    expect(asked.map(({ id }) => id)).toEqual(["a"]);
    asked[0]?.answer();
    await settle();
    const last = bound.request("acme", "d");
    await settle();
    asked[1]?.answer();
    expect(await last).toBeUndefined();
  });

  it("goes on after an error, which it passes on", async () => {
    const { asked, warehouse } = createWarehouse();
    const bound = boundAnalytics(warehouse);
    const [failing, next] = [bound.request("acme", "a"), bound.request("acme", "b")];
    const failed = expect(failing).rejects.toThrow("down");
    await settle();
    asked[0]?.fail(new Error("down"));
    await failed;
    await settle();
    asked[1]?.answer();
    expect(await next).toBeUndefined();
  });
});
