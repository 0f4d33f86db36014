import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { type UsageEvent, UsageEventSchema } from "../../src/gen/optamil/v1/event_pb.ts";
import { encodeEvent } from "../../src/usage/encode-event.ts";
import { readRecentRequests } from "../../src/usage/recent-requests.ts";
import { ManualClock } from "../admission/manual-clock.ts";
import { MemoryLogDisk, MemoryLogReader } from "../fakes/memory-usage-log.ts";
import { admittedAtMs, sampleEvent, sampleHold } from "./sample-events.ts";

/** An event of an account whose request was admitted and ended so many milliseconds after the sample's. */
function eventAt(fromMs: number, endMs: number, accountId = "acme"): UsageEvent {
  return create(UsageEventSchema, {
    ...sampleEvent({ accountId }),
    admittedAtUs: BigInt(admittedAtMs + fromMs) * 1_000n,
    finishedAtUs: BigInt(admittedAtMs + endMs) * 1_000n,
  });
}

function readAt(afterMs: number, events: readonly UsageEvent[]) {
  const disk = new MemoryLogDisk();
  for (const event of events) disk.appendBytes(encodeEvent(event));
  return readRecentRequests(new MemoryLogReader(disk), new ManualClock(admittedAtMs + afterMs));
}

describe("the requests of the last minute before a restart", () => {
  it("are those admitted in it, oldest first, with their key and tokens, by account", async () => {
    const events = [eventAt(0, 10), eventAt(50_000, 50_010, "other"), eventAt(40_000, 60_000)];
    events.push(eventAt(30_000, 61_000));
    const recent = await readAt(65_000, events);
    const { keyJti } = sampleEvent();
    const tokens = Number(sampleEvent().promptTokens + sampleEvent().completionTokens);
    const at = (ms: number) => ({ keyId: keyJti, admittedAtMs: admittedAtMs + ms, tokens });
    expect([...recent.keys()].toSorted()).toEqual(["acme", "other"]);
    expect(recent.get("acme")).toEqual([at(30_000), at(40_000)]);
    expect(recent.get("other")).toEqual([at(50_000)]);
  });

  it("are found behind thousands of later records", async () => {
    const later = Array.from({ length: 5_000 }, () => eventAt(20_000, 20_500, "other"));
    const recent = await readAt(21_000, [eventAt(19_000, 19_001), ...later]);
    expect(recent.get("acme")).toHaveLength(1);
    expect(recent.get("other")).toHaveLength(5_000);
  });

  it("include those that a crash ended, and nothing where the log is empty or old", async () => {
    expect((await readAt(1_000, [sampleHold({ accountId: "acme" })])).get("acme")).toHaveLength(1);
    expect((await readAt(1_000, [])).size).toBe(0);
    expect((await readAt(3_600_000, [eventAt(0, 10)])).size).toBe(0);
  });
});
