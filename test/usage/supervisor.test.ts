import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it, vi } from "vitest";
import { systemClock } from "../../src/platform/clock.ts";
import type { Confirmation } from "../../src/usage/consumer-parts.ts";
import { toEventIdText } from "../../src/usage/event.ts";
import { type LmdbUsageLog, openLmdbUsageLog } from "../../src/usage/lmdb.ts";
import { openLmdbConsumerStore } from "../../src/usage/lmdb-store.ts";
import {
  type ConsumerProcess,
  type ConsumerSupervisor,
  forkConsumer,
  superviseConsumer,
} from "../../src/usage/supervisor.ts";
import { run } from "../setup/process.ts";
import { createDataFolder } from "./data-folder.ts";
import { periodId, sampleEvent } from "./sample-events.ts";

const entry = fileURLToPath(new URL("../fakes/consumer-process.ts", import.meta.url));
const credit = 1_000_000n;
const open: (ConsumerSupervisor | LmdbUsageLog)[] = [];

afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await ("stop" in one ? one.stop() : one.close());
});

/** A gateway's side: a log, and a supervised consumer in a process of its own. */
async function startGateway(folder = createDataFolder(), args: readonly string[] = []) {
  const log = await openLmdbUsageLog({
    path: `${folder}/log`,
    gatewayId: "gateway-1",
    clock: systemClock,
    reserveBytes: 4_096,
    onBroken: (cause) => expect.unreachable(String(cause)),
  });
  open.push(log);
  const seen = { confirmations: [] as Confirmation[], troubles: [] as string[] };
  const processes: ConsumerProcess[] = [];
  const supervisor = superviseConsumer({
    start: () => {
      const child = forkConsumer(entry, ["--folder", folder, ...args]);
      processes.push(child);
      return child;
    },
    deliveredOffset: () => log.status().confirmedOffset,
    onConfirmed: (confirmation) => {
      seen.confirmations.push(confirmation);
      void log.confirmed(confirmation.confirmedOffset);
    },
    onTrouble: (message) => seen.troubles.push(message),
    backoffMs: [1, 10],
  });
  open.push(supervisor);
  const confirmed = (offset: number) =>
    vi.waitFor(() => expect(log.status().confirmedOffset).toBe(offset), { timeout: 20_000 });
  return { folder, log, supervisor, seen, processes, confirmed };
}

async function append(log: LmdbUsageLog, count: number, accountId = "acme"): Promise<string[]> {
  const events = Array.from({ length: count }, () => sampleEvent({ accountId }));
  await Promise.all(events.map((event) => log.append(event)));
  return events.map(({ eventId }) => toEventIdText(eventId));
}

describe("the consumer's process", () => {
  it("confirms to the gateway what it has stored, and answers questions about it", async () => {
    const { log, supervisor, seen, confirmed } = await startGateway();
    const [eventId = ""] = await append(log, 10);
    await confirmed(10);
    const [sum] = seen.confirmations.at(-1)?.sums ?? [];
    expect(sum).toMatchObject({ accountId: "acme", periodId, version: { offset: 10 } });
    expect(sum?.baseByTierMicro.budget).toBe(10n * credit);
    const { text } = await supervisor.ask({
      kind: "sql",
      text: "SELECT count() FROM usage",
      format: "TSV",
    });
    expect(text).toBe("10\n");
    const { event } = await supervisor.ask({ kind: "event", accountId: "acme", eventId });
    expect(event?.creditsMicro).toBe(credit);
    const { sums } = await supervisor.ask({
      kind: "sums",
      accountIds: ["acme"],
      periodIds: [periodId],
    });
    expect(sums[0]?.microByTier.budget).toBe(10n * credit);
    const { findings } = await supervisor.ask({ kind: "audit" });
    expect(findings).toEqual([]);
    const wrong = supervisor.ask({
      kind: "sql",
      text: "DROP TABLE usage_events",
      format: undefined,
    });
    await expect(wrong).rejects.toMatchObject({ code: "invalid_request" });
  });

  it("writes bases that the gateway reads without it", async () => {
    const { folder, log, supervisor, confirmed } = await startGateway();
    await append(log, 3);
    await confirmed(3);
    await supervisor.stop();
    const records = openLmdbConsumerStore(`${folder}/consumer`, "read");
    expect(records.base("acme", periodId)?.microByTier.budget).toBe(3n * credit);
    expect(records.base("nobody", periodId)).toBeUndefined();
    await records.close();
  });

  it("is started again when it is killed, and loses and doubles nothing", async () => {
    const { log, processes, supervisor, confirmed } = await startGateway();
    const ids: string[] = [];
    for (let kill = 0; kill < 4; kill++) {
      ids.push(...(await append(log, 500)));
      await vi.waitFor(() => expect(processes).toHaveLength(kill + 1), { timeout: 10_000 });
      if (kill % 2 === 0) await vi.waitFor(() => expect(supervisor.ready).toBe(true), 10_000);
      processes.at(-1)?.kill();
    }
    await confirmed(2_000);
    const statement = "SELECT toString(event_id) FROM usage ORDER BY event_id";
    const { text } = await supervisor.ask({ kind: "sql", text: statement, format: "TSV" });
    expect(text.trim().split("\n").toSorted()).toEqual(ids.toSorted());
    const { findings } = await supervisor.ask({ kind: "audit" });
    expect(findings.filter(({ severity }) => severity === "error")).toEqual([]);
  });

  it("gives up a record of which it dies, and takes the others", async () => {
    const { folder, log, supervisor, seen, confirmed } = await startGateway(undefined, [
      "--deadly",
      "deadly",
    ]);
    await Promise.all([append(log, 3), append(log, 1, "deadly"), append(log, 3)]);
    await confirmed(7);
    expect(seen.troubles.length).toBeGreaterThanOrEqual(5);
    await supervisor.stop();
    const records = openLmdbConsumerStore(`${folder}/consumer`, "read");
    const dead = records.deadLetters("usage/0", 0, 10);
    expect(dead.map(({ offset, reason }) => ({ offset, reason }))).toEqual([
      { offset: 3, reason: "the consumer dies of it" },
    ]);
    expect(records.base("acme", periodId)?.microByTier.budget).toBe(6n * credit);
    await records.close();
  });

  it("refuses questions with service_unavailable while it starts", async () => {
    const { supervisor } = await startGateway();
    const asked = supervisor.ask({ kind: "audit" });
    await expect(asked).rejects.toMatchObject({ code: "service_unavailable" });
  });

  it("ends with the gateway that started it", async () => {
    const folder = createDataFolder();
    const { log } = await startGateway(folder);
    await append(log, 1);
    const script = `
      import { forkConsumer } from ${JSON.stringify(new URL("../../src/usage/supervisor.ts", import.meta.url).href)};
      const child = forkConsumer(${JSON.stringify(entry)}, ["--folder", ${JSON.stringify(`${folder}-2`)}]);
      process.stdout.write(child.pid + "\\n", () => process.kill(process.pid, "SIGKILL"));
    `;
    const { stdout } = await run(process.execPath, [
      "--input-type=module-typescript",
      "-e",
      script,
    ]);
    const pid = Number(stdout.trim());
    expect(pid).toBeGreaterThan(1);
    await vi.waitFor(() => expect(() => process.kill(pid, 0)).toThrow("ESRCH"), 5_000);
  });
});
