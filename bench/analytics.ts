// `node bench/analytics.ts [events]`: a chart of 31 days, and chat requests beside a dashboard that refreshes in a loop.
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Session } from "chdb";
import { openChdbWarehouse } from "../src/usage/chdb.ts";
import { start } from "./processes.ts";

const eventCount = Number(process.argv[2] ?? 10_000_000);
/** So many that the first ones, which find nothing in memory, are no p99. */
const charts = 300;
const chatRequests = 500;
const rounds = 2;
const rowsAtOnce = 500_000;
const dayMs = 86_400_000;
/** The last whole day, so that no chart begins or ends within the events. */
const endMs = Math.floor(Date.now() / dayMs) * dayMs;
const folder = mkdtempSync(join(tmpdir(), "optamil-analytics-"));
const agent = new Agent({ keepAlive: true, maxSockets: 8 });

/** A plan whose limits nobody reaches. */
const plan = {
  ...{ name: "bench", creditsPerMonth: 1_000_000, requestsPerMinute: 100_000 },
  ...{ requestsPerDay: 10_000_000, tokensPerMinute: 1_000_000_000 },
};

type Answer = { readonly status: number; readonly text: string; readonly ms: number };

function call(url: string, key: string, body?: object): Promise<Answer> {
  const startedMs = performance.now();
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
    const sent = request(url, { agent, method: body ? "POST" : "GET", headers }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (piece) => {
        text += piece;
      });
      const status = response.statusCode ?? 0;
      response.on("end", () => resolve({ status, text, ms: performance.now() - startedMs }));
    });
    sent.on("error", reject).end(body && JSON.stringify(body));
  });
}

async function startGateway() {
  const file = join(folder, "optamil.json");
  writeFileSync(file, JSON.stringify({ plans: [plan] }));
  const env = { OPTAMIL_DATA: folder, OPTAMIL_CONFIG: file, PORT: "0", OPTAMIL_LOG: "silent" };
  const { child, match } = await start(["src/main.ts", "start"], /Base URL +(\S+)\/v1/, env);
  const stop = async () => {
    child.kill("SIGTERM");
    await once(child, "exit");
  };
  return { url: match[1] ?? "", stop };
}

/** Six of ten events are the account's, the rest of 5,000 others; 50 keys, each with its tag, and 8 models. */
function toInsert(accountId: string, first: number, count: number): string {
  const stepUs = Math.floor((31 * dayMs * 1_000) / eventCount);
  const time =
    "substring(leftPad(lower(hex(toUInt64(toUnixTimestamp64Milli(at)))), 16, '0'), 5, 12)";
  return `INSERT INTO optamil.usage_events (account_id, period_id, event_id, rev, kind, outcome, key_id,
    request_id, admitted_at, finished_at, stream, ttft_ms, http_status, requested_model, served_model, tier,
    provider, prompt_tokens, completion_tokens, credits_micro, provider_cost_nanousd, baseline_cost_nanousd, tag)
  SELECT if(number % 10 < 6, '${accountId}', concat('account-', toString(number % 5000))),
    formatDateTime(at, '%Y-%m'),
    toUUID(concat(substring(${time}, 1, 8), '-', substring(${time}, 9, 4), '-7',
      substring(lower(hex(rand64(1))), 1, 3), '-8', substring(lower(hex(rand64(2))), 1, 3), '-',
      substring(leftPad(lower(hex(rand64(3))), 16, '0'), 1, 12))),
    1, 'request', if(rand(4) % 20 = 0, 'upstream_error', 'stream_ok'), concat('key-', toString(number % 50)),
    toString(number), fromUnixTimestamp64Micro(${(endMs - 31 * dayMs) * 1_000} + number * ${stepUs}, 'UTC') AS at,
    at + toIntervalMillisecond(300 + rand(5) % 3000), true, 100 + rand(6) % 800, 200, 'auto',
    concat('model-', toString(number % 8)), ['free', 'budget', 'mid', 'premium', 'ultra'][1 + number % 8 % 5],
    'demo', rand(8) % 2000, rand(9) % 500, 1000000, 12345, 99999, concat('team-', toString(number % 50 % 5))
  FROM numbers(${first}, ${count})`;
}

