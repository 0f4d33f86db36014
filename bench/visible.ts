// `node bench/visible.ts [requests a second]`: how long after its answer a request stands in the embedded ClickHouse.
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { start } from "./processes.ts";

const perSecond = Number(process.argv[2] ?? 200);
const seconds = 20;
/** SQL may be asked 600 times a minute. */
const lookEveryMs = 150;
const lastLookMs = 10_000;
const startTriesMax = 100;
const folder = mkdtempSync(join(tmpdir(), "optamil-visible-"));
const agent = new Agent({ keepAlive: true });

type Answer = { readonly id: string; readonly text: string };

function call(url: string, key: string, body: object): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
    const sent = request(url, { agent, method: "POST", headers }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (piece) => {
        text += piece;
      });
      response.on("end", () => {
        if (response.statusCode !== 200) reject(new Error(`${response.statusCode} ${text}`));
        else resolve({ id: String(response.headers["x-request-id"]), text });
      });
    });
    sent.on("error", reject).end(JSON.stringify(body));
  });
}

const limits = { requestsPerMinute: 1e6, requestsPerDay: 1e8, tokensPerMinute: 1e9 };
const plans = [{ name: "business", creditsPerMonth: 1e8, ...limits }];
const config = join(folder, "config.json");
writeFileSync(config, JSON.stringify({ plans }));
const env = { OPTAMIL_DATA: join(folder, "data"), PORT: "0", OPTAMIL_LOG: "silent" };
const { child, match } = await start(["src/main.ts", "start"], /Base URL +(\S+)\/v1/, {
  ...env,
  OPTAMIL_CONFIG: config,
});
try {
  const url = match[1] ?? "";
  const key = readFileSync(join(env.OPTAMIL_DATA, "first-key"), "utf8").trim();
  const answeredAtMs = new Map<string, number>();
  const delaysMs: number[] = [];
  const sql = "SELECT request_id FROM usage WHERE finished_at > now() - 15";
  const look = async () => {
    const { text } = await call(`${url}/v1/admin/sql`, key, { sql, format: "TSV" });
    const nowMs = performance.now();
    for (const id of String(JSON.parse(text).text).split("\n")) {
      const atMs = answeredAtMs.get(id);
      if (atMs === undefined) continue;
      delaysMs.push(nowMs - atMs);
      answeredAtMs.delete(id);
    }
  };
  const chat = { model: "auto", messages: [{ role: "user", content: "Say hello." }] };
  const ask = async () => {
    const { id } = await call(`${url}/v1/chat/completions`, key, chat);
    answeredAtMs.set(id, performance.now());
  };
  // The consumer's process opens the warehouse beside a gateway that serves already.
  for (let tries = 0; tries < startTriesMax; tries += 1) {
    const isOpen = await look().then(
      () => true,
      () => false,
    );
    if (isOpen) break;
    await setTimeout(lookEveryMs);
  }
  const startedMs = performance.now();
  const asked: Promise<void>[] = [];
  let lookedMs = 0;
  while (performance.now() - startedMs < seconds * 1_000) {
    const due = Math.floor(((performance.now() - startedMs) / 1_000) * perSecond);
    while (asked.length < due) asked.push(ask());
    if (performance.now() - lookedMs > lookEveryMs) {
      lookedMs = performance.now();
      await look();
    }
    await setTimeout(5);
  }
  await Promise.all(asked);
  const endMs = performance.now() + lastLookMs;
  while (answeredAtMs.size > 0 && performance.now() < endMs) {
    await setTimeout(lookEveryMs);
    await look();
  }
  delaysMs.sort((one, other) => one - other);
  const at = (share: number) => (delaysMs[Math.floor(delaysMs.length * share)] ?? 0).toFixed(0);
  console.log(
    `${asked.length} requests at ${perSecond}/s; seen in ClickHouse after p50 ${at(0.5)} ms, p99 ${at(0.99)} ms; ` +
      `${answeredAtMs.size} not seen; looked every ${lookEveryMs} ms`,
  );
} finally {
  agent.destroy();
  child.kill("SIGTERM");
  await once(child, "exit");
  rmSync(folder, { recursive: true, force: true });
}
