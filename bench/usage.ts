// `node bench/usage.ts [events]`: how fast GET /v1/usage and a start are with many events stored.
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { systemClock } from "../src/platform/clock.ts";
import { openChdbWarehouse } from "../src/usage/chdb.ts";
import { Consumer } from "../src/usage/consumer.ts";
import { openLmdbUsageLog } from "../src/usage/lmdb.ts";
import { openLmdbConsumerStore } from "../src/usage/lmdb-store.ts";
import { createEvent } from "./events.ts";
import { start } from "./processes.ts";

const eventCount = Number(process.argv[2] ?? 10_000_000);
const reads = 5_000;
/** Below what an account may read in a minute. */
const readsPerMinute = 500;
const smallAccounts = 10;
const starts = 3;
const eventsAtOnce = 10_000;
const consumerDeadlineMs = 60_000;
const askAgainMs = 250;
const folder = mkdtempSync(join(tmpdir(), "optamil-usage-"));
const agent = new Agent({ keepAlive: true, maxSockets: 4 });

type Account = { readonly id: string; readonly key: string };

function call(url: string, key: string, body?: object): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
    const sent = request(url, { agent, method: body ? "POST" : "GET", headers }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (piece) => {
        text += piece;
      });
      response.on("end", () => {
        if (response.statusCode === 200) resolve(text);
        else reject(new Error(`${response.statusCode} ${text}`));
      });
    });
    sent.on("error", reject).end(body && JSON.stringify(body));
  });
}

/** Starts a gateway on the folder, and says how long it takes until it serves. */
async function startGateway() {
  const startedMs = performance.now();
  const env = { OPTAMIL_DATA: folder, PORT: "0", OPTAMIL_LOG: "silent" };
  const { child, match } = await start(["src/main.ts", "start"], /Base URL +(\S+)\/v1/, env);
  const url = match[1] ?? "";
  await call(`${url}/readyz`, "");
  const startMs = performance.now() - startedMs;
  const stop = async () => {
    child.kill("SIGTERM");
    await once(child, "exit");
  };
  return { url, stop, startMs };
}

/** Waits until the consumer's process, which starts beside the gateway, has opened the warehouse. */
async function waitForConsumer(url: string, admin: string): Promise<void> {
  const deadlineMs = performance.now() + consumerDeadlineMs;
  for (;;) {
    try {
      await call(`${url}/v1/admin/sql`, admin, { sql: "SELECT 1" });
      return;
    } catch (cause) {
      if (performance.now() > deadlineMs) throw cause;
      await setTimeout(askAgainMs);
    }
  }
}

async function openAccounts(): Promise<Account[]> {
  const gateway = await startGateway();
  console.log(`start on an empty folder: ${gateway.startMs.toFixed(0)} ms`);
  const admin = readFileSync(join(folder, "first-key"), "utf8").trim();
  const accounts: Account[] = [];
  for (let number = 0; number <= smallAccounts; number++) {
    const body = { name: `bench-${number}`, plan: "business" };
    const { account, key } = JSON.parse(
      await call(`${gateway.url}/v1/admin/accounts`, admin, body),
    );
    accounts.push({ id: account.id, key });
  }
  await gateway.stop();
  return accounts;
}

/** Six of ten events are the first account's, some are the others', the rest of 5,000 that nobody asks about. */
async function fill([big, ...small]: readonly Account[]): Promise<void> {
  const log = await openLmdbUsageLog({
    ...{ path: join(folder, "usage"), gatewayId: "gateway-0", clock: systemClock },
    spoolEventsMax: Number.POSITIVE_INFINITY,
    onBroken: (cause) => {
      throw cause;
    },
  });
  const warehouse = await openChdbWarehouse(join(folder, "warehouse"));
  const store = openLmdbConsumerStore(join(folder, "consumer"), "write");
  const parts = { log, warehouse, store, clock: systemClock, deliver: async () => undefined };
  const consumer = new Consumer(parts);
  const accountOf = (number: number) => {
    if (number % 10 < 6) return big?.id ?? "";
    const one = small[Math.floor(number / 10) % 100];
    return one?.id ?? `account-${number % 5_000}`;
  };
  const startedMs = performance.now();
  for (let from = 0; from < eventCount; from += eventsAtOnce) {
    const events = Array.from({ length: Math.min(eventsAtOnce, eventCount - from) }, (_, at) =>
      createEvent(from + at, accountOf(from + at)),
    );
    await Promise.all(events.map((event) => log.append(event)));
    await consumer.step();
  }
  for (let lag = 1; lag > 0; ) ({ lag } = await consumer.step());
  await consumer.confirmAll();
  await log.confirmed(log.status().endOffset);
  const seconds = (performance.now() - startedMs) / 1_000;
  console.log(`recorded and carried into chDB: ${eventCount} events in ${seconds.toFixed(0)} s`);
  await Promise.all([warehouse.close(), store.close(), log.close()]);
}

async function measure(name: string, url: string, accounts: readonly Account[]): Promise<void> {
  const latenciesMs: number[] = [];
  let used = 0;
  const count = Math.min(reads, readsPerMinute * accounts.length);
  for (let read = 0; read < count; read++) {
    const { key } = accounts[read % accounts.length] ?? { key: "" };
    const startedMs = performance.now();
    const text = await call(`${url}/v1/usage`, key);
    latenciesMs.push(performance.now() - startedMs);
    if (read === 0) used = JSON.parse(text).credits_used;
  }
  const [firstMs = 0] = latenciesMs;
  latenciesMs.sort((one, other) => one - other);
  const at = (share: number) => (latenciesMs[Math.floor(count * share)] ?? 0).toFixed(2);
  console.log(
    `GET /v1/usage, ${name} (${used} credits used), ${count} reads: first ${firstMs.toFixed(1)} ms, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`,
  );
}

try {
  const accounts = await openAccounts();
  await fill(accounts);
  const startsMs: number[] = [];
  for (let start = 1; start < starts; start++) {
    const { stop, startMs } = await startGateway();
    startsMs.push(startMs);
    await stop();
  }
  const gateway = await startGateway();
  startsMs.push(gateway.startMs);
  const texts = startsMs.map((ms) => ms.toFixed(0)).join(", ");
  console.log(`starts with ${eventCount} events: ${texts} ms until /readyz is 200`);
  await waitForConsumer(gateway.url, readFileSync(join(folder, "first-key"), "utf8").trim());
  const [big, ...small] = accounts;
  if (big) await measure("the account with six of ten events", gateway.url, [big]);
  await measure(`${small.length} other accounts`, gateway.url, small);
  await gateway.stop();
} finally {
  agent.destroy();
  rmSync(folder, { recursive: true, force: true });
}
