import { describe, expect, it } from "vitest";
import { type BudgetUse, Thresholds, thresholdReached } from "../../src/chat/thresholds.ts";
import { EventKind, type UsageEvent } from "../../src/gen/optamil/v1/event_pb.ts";
import { toEventIdText } from "../../src/usage/event.ts";
import { findFlaw } from "../../src/usage/event-flaw.ts";

const wallMs = () => Date.UTC(2026, 3, 15, 12);

/** Thresholds over a log that takes events, or fails so many times before. */
function open({ failures = 0 } = {}) {
  const events: UsageEvent[] = [];
  const reached: number[] = [];
  const errors: unknown[] = [];
  let left = failures;
  const thresholds = new Thresholds({
    usageLog: {
      append: async (event) => {
        if (left-- > 0) throw new Error("full");
        events.push(event);
      },
    },
    onReached: (_use, percent) => reached.push(percent),
    onError: (error) => errors.push(error),
    wallMs,
  });
  const note = async (usedMicro: bigint, limitMicro = 1_000n) => {
    thresholds.note(use(usedMicro, limitMicro));
    await new Promise(setImmediate);
  };
  return { note, events, reached, errors };
}

function use(usedMicro: bigint, limitMicro: bigint): BudgetUse {
  const budget = { id: "tag:team-a", limitMicro };
  return { accountId: "acme", periodId: "2026-04", budget, usedMicro };
}

describe("the threshold that a budget has reached", () => {
  it.each([
    [1_000n, 0n, 0],
    [1_000n, 499n, 0],
    [1_000n, 500n, 50],
    [1_000n, 799n, 50],
    [1_000n, 800n, 80],
    [1_000n, 999n, 80],
    [1_000n, 1_000n, 100],
    [1_000n, 9_000n, 100],
    [3n, 1n, 0],
    [3n, 2n, 50],
    [0n, 5n, 0],
  ])("of %i, with %i used, is %i per cent", (limitMicro, usedMicro, percent) => {
    expect(thresholdReached(limitMicro, usedMicro)).toBe(percent);
  });
});

describe("thresholds", () => {
  it("are told once each, also those that one request passed together", async () => {
    const { note, events, reached } = open();
    for (const usedMicro of [100n, 500n, 600n, 1_000n, 1_100n]) await note(usedMicro);
    expect(reached).toEqual([50, 80, 100]);
    for (const event of events) expect(findFlaw(event)).toBeUndefined();
    expect(events[1]).toMatchObject({
      kind: EventKind.THRESHOLD,
      accountId: "acme",
      periodId: "2026-04",
      thresholdPercent: 80,
      creditsMicro: 0n,
      budgets: [{ id: "tag:team-a", limitMicro: 1_000n }],
      admittedAtUs: BigInt(wallMs()) * 1_000n,
    });
  });

  it("are the same events from every process, and others for another limit or part", async () => {
    const [one, other] = [open(), open()];
    for (const { note } of [one, other]) {
      await note(800n);
      await note(800n, 900n);
    }
    const ids = (events: readonly UsageEvent[]) =>
      events.map(({ eventId }) => toEventIdText(eventId));
    expect(ids(one.events)).toEqual(ids(other.events));
    expect(new Set(ids(one.events)).size).toBe(4);
    // UUIDv8, in the order of their periods.
    expect(ids(one.events)[0]).toMatch(/^019d4[0-9a-f]{3}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab]/);
  });

  it("that could not be recorded are told with the next request", async () => {
    const { note, reached, errors } = open({ failures: 1 });
    await note(500n);
    expect([reached, errors.length]).toEqual([[], 1]);
    await note(501n);
    expect(reached).toEqual([50]);
  });
});
