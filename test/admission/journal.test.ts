import { describe, expect, it } from "vitest";
import { Journal } from "../../src/admission/journal.ts";
import type { KnownRequest } from "../../src/admission/shared-counters.ts";
import { credit } from "./requests.ts";

const settlement = { accountId: "account", tier: "mid", creditsMicro: credit, tokens: 7 } as const;

function known(eventId: string): KnownRequest {
  return {
    eventId,
    accountId: "account",
    keyId: "key",
    periodId: "2026-04",
    admittedAtMs: 1,
    tokens: 100,
    heldMicro: credit,
    lowestMicro: credit,
    budgets: [],
    marginMicro: 0n,
    settled: undefined,
  };
}

function ids(entries: ReturnType<Journal["all"]>): string[] {
  return entries.map(({ request }) => request.eventId);
}

describe("the journal of a gateway", () => {
  it("has open requests and settled ones, these with their charge and tokens", () => {
    const journal = new Journal();
    journal.open(known("a"), true, 0);
    journal.open(known("b"), true, 0);
    expect(journal.settle("a", settlement, 1)).toBe(true);
    expect(journal.settle("nobody", settlement, 1)).toBe(false);
    expect(ids(journal.all()).toSorted()).toEqual(["a", "b"]);
    expect(journal.get("a")?.request).toMatchObject({
      tokens: 7,
      settled: { tier: "mid", creditsMicro: credit },
    });
  });

  it("tells what the shared counters do not know: local admissions and ends that they did not hear", () => {
    const journal = new Journal();
    journal.open(known("heard"), true, 0);
    journal.open(known("local"), false, 0);
    journal.open(known("ended"), true, 0);
    journal.settle("ended", settlement, 1);
    expect(ids(journal.unknown()).toSorted()).toEqual(["ended", "local"]);
    for (const entry of journal.unknown()) journal.known(entry);
    expect(journal.unknown()).toEqual([]);
  });

  it("does not take a request as known that has ended since it was handed in", () => {
    const journal = new Journal();
    journal.open(known("a"), false, 0);
    const [before] = journal.unknown();
    journal.settle("a", settlement, 1);
    if (before) journal.known(before);
    expect(ids(journal.unknown())).toEqual(["a"]);
  });

  it("forgets a free end once it is known, and a settled one when it is confirmed", () => {
    const journal = new Journal();
    journal.open(known("free"), true, 0);
    journal.open(known("charged"), true, 0);
    journal.release("free", 1);
    journal.settle("charged", settlement, 1);
    for (const entry of journal.unknown()) journal.known(entry);
    expect(ids(journal.all())).toEqual(["charged"]);
    journal.forget("charged");
    expect(journal.all()).toEqual([]);
  });

  it("keeps a settled request for 15 minutes, and longer only while it is not known", () => {
    const journal = new Journal();
    for (const eventId of ["known", "unknown"]) {
      journal.open(known(eventId), true, 0);
      journal.settle(eventId, settlement, 0);
    }
    const entry = journal.get("known");
    if (entry) journal.known(entry);
    journal.prune(15 * 60_000 - 1);
    expect(ids(journal.all())).toEqual(["known", "unknown"]);
    journal.prune(15 * 60_000);
    expect(ids(journal.all())).toEqual(["unknown"]);
  });

  it("keeps no more settled requests than its bound: the oldest go", () => {
    const journal = new Journal(2);
    for (const eventId of ["a", "b", "c"]) {
      journal.open(known(eventId), true, 0);
      journal.settle(eventId, settlement, 0);
    }
    expect(ids(journal.all())).toEqual(["b", "c"]);
  });
});
