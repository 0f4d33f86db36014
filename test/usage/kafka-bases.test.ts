import { describe, expect, it, onTestFinished } from "vitest";
import { openFleetBases } from "../../src/usage/kafka/bases.ts";
import type { KafkaTail } from "../../src/usage/kafka/tail.ts";
import { type AskedBase, askedIdsMax, nothingUsed } from "../../src/usage/warehouse.ts";

const periodId = "2026-04";
const pending = { eventId: "in-the-log", tier: "mid", creditsMicro: 5n } as const;

/** Bases of accounts whose stored events are given by id. */
function openBases(stored: readonly string[], tailOf: KafkaTail["read"] = readNoTail) {
  const questions: (readonly AskedBase[])[] = [];
  const bases = openFleetBases({
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

const readNoTail: KafkaTail["read"] = async () => ({
  baseByTierMicro: nothingUsed,
  version: { epoch: 1, offset: 9 },
  pending: [],
});

describe("what the counters of a fleet load", () => {
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
    const tailOf: KafkaTail["read"] = async (...asked) => {
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
