/** The books of a gateway, read through its own doors, and what they must say of what others saw. */
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { open } from "lmdb";
import { expect } from "vitest";
import { openTables, readEndOffset } from "../../src/usage/lmdb-tables.ts";
import { bearer } from "../e2e/doors.ts";
import { sendHttp1 } from "../e2e/rest-client.ts";
import type { Address } from "./traffic.ts";

/** One effective event. */
export type BookedEvent = {
  readonly event_id: string;
  readonly request_id: string;
  readonly rows: number;
  readonly rev: number;
  readonly kind: string;
  readonly outcome: string;
  readonly credits: number;
};

/** What the parties saw of the requests. */
export type Witnesses = {
  /** Request ids of whole answers. */
  readonly received: ReadonlySet<string>;
  /** Request ids of the calls that reached the upstream. */
  readonly called: ReadonlySet<string>;
};

/** What came out, for the suite to print. */
export type Verdict = {
  readonly received: number;
  readonly called: number;
  readonly events: number;
  /** Admitted, and free, as the gateway died. */
  readonly aborted: number;
  /** Calls of requests that were not admitted before the gateway died. */
  readonly unadmitted: number;
  readonly lost: number;
  readonly doubled: number;
};

const shards = 8;
const auditTimeoutMs = 60_000;

/** One answer of the warehouse, an object a row. */
export async function askWarehouse<Row>({ url, key }: Address, sql: string): Promise<Row[]> {
  const reply = await sendHttp1(url, {
    path: "/v1/admin/sql",
    headers: bearer(key),
    body: { sql },
  });
  expect(reply.status, reply.text).toBe(200);
  const { text } = JSON.parse(reply.text);
  return String(text)
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
}

/** Asks for the audit until the warehouse is open; its findings. An audit includes all that is recorded. */
async function audit({ url, key }: Address): Promise<{ severity: string }[]> {
  const endMs = performance.now() + auditTimeoutMs;
  for (;;) {
    const reply = await sendHttp1(url, { path: "/v1/admin/audit", headers: bearer(key) });
    if (reply.status === 200) return JSON.parse(reply.text).data;
    expect(reply.status, reply.text).toBe(503);
    expect(performance.now(), "the warehouse does not open").toBeLessThan(endMs);
    await wait(100);
  }
}

/** What a gateway's data folder holds, read beside it. */
export async function readDisk(dataDirectory: string) {
  const env = open({ path: join(dataDirectory, "usage"), readOnly: true, maxDbs: 8 });
  const tables = openTables(env);
  const status = { endOffset: readEndOffset(tables), openHolds: tables.holds.getKeysCount() };
  await env.close();
  return status;
}

/** Resolves when the warehouse has all that the log has. */
export async function caughtUp(admin: Address, dataDirectory: string): Promise<void> {
  await audit(admin);
  const { endOffset } = await readDisk(dataDirectory);
  const select = "SELECT toUInt32(max(log_offset) + 1) AS stored FROM usage_records";
  await expect
    .poll(() => askWarehouse(admin, select), { timeout: auditTimeoutMs, interval: 100 })
    .toEqual([{ stored: endOffset }]);
}

/** All effective events, after an audit that finds no error: rows that came twice are worth a notice only. */
export async function readBooks(admin: Address): Promise<BookedEvent[]> {
  const errors = async () => (await audit(admin)).filter(({ severity }) => severity === "error");
  // A batch that is being stored is in the events a moment before it is in the records.
  await expect.poll(errors, { timeout: 20_000, interval: 1_000 }).toEqual([]);
  const events: BookedEvent[] = [];
  for (let shard = 0; shard < shards; shard++) {
    events.push(
      ...(await askWarehouse<BookedEvent>(
        admin,
        `SELECT event_id, any(request_id) AS request_id, toUInt32(count()) AS rows, max(rev) AS rev,
           any(kind) AS kind, any(outcome) AS outcome, sum(credits_micro) / 1000000 AS credits
         FROM usage_events FINAL WHERE cityHash64(event_id) % ${shards} = ${shard} GROUP BY event_id`,
      )),
    );
  }
  return events;
}

/** Checks the books against the witnesses, event by event. */
export function judge(events: readonly BookedEvent[], { received, called }: Witnesses): Verdict {
  const requests = events.filter(({ kind }) => kind === "request");
  const byRequest = Map.groupBy(requests, ({ request_id }) => request_id);
  const charged = (requestId: string) =>
    (byRequest.get(requestId) ?? []).filter(({ credits }) => credits === 1);
  const lost = [...received].filter((requestId) => charged(requestId).length === 0);
  // The upstream is called while the hold is being written: who dies then has shown nobody an answer.
  const unadmitted = [...called].filter((requestId) => !byRequest.has(requestId));
  const doubled = requests.filter(
    ({ request_id, rows }) => rows !== 1 || byRequest.get(request_id)?.length !== 1,
  );
  const invented = requests.filter(
    ({ request_id, credits }) => credits > 0 && !called.has(request_id),
  );
  const aborted = requests.filter(({ rev }) => rev === 0);
  expect(aborted.filter(({ credits }) => credits !== 0)).toEqual([]);
  expect({ lost, doubled, invented }).toEqual({ lost: [], doubled: [], invented: [] });
  return {
    received: received.size,
    called: called.size,
    events: events.length,
    aborted: aborted.length,
    unadmitted: unadmitted.length,
    lost: lost.length,
    doubled: doubled.length,
  };
}
