import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { UsageEvent } from "../../src/gen/optamil/v1/event_pb.ts";
import { audit } from "../../src/usage/audit.ts";
import { openChdbWarehouse } from "../../src/usage/chdb.ts";
import { Consumer } from "../../src/usage/consumer.ts";
import { openLmdbUsageLog } from "../../src/usage/lmdb.ts";
import { openLmdbConsumerStore } from "../../src/usage/lmdb-store.ts";
import { ManualClock } from "../admission/manual-clock.ts";
import { createRandom } from "../admission/traffic.ts";
import { createDataFolder } from "./data-folder.ts";
import { periodId, sampleHold, sampleSettlement } from "./sample-events.ts";

const requests = 2_000;
const accounts = ["one", "two", "three"];

/** Each of the events one to five times, in any order. */
function shuffled(events: readonly UsageEvent[], random: () => number): UsageEvent[] {
  const copies = events.flatMap((event) =>
    Array.from({ length: 1 + Math.floor(random() * 5) }, () => event),
  );
  const keyed = copies.map((event) => ({ event, key: random() }));
  return keyed.toSorted((one, other) => one.key - other.key).map(({ event }) => event);
}

describe("the log, the consumer and chDB together", () => {
  it("count each event once, however often and in whatever order it comes, and through a replay from 0", async () => {
    const [seed = 1] = fc.sample(fc.integer({ min: 1, max: 1e9 }), 1);
    const random = createRandom(seed);
    const folder = createDataFolder();
    const clock = new ManualClock();
    const onBroken = (cause: unknown) => expect.unreachable(String(cause));
    const log = await openLmdbUsageLog({
      ...{ path: join(folder, "log"), gatewayId: "gateway-1", clock, onBroken },
      reserveBytes: 4_096,
    });
    const expected = new Map(accounts.map((account) => [account, 0n]));
    const events = Array.from({ length: requests }, () => {
      const accountId = accounts[Math.floor(random() * accounts.length)] ?? "";
      const creditsMicro = BigInt(Math.floor(random() * 3_000_000));
      expected.set(accountId, (expected.get(accountId) ?? 0n) + creditsMicro);
      const hold = sampleHold({ accountId });
      return [hold, sampleSettlement(hold, { accountId, creditsMicro, tier: "mid" })];
    });
    const deliveries = shuffled(events.flat(), random);
    await Promise.all(deliveries.map((event) => log.append(event)));
    const warehouse = await openChdbWarehouse(join(folder, "warehouse"));
    const store = openLmdbConsumerStore(join(folder, "consumer"), "write");
    const limits = { eventsMax: 700, bytesMax: 1e9 };
    const start = () =>
      new Consumer({ log, warehouse, store, clock, limits, deliver: async () => undefined });
    const first = start();
    for (let step = 0; step < 9; step++) await first.step();
    // In mid-run the log is read again from its beginning.
    const { epoch } = log;
    const progress = { epoch, offset: 0, confirmedOffset: 0, trial: undefined };
    await store.save({ logName: log.name, progress });
    const second = start();
    for (let idle = 0; idle < 2; ) {
      const { records, confirmed } = await second.step();
      idle = records === 0 && !confirmed ? idle + 1 : 0;
      if (records === 0) clock.advance(10_000);
    }
    const sums = await warehouse.sums(accounts, [periodId]);
    const found = new Map(sums.map(({ accountId, microByTier }) => [accountId, microByTier.mid]));
    expect(found, `seed ${seed}`).toEqual(expected);
    for (const [accountId, micro] of expected) {
      expect(store.base(accountId, periodId)?.microByTier.mid).toBe(micro);
    }
    // Rows that came twice are told of as long as they are not merged.
    const findings = await audit({ warehouse, records: store });
    expect(findings.filter(({ severity }) => severity === "error")).toEqual([]);
    await Promise.all([warehouse.close(), store.close(), log.close()]);
  }, 60_000);
});
