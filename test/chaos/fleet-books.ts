/** What must be true of a fleet's books when everything is quiet, whatever happened before. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { open } from "lmdb";
import { expect, vi } from "vitest";
import { openAdmin } from "../../src/platform/kafka/client.ts";
import { openTopicReader } from "../../src/platform/kafka/reader.ts";
import { decodeEvent, toEventIdText } from "../../src/usage/event.ts";
import { usageTopics } from "../../src/usage/kafka/topics.ts";
import { openTables } from "../../src/usage/lmdb-tables.ts";
import { bearer } from "../e2e/doors.ts";
import { sendHttp1 } from "../e2e/rest-client.ts";
import { askWarehouse, judge, readBooks, type Verdict, type Witnesses } from "./books.ts";
import type { Fleet } from "./fleet.ts";

const all = { eventsMax: 10_000, bytesMax: 16 * 1024 * 1024 };
const waitForBrokers = { timeout: 60_000, interval: 200 };

/** How long a fleet may take to carry everything to the warehouse: what the acceptance grants. */
const settleTimeoutMs = 60_000;

type Usage = { readonly usedMicro: number; readonly usage: Record<string, number> };

/** Waits until the warehouse has all that the replicas have recorded; gives the milliseconds that took. */
export async function settled(fleet: Fleet): Promise<number> {
  const startedMs = performance.now();
  // In this order: what is in no outbox any more is in Kafka.
  const recorded = new Set([...(await readOutboxes(fleet)), ...(await readTopic(fleet))]);
  const admin = await fleet.address();
  const stored = async () => {
    const select = "SELECT toUInt32(count()) AS events FROM usage_events FINAL";
    const [row] = await askWarehouse<{ events: number }>(admin, select);
    return row?.events;
  };
  await expect.poll(stored, { timeout: settleTimeoutMs, interval: 250 }).toBe(recorded.size);
  return Math.round(performance.now() - startedMs);
}

/** Checks the books event by event, and each account's usage against the warehouse, to the unit. */
export async function checkFleet(
  fleet: Fleet,
  keys: readonly string[],
  witnesses: Witnesses,
): Promise<Verdict> {
  const admin = await fleet.address();
  const verdict = judge(await readBooks(admin), witnesses);
  const { url } = admin;
  for (const key of keys) {
    await expect
      .poll(() => compareUsage(admin, url, key), { timeout: settleTimeoutMs, interval: 500 })
      .toEqual({ difference: 0, tiers: 0, total: 0 });
  }
  return verdict;
}

/** Ids of the events that the replicas, and workers of theirs, still have on disk, and that no hold is open. */
async function readOutboxes({ replicas }: Fleet): Promise<ReadonlySet<string>> {
  const ids = new Set<string>();
  const folders = await Promise.all(replicas.map(({ dataDirectory }) => foldersOf(dataDirectory)));
  for (const folder of folders.flat()) {
    // What a client has left may still be on its way to its end.
    await expect.poll(() => countHolds(folder), { timeout: settleTimeoutMs }).toBe(0);
    const env = open({ path: join(folder, "usage"), readOnly: true, maxDbs: 8 });
    const { log } = openTables(env);
    for (const { value } of log.getRange({})) ids.add(toEventIdText(decodeEvent(value).eventId));
    await env.close();
  }
  return ids;
}

/** Ids of all events in Kafka. */
async function readTopic({ kafka }: Fleet): Promise<ReadonlySet<string>> {
  const connection = { brokers: kafka.bootstrap, clientId: "books" };
  const admin = openAdmin(connection);
  const { topics } = await admin.use((client) =>
    client.fetchTopicMetadata({ topics: [usageTopics.usage] }),
  );
  await admin.close();
  const reader = openTopicReader(connection, usageTopics.usage);
  const ids = new Set<string>();
  for (const { partitionId } of topics[0]?.partitions ?? []) {
    const log = reader.partition(partitionId, 1);
    for (let offset = 0; ; ) {
      const { records, endOffset } = await vi.waitFor(() => log.read(offset, all), waitForBrokers);
      for (const { bytes } of records) ids.add(toEventIdText(decodeEvent(bytes).eventId));
      offset += records.length;
      if (offset >= endOffset) break;
    }
  }
  await reader.close();
  return ids;
}

async function foldersOf(dataDirectory: string): Promise<string[]> {
  const names = await readdir(dataDirectory);
  const ofWorkers = names.filter((name) => name.startsWith("worker-"));
  return [dataDirectory, ...ofWorkers.map((name) => join(dataDirectory, name))];
}

async function countHolds(dataDirectory: string): Promise<number> {
  const env = open({ path: join(dataDirectory, "usage"), readOnly: true, maxDbs: 8 });
  const count = openTables(env).holds.getKeysCount();
  await env.close();
  return count;
}

/** How far an account's usage is from the warehouse's sum, and from adding up, in micro-credits. */
async function compareUsage(admin: { url: string; key: string }, url: string, key: string) {
  const { usedMicro, usage } = await readUsage(url, key);
  const [row] = await askWarehouse<{ micro: number }>(
    admin,
    `SELECT toInt64(sum(credits_micro)) AS micro FROM usage_events FINAL
     WHERE account_id = '${accountOf(key)}'`,
  );
  const { credits_used: used = 0, credits_remaining: left = 0, credits_total: total = 0 } = usage;
  const tiers = Object.values(usage["tier_breakdown"] ?? {}).reduce((sum, tier) => sum + tier, 0);
  return {
    difference: usedMicro - Number(row?.micro ?? 0),
    tiers: tiers - used,
    total: used + left - total,
  };
}

async function readUsage(url: string, key: string): Promise<Usage> {
  const reply = await sendHttp1(url, { path: "/v1/usage", headers: bearer(key) });
  expect(reply.status, reply.text).toBe(200);
  const usage = JSON.parse(reply.text);
  return { usage, usedMicro: Math.round(usage.credits_used * 1_000_000) };
}

/** The account in a key's claims. */
export function accountOf(key: string): string {
  const [, claims = ""] = key.split(".");
  return String(JSON.parse(Buffer.from(claims, "base64url").toString()).sub);
}
