// `node bench/analytics.ts [events] [folder]`: a chart of 31 days, and chat requests beside a dashboard that refreshes in
// a loop. A folder that is named stays, and is taken as it is the next time on the same day.
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Session } from "chdb";
import { openChdbWarehouse } from "../src/usage/chdb.ts";
import { cpuSeconds, start } from "./processes.ts";

const eventCount = Number(process.argv[2] ?? 10_000_000);
/** So many that the first ones, which find nothing in memory, are no p99. */
const charts = 300;
const chatRequests = 20_000;
const rounds = 4;
const rowsAtOnce = 500_000;
const dayMs = 86_400_000;
/** The last event. */
const endMs = Date.now();
const keptFolder = process.argv[3];
const folder = keptFolder ?? mkdtempSync(join(tmpdir(), "optamil-analytics-"));
mkdirSync(folder, { recursive: true });
const agent = new Agent({ keepAlive: true, maxSockets: 8 });

/** A plan whose limits nobody reaches. */
const plan = {
  ...{ name: "bench", creditsPerMonth: 1_000_000, requestsPerMinute: 100_000 },
  ...{ requestsPerDay: 10_000_000, tokensPerMinute: 1_000_000_000 },
};

type Account = { readonly id: string; readonly key: string };
type Accounts = { readonly large: Account; readonly small: Account };

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
  const { child, match, pid } = await start(["src/main.ts", "start"], /Base URL +(\S+)\/v1/, env);
  process.once("exit", () => child.kill("SIGKILL"));
  const stop = async () => {
    child.kill("SIGTERM");
    await once(child, "exit");
  };
  return { url: match[1] ?? "", stop, pid };
}

/** Processor time of the gateway, and of the processes that it started, milliseconds. */
function cpuMs(pid: number): { readonly gateway: number; readonly warehouse: number } {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").split(" ");
  const seconds = children
    .filter((child) => child !== "")
    .map((child) => cpuSeconds(Number(child)));
  const warehouse = seconds.reduce((sum, one) => sum + one, 0);
  return { gateway: cpuSeconds(pid) * 1_000, warehouse: warehouse * 1_000 };
}

