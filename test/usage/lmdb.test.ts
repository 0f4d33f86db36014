import { statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openLmdbUsageLog } from "../../src/usage/lmdb.ts";
import { openLmdbUsageLogReader } from "../../src/usage/lmdb-reader.ts";
import { ManualClock } from "../admission/manual-clock.ts";
import { describeUsageLog } from "../contracts/usage-log.ts";
import { createDataFolder } from "./data-folder.ts";
import { admittedAtMs, sampleEvent, sampleHold, sampleSettlement } from "./sample-events.ts";

const dayMs = 86_400_000;
const options = {
  gatewayId: "gateway-1",
  clock: new ManualClock(),
  reserveBytes: 4_096,
  onBroken: (cause: unknown) => expect.unreachable(String(cause)),
};

describeUsageLog("LMDB", async () => {
  const path = join(createDataFolder(), "log");
  return {
    open: (more) => openLmdbUsageLog({ ...options, ...more, path }),
    openReader: async () => openLmdbUsageLogReader(path),
    remove: async () => undefined,
  };
});

describe("the usage log in LMDB", () => {
  const all = { eventsMax: 1_000, bytesMax: 1e9 };

  it("keeps confirmed events for seven days, and unconfirmed ones for ever", async () => {
    const clock = new ManualClock();
    const log = await openLmdbUsageLog({ ...options, clock, path: createDataFolder() });
    for (let day = 0; day < 10; day++) {
      await Promise.all([log.append(sampleEvent()), log.append(sampleEvent())]);
      clock.advance(dayMs);
    }
    await log.confirmed(2);
    expect((await log.read(0, all)).firstOffset).toBe(2);
    clock.advance(60_000);
    await log.confirmed(20);
    const { firstOffset, records, endOffset } = await log.read(6, all);
    // Ten days have passed since the first two: those of the last seven days, and of today, are left.
    expect({ firstOffset, endOffset, left: records.length }).toEqual({
      firstOffset: 6,
      endOffset: 20,
      left: 14,
    });
    await log.close();
  });

  it("removes confirmed events within seconds where they are somewhere else, so that its file does not grow", async () => {
    const clock = new ManualClock();
    const path = createDataFolder();
    const log = await openLmdbUsageLog({ ...options, clock, path, confirmed: "gone" });
    const sizes: number[] = [];
    for (let turn = 1; turn <= 20; turn++) {
      await Promise.all(Array.from({ length: 1_000 }, () => log.append(sampleEvent())));
      clock.advance(1_000);
      // What is on its way is not confirmed yet.
      await log.confirmed(turn * 1_000 - 100);
      expect((await log.read(turn * 1_000 - 100, all)).firstOffset).toBe(turn * 1_000 - 100);
      sizes.push(statSync(join(path, "data.mdb")).size);
    }
    expect(sizes.at(-1)).toBeLessThan(2 * (sizes[2] ?? 0));
    clock.advance(1_000);
    await log.confirmed(20_000);
    await log.close();
    const again = await openLmdbUsageLog({ ...options, clock, path, confirmed: "gone" });
    expect(again.status()).toMatchObject({ endOffset: 20_000, confirmedOffset: 20_000 });
    await again.append(sampleEvent());
    expect((await again.read(20_000, all)).records).toHaveLength(1);
    await again.close();
  });

  it("keeps what a consumer that begins anew has not taken again, however old it is", async () => {
    const clock = new ManualClock();
    const log = await openLmdbUsageLog({ ...options, clock, path: createDataFolder() });
    for (let turn = 0; turn < 10; turn++) await log.append(sampleEvent());
    await log.confirmed(10);
    clock.advance(10 * dayMs);
    await log.append(sampleEvent());
    await log.confirmed(4);
    expect((await log.read(4, all)).firstOffset).toBe(4);
    clock.advance(60_000);
    await log.confirmed(11);
    expect((await log.read(10, all)).firstOffset).toBe(10);
    await log.close();
  });

  it("knows after a restart how often each key was admitted today, and forgets it tomorrow", async () => {
    const clock = new ManualClock(admittedAtMs);
    const path = createDataFolder();
    const log = await openLmdbUsageLog({ ...options, clock, path });
    const holds = [sampleHold(), sampleHold(), sampleHold({ accountId: "other" })];
    await Promise.all(holds.map((hold) => log.hold(hold)));
    await log.close();
    const again = await openLmdbUsageLog({ ...options, clock, path });
    await again.hold(sampleHold());
    const { keyJti } = sampleHold();
    expect(again.admittedToday("acme")).toEqual(new Map([[keyJti, 3]]));
    expect(again.admittedToday("other")).toEqual(new Map([[keyJti, 1]]));
    expect(again.admittedToday("nobody").size).toBe(0);
    await again.close();
    clock.advance(dayMs);
    const tomorrow = await openLmdbUsageLog({ ...options, clock, path });
    expect(tomorrow.admittedToday("acme").size).toBe(0);
    await tomorrow.close();
  });

  it("keeps its last event however old, so that offsets go on", async () => {
    const clock = new ManualClock();
    const path = createDataFolder();
    const log = await openLmdbUsageLog({ ...options, clock, path });
    await Promise.all([log.append(sampleEvent()), log.append(sampleEvent())]);
    clock.advance(30 * dayMs);
    await log.confirmed(2);
    await log.close();
    const again = await openLmdbUsageLog({ ...options, clock, path });
    expect(again.status()).toMatchObject({ endOffset: 2, confirmedOffset: 2 });
    expect((await again.read(0, all)).firstOffset).toBe(1);
    await again.close();
  });

  it("commits what comes in one turn together", async () => {
    const log = await openLmdbUsageLog({ ...options, path: createDataFolder() });
    let done = 0;
    const first = log.append(sampleEvent()).then(() => done++);
    const second = log.append(sampleEvent()).then(() => done++);
    await Promise.race([first, second]);
    await Promise.resolve();
    expect(done).toBe(2);
    await log.close();
  });

  it("writes no hold whose end comes in time: both are told of one commit, and it counts for the day", async () => {
    const clock = new ManualClock(admittedAtMs);
    const path = createDataFolder();
    const log = await openLmdbUsageLog({ ...options, clock, path, holdDelayMs: 60_000 });
    const hold = sampleHold();
    const told: string[] = [];
    const held = log.hold(hold).then(() => told.push("hold"));
    const ended = log.append(sampleSettlement(hold)).then(() => told.push("end"));
    await Promise.all([held, ended]);
    expect(told).toEqual(["hold", "end"]);
    expect(log.status()).toMatchObject({ openHolds: 0, endOffset: 1 });
    await log.close();
    const again = await openLmdbUsageLog({ ...options, clock, path });
    expect(again.status()).toMatchObject({ openHolds: 0, endOffset: 1 });
    expect(again.admittedToday("acme")).toEqual(new Map([[hold.keyJti, 1]]));
    await again.close();
  });

  it("writes a hold by itself after its delay, at once where somebody waits for it, and before it closes", async () => {
    const path = createDataFolder();
    const patient = await openLmdbUsageLog({ ...options, path, holdDelayMs: 60_000 });
    const hurried = patient.hold(sampleHold());
    patient.hurry();
    await hurried;
    expect(patient.status().openHolds).toBe(1);
    const last = patient.hold(sampleHold());
    await patient.close();
    await last;
    const again = await openLmdbUsageLog({ ...options, path });
    expect(again.status()).toMatchObject({ openHolds: 0, endOffset: 2 });
    await again.hold(sampleHold());
    expect(again.status().openHolds).toBe(1);
    await again.close();
  });

  it("gives a boot an epoch of its own although the clock was put back", async () => {
    const clock = new ManualClock();
    const path = createDataFolder();
    const first = await openLmdbUsageLog({ ...options, clock, path });
    await first.append(sampleEvent());
    await first.close();
    clock.jump(-3_600_000);
    const second = await openLmdbUsageLog({ ...options, clock, path });
    const event = sampleEvent();
    await second.append(event);
    expect(second.epoch).toBe(first.epoch);
    expect(event.bootEpoch).toBe(BigInt(first.epoch) + 1n);
    await second.close();
  });
});
