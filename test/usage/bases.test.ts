import { describe, expect, it, onTestFinished } from "vitest";
import { createLogTail, type UsageTail } from "../../src/usage/account-tail.ts";
import { openUsageBases } from "../../src/usage/bases.ts";
import { encodeEvent } from "../../src/usage/encode-event.ts";
import { toEventIdText } from "../../src/usage/event.ts";
import { type AskedBase, askedIdsMax, nothingUsed } from "../../src/usage/warehouse.ts";
import { MemoryLogDisk, MemoryLogReader } from "../fakes/memory-usage-log.ts";
import { periodId, sampleEvent } from "./sample-events.ts";

const pending = { eventId: "in-the-log", tier: "mid", creditsMicro: 5n } as const;

/** Bases of accounts whose stored events are given by id. */
function openBases(stored: readonly string[], tailOf: UsageTail["read"] = readNoTail) {
  const questions: (readonly AskedBase[])[] = [];
  const bases = openUsageBases({
    openTail: async () => ({ read: tailOf, close: async () => undefined }),
    warehouse: {
      bases: async (asked) => {
        questions.push(asked);
        return asked.map(({ eventIds }) => ({
          microByTier: { ...nothingUsed, mid: 1n },
          includedIds: eventIds.filter((id) => stored.includes(id)),
        }));
      },
    },
  });
  onTestFinished(() => bases.close());
  return { bases, questions };
}

const readNoTail: UsageTail["read"] = async () => ({
  baseByTierMicro: nothingUsed,
  version: { epoch: 1, offset: 9 },
  pending: [],
});

describe("the tail of a log in this process", () => {
  it("gives what an account, or a budget of it, was charged beyond what is confirmed", async () => {
    const disk = new MemoryLogDisk();
    const budgets = [{ id: "tag:team-a", limitMicro: 9n }];
    const events = [
      sampleEvent({ tag: "team-a", budgets }),
      sampleEvent({ tag: "team-a" }),
      sampleEvent({ tag: "team-a", budgets }),
      sampleEvent({ accountId: "other", tag: "team-a", budgets }),
    ];
    for (const event of events) disk.appendBytes(encodeEvent(event));
    const log = new MemoryLogReader(disk);
    const progress = { epoch: log.epoch, offset: 1, confirmedOffset: 1, trial: undefined };
    const tail = createLogTail({
      log,
      records: { base: () => undefined, progress: () => progress },
    });
    const ofAccount = await tail.read("acme", periodId);
    const ofBudget = await tail.read("acme", periodId, "tag:team-a");
    const ids = events.map(({ eventId }) => toEventIdText(eventId));
    expect(ofAccount.pending.map(({ eventId }) => eventId)).toEqual(ids.slice(1, 3));
    expect(ofBudget.pending.map(({ eventId }) => eventId)).toEqual(ids.slice(2, 3));
    expect(ofBudget.strays?.map(({ eventId }) => eventId)).toEqual(ids.slice(1, 2));
    expect(ofBudget.version).toEqual({ epoch: log.epoch, offset: 1 });
  });
});

describe("what counters load by asking the warehouse", () => {
  it("is the stored sums, and of the log's tail what they do not include", async () => {
    const tailOf = async () => ({
      ...(await readNoTail("", "")),
      pending: [pending, { ...pending, eventId: "stored" }],
    });
    const { bases } = openBases(["stored", "mine"], tailOf);
    expect(await bases.read("account", periodId, ["mine", "in-the-log", "elsewhere"])).toEqual({
      baseByTierMicro: { ...nothingUsed, mid: 1n },
      version: { epoch: 1, offset: 9 },
      pending: [pending],
      includedIds: ["mine", "stored"],
    });
  });

  it("is of a budget also what its key or tag used before it was set, and is in no sum yet", async () => {
    const strays = [
      { ...pending, eventId: "stray" },
      { ...pending, eventId: "stored-stray" },
    ];
    const tailOf = async () => ({ ...(await readNoTail("", "")), pending: [pending], strays });
    const { bases } = openBases(["stored-stray", "mine"], tailOf);
    expect(await bases.read("account", periodId, ["mine"], "tag:team-a")).toEqual({
      baseByTierMicro: { ...nothingUsed, mid: 6n },
      version: { epoch: 1, offset: 9 },
      pending: [pending],
      includedIds: ["mine"],
    });
  });

  it("is asked for in one question for all accounts that are loaded at once", async () => {
    const { bases, questions } = openBases([]);
    await Promise.all(["a", "b", "c"].map((account) => bases.read(account, periodId, [])));
    expect(questions.map((asked) => asked.map(({ accountId }) => accountId))).toEqual([
      ["a", "b", "c"],
    ]);
  });

  it("names no more events in one question than the warehouse takes", async () => {
    const ids = Array.from({ length: 2 * askedIdsMax }, (_, at) => `event-${at}`);
    const { bases, questions } = openBases(ids);
    const [, big] = await Promise.all([
      bases.read("small", periodId, ["event-0"]),
      bases.read("big", periodId, ids),
    ]);
    expect(big?.includedIds).toEqual(ids);
    const counts = questions.map((asked) => asked.flatMap(({ eventIds }) => eventIds).length);
    expect(counts).toEqual([askedIdsMax, askedIdsMax, 1]);
  });

  it("is service_unavailable while the log cannot be read, and read again afterwards", async () => {
    let away = true;
    const tailOf: UsageTail["read"] = async (...asked) => {
      if (away) throw new Error("no broker");
      return readNoTail(...asked);
    };
    const { bases } = openBases([], tailOf);
    const error = { code: "service_unavailable", retryAfterMs: 2_000 };
    await expect(bases.read("a", periodId, [])).rejects.toMatchObject(error);
    away = false;
    expect(await bases.read("a", periodId, [])).toMatchObject({ pending: [] });
  });
});