async function fill(accountId: string): Promise<void> {
  const path = join(folder, "warehouse");
  mkdirSync(path, { recursive: true });
  const warehouse = await openChdbWarehouse(path, { quietSeconds: 0 });
  const session = new Session(path);
  const startedMs = performance.now();
  for (let first = 0; first < eventCount; first += rowsAtOnce) {
    await session.queryAsync(toInsert(accountId, first, Math.min(rowsAtOnce, eventCount - first)));
  }
  const filledMs = performance.now();
  let days = 0;
  while (await warehouse.rollUp()) days++;
  const seconds = (fromMs: number, toMs: number) => ((toMs - fromMs) / 1_000).toFixed(0);
  console.log(`stored ${eventCount} events in ${seconds(startedMs, filledMs)} s`);
  console.log(`rolled ${days} days up in ${seconds(filledMs, performance.now())} s`);
  session.close();
  await warehouse.close();
}

function tell(name: string, latenciesMs: number[]): void {
  const sorted = latenciesMs.toSorted((one, other) => one - other);
  const at = (share: number) => (sorted[Math.floor(sorted.length * share)] ?? 0).toFixed(1);
  console.log(`${name}, ${sorted.length} times: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`);
}

const day = (atMs: number) => new Date(atMs).toISOString().slice(0, 10);
const chart = `/v1/usage/series?from=${day(endMs - 31 * dayMs)}&to=${day(endMs)}`;
const groups = ["none", "model", "tier", "key", "tag", "outcome"];

async function measureCharts(url: string, keys: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, key] of Object.entries(keys)) {
    const latenciesMs: number[] = [];
    for (let number = 0; number < charts; number++) {
      const path = `${url}${chart}&group_by=${groups[number % groups.length]}`;
      const { status, text, ms } = await call(path, key);
      if (status !== 200) throw new Error(`${status} ${text}`);
      latenciesMs.push(ms);
    }
    tell(`a chart of 31 days, ${name}`, latenciesMs);
  }
}

/** Chat requests one after the other, as much alone as they can be. */
async function measureChat(name: string, url: string, key: string): Promise<void> {
  const messages = [{ role: "user", content: "Say hello." }];
  const latenciesMs: number[] = [];
  for (let number = 0; number < chatRequests; number++) {
    const answer = await call(`${url}/v1/chat/completions`, key, { model: "auto", messages });
    if (answer.status !== 200) throw new Error(answer.text);
    latenciesMs.push(answer.ms);
  }
  tell(`a chat request ${name}`, latenciesMs);
}

/** Charts without a pause, until it is told to stop. */
function refreshInLoop(url: string, key: string): () => Promise<number> {
  let stopped = false;
  let drawn = 0;
  const loop = async () => {
    while (!stopped) {
      const path = `${url}${chart}&group_by=${groups[drawn % groups.length]}`;
      const { status } = await call(path, key);
      if (status === 200) drawn++;
      else await new Promise((resolve) => setTimeout(resolve, 1_000));
    }
  };
  const running = loop();
  return async () => {
    stopped = true;
    await running;
    return drawn;
  };
}

async function open(url: string, admin: string): Promise<{ id: string; key: string }> {
  const { text } = await call(`${url}/v1/admin/accounts`, admin, {
    name: "bench",
    plan: plan.name,
  });
  const { account, key } = JSON.parse(text);
  return { id: account.id, key };
}

try {
  const first = await startGateway();
  const admin = readFileSync(join(folder, "first-key"), "utf8").trim();
  const large = await open(first.url, admin);
  const small = await open(first.url, admin);
  await first.stop();
  await fill(large.id);
  const { url, stop } = await startGateway();
  for (;;) {
    const { status } = await call(`${url}${chart}`, large.key);
    if (status === 200) break;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  await measureCharts(url, {
    "the account with six of ten events": large.key,
    "another one": small.key,
  });
  await measureChat("to warm up", url, small.key);
  for (let round = 1; round <= rounds; round++) {
    await measureChat(`alone, round ${round}`, url, small.key);
    const end = refreshInLoop(url, large.key);
    await measureChat(`beside a dashboard, round ${round}`, url, small.key);
    console.log(`charts that the dashboard drew meanwhile: ${await end()}`);
  }
  await stop();
} finally {
  agent.destroy();
  rmSync(folder, { recursive: true, force: true });
}