/** Six of ten events are the large account's, the rest of 2,000 others, the small one among them; 50 keys, each with its tag, and 8 models. */
function toInsert({ large, small }: Accounts, first: number, count: number): string {
  const stepUs = Math.floor((31 * dayMs * 1_000) / eventCount);
  const time =
    "substring(leftPad(lower(hex(toUInt64(toUnixTimestamp64Milli(at)))), 16, '0'), 5, 12)";
  return `INSERT INTO optamil.usage_events (account_id, period_id, event_id, rev, kind, outcome, key_id,
    request_id, admitted_at, finished_at, stream, ttft_ms, http_status, requested_model, served_model, tier,
    provider, prompt_tokens, completion_tokens, credits_micro, provider_cost_nanousd, baseline_cost_nanousd, tag)
  SELECT multiIf(number % 10 < 6, '${large.id}', number % 5000 = 9, '${small.id}', concat('account-', toString(number % 5000))),
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

async function fill(accounts: Accounts): Promise<void> {
  const path = join(folder, "warehouse");
  mkdirSync(path, { recursive: true });
  const warehouse = await openChdbWarehouse(path, { quietSeconds: 0 });
  const session = new Session(path);
  const startedMs = performance.now();
  for (let first = 0; first < eventCount; first += rowsAtOnce) {
    await session.queryAsync(toInsert(accounts, first, Math.min(rowsAtOnce, eventCount - first)));
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

/** Prints p50 and p99; gives p99. */
function tell(name: string, latenciesMs: readonly number[]): number {
  const sorted = latenciesMs.toSorted((one, other) => one - other);
  const at = (share: number) => sorted[Math.floor(sorted.length * share)] ?? 0;
  const [p50, p99] = [at(0.5), at(0.99)];
  console.log(
    `${name}, ${sorted.length} times: p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(2)} ms`,
  );
  return p99;
}

const day = (atMs: number) => new Date(atMs).toISOString().slice(0, 10);
/** Up to now, the present day among its days. */
const chart = `/v1/usage/series?from=${day(endMs - 30 * dayMs)}`;
const groups = ["none", "model", "tier", "key", "tag", "outcome"];
const chartAt = (number: number) => `${chart}&group_by=${groups[number % groups.length]}`;
const top = `/v1/usage/top?by=key&from=${day(endMs - 30 * dayMs)}`;

type Gateway = { readonly url: string; readonly pid: number };

async function measureCharts(
  name: string,
  { url, pid }: Gateway,
  key: string,
  pathAt: (number: number) => string = chartAt,
) {
  const latenciesMs: number[] = [];
  const before = cpuMs(pid);
  for (let number = 0; number < charts; number++) {
    const { status, text, ms } = await call(url + pathAt(number), key);
    if (status !== 200) throw new Error(`${status} ${text}`);
    latenciesMs.push(ms);
    // Questions that take more than a quarter of the time are slowed down, and 600 a minute are taken: that is the
    // dashboard's part, below.
    await new Promise((resolve) => setTimeout(resolve, Math.max(4 * ms, 110)));
  }
  const after = cpuMs(pid);
  tell(`31 days, ${name}`, latenciesMs);
  const each = (part: "gateway" | "warehouse") =>
    ((after[part] - before[part]) / charts).toFixed(1);
  console.log(
    `  processor time: ${each("warehouse")} ms the warehouse, ${each("gateway")} ms the gateway`,
  );
}

/** Chat requests one after the other, as much alone as they can be. */
async function measureChat(name: string, url: string, key: string): Promise<readonly number[]> {
  const messages = [{ role: "user", content: "Say hello." }];
  const latenciesMs: number[] = [];
  for (let number = 0; number < chatRequests; number++) {
    const answer = await call(`${url}/v1/chat/completions`, key, { model: "auto", messages });
    if (answer.status !== 200) throw new Error(answer.text);
    latenciesMs.push(answer.ms);
  }
  tell(name, latenciesMs);
  return latenciesMs;
}

/** Charts without a pause, until it is told to stop. */
function refreshInLoop(url: string, key: string): () => Promise<number> {
  let stopped = false;
  let drawn = 0;
  const loop = async () => {
    while (!stopped) {
      const { status } = await call(url + chartAt(drawn), key);
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

async function open(url: string, admin: string): Promise<Account> {
  const { text } = await call(`${url}/v1/admin/accounts`, admin, {
    name: "bench",
    plan: plan.name,
  });
  const { account, key } = JSON.parse(text);
  return { id: account.id, key };
}

/** Two accounts and what is stored of them. */
async function prepare(): Promise<Accounts> {
  const file = join(folder, `accounts-${eventCount}-${day(endMs)}.json`);
  if (existsSync(file)) return JSON.parse(readFileSync(file, "utf8"));
  const first = await startGateway();
  const admin = readFileSync(join(folder, "first-key"), "utf8").trim();
  const accounts = { large: await open(first.url, admin), small: await open(first.url, admin) };
  await first.stop();
  await fill(accounts);
  writeFileSync(file, JSON.stringify(accounts));
  return accounts;
}

try {
  const { large, small } = await prepare();
  const { url, stop, pid } = await startGateway();
  for (;;) {
    const { status } = await call(`${url}${chart}`, large.key);
    if (status === 200) break;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  const gateway = { url, pid };
  await measureCharts("charts of the account with six of ten events", gateway, large.key);
  const berlin = (number: number) => `${chartAt(number)}&time_zone=Europe/Berlin`;
  await measureCharts("the same in Berlin", gateway, large.key, berlin);
  await measureCharts("its keys with the most", gateway, large.key, () => top);
  await measureCharts("charts of an account with one of 5,000 events", gateway, small.key);
  await measureChat("a chat request to warm up", url, small.key);
  const alone: number[] = [];
  const beside: number[] = [];
  for (let round = 1; round <= rounds; round++) {
    alone.push(...(await measureChat(`a chat request alone, round ${round}`, url, small.key)));
    const end = refreshInLoop(url, large.key);
    const name = `a chat request beside a dashboard, round ${round}`;
    beside.push(...(await measureChat(name, url, small.key)));
    console.log(`charts that the dashboard drew meanwhile: ${await end()}`);
  }
  const p99 = tell("all of them alone", alone);
  const times = tell("all of them beside a dashboard", beside) / p99;
  console.log(`p99 beside a dashboard: ${times.toFixed(2)} times that alone`);
  await stop();
} finally {
  agent.destroy();
  if (keptFolder === undefined) rmSync(folder, { recursive: true, force: true });
}
