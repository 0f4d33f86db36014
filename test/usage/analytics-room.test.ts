import { describe, expect, it, vi } from "vitest";
import type {
  AnalyticsWarehouse,
  FiguresQuestion,
  FiguresRow,
  LoggedDetails,
} from "../../src/usage/analytics.ts";
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

const series: FiguresQuestion = {
  accountId: "acme",
  filters: { model: [], tier: [], provider: [], key: [], tag: [], outcome: [] },
  by: "none",
  order: "requests",
  groupsMax: 1,
  previousS: undefined,
  startsS: [0],
  endS: 86_400,
};

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

  it("gives who asks for the same figures meanwhile the same answer, and asks anew afterwards", async () => {
    const answers: (() => void)[] = [];
    const bound = boundAnalytics({
      ...createWarehouse().warehouse,
      figures: () =>
        new Promise<FiguresRow[]>((resolve) => {
          answers.push(() => resolve([]));
        }),
    });
    const both = [bound.figures(series), bound.figures({ ...series })];
    const other = bound.figures({ ...series, accountId: "globex" });
    await settle();
    expect(answers.length).toBe(1);
    answers[0]?.();
    expect(await both[0]).toBe(await both[1]);
    await settle();
    answers[1]?.();
    await other;
    const again = bound.figures(series);
    await settle();
    expect(answers.length).toBe(3);
    answers[2]?.();
    expect(await again).toEqual([]);
  });

  it("rests after questions without a pause, so that they take their share of the time", async () => {
    let nowMs = 0;
    const clock = { monotonicMs: () => nowMs };
    const { asked, warehouse } = createWarehouse();
    const bound = boundAnalytics(warehouse, { share: 0.5, burstMs: 50, clock });
    const answer = async (id: string, tookMs: number) => {
      const answered = bound.request("acme", id);
      await settle();
      expect(asked.at(-1)?.id).toBe(id);
      nowMs += tookMs;
      asked.at(-1)?.answer();
      await answered;
    };
    // The first 100 ms of answering are 50 more than their share: as much as is allowed.
    await answer("a", 100);
    // A pause as long as the answering makes up for it.
    nowMs += 100;
    await answer("b", 100);
    await answer("c", 400);
    const next = bound.request("acme", "d");
    await settle();
    expect(asked.at(-1)?.id).toBe("c");
    await vi.waitFor(() => expect(asked.at(-1)?.id).toBe("d"));
    asked.at(-1)?.answer();
    expect(await next).toBeUndefined();
  });
});
