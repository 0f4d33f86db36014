// `node bench/fairness.ts`: what an account that asks for 100 times its limit does to the answers of another one.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { start } from "./processes.ts";

const rounds = Number(process.env["BENCH_ROUNDS"] ?? 10);
const roundMs = Number(process.env["BENCH_ROUND_MS"] ?? 4_000);
/** 800 a minute, below the 1,000 of plan Business. */
const otherEveryMs = 75;
/** Plan Starter has 60 requests a minute: 100 times that is one each 10 ms. */
const noisyPlan = "starter";
const noisyEveryMs = 10;

type Answer = { readonly status: number; readonly text: string };

function post(port: number, path: string, key: string, body: object): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
    const sent = request({ port, path, method: "POST", headers }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (piece: string) => {
        text += piece;
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
    });
    sent.on("error", reject);
    sent.end(JSON.stringify(body));
  });
}

/** Calls at an even pace for a round, whatever the answers take; resolves when all have ended. */
async function pace(everyMs: number, work: () => Promise<unknown>): Promise<void> {
  const all: Promise<unknown>[] = [];
  const endMs = performance.now() + roundMs;
  while (performance.now() < endMs) {
    all.push(work());
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
  await Promise.all(all);
}

function percentile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * share)] ?? Number.NaN;
}

const folder = mkdtempSync(join(tmpdir(), "optamil-bench-"));
const gateway = await start(["src/main.ts", "start"], /http:\/\/127\.0\.0\.1:(\d+)\/v1/, {
  OPTAMIL_DATA: folder,
  OPTAMIL_LOG: "silent",
  PORT: "0",
});
try {
  const port = Number(gateway.match[1]);
  const admin = readFileSync(join(folder, "first-key"), "utf8").trim();
  const open = async (plan: string) =>
    String(
      JSON.parse((await post(port, "/v1/admin/accounts", admin, { name: plan, plan })).text).key,
    );
  const [other, noisy] = [await open("business"), await open(noisyPlan)];
  const chat = { model: "auto", messages: [{ role: "user", content: "Say hello." }] };
  const chatPath = "/v1/chat/completions";
  const statuses = new Map<number, number>();
  const ask = async (key: string, times: number[]) => {
    const startedMs = performance.now();
    const { status } = await post(port, chatPath, key, chat);
    times.push(performance.now() - startedMs);
    return status;
  };
  const noise = async () => {
    const { status } = await post(port, chatPath, noisy, chat);
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
  };
  const alone: number[] = [];
  const beside: number[] = [];
  await pace(otherEveryMs, () => ask(other, []));
  for (let round = 0; round < rounds; round += 1) {
    await pace(otherEveryMs, () => ask(other, alone));
    await Promise.all([pace(otherEveryMs, () => ask(other, beside)), pace(noisyEveryMs, noise)]);
  }
  const row = (name: string, times: readonly number[]) =>
    `| ${name} | ${percentile(times, 0.5).toFixed(2)} | ${percentile(times, 0.99).toFixed(2)} | ${times.length} |\n`;
  process.stdout.write(
    `the noisy account got ${JSON.stringify(Object.fromEntries(statuses))}\n\n` +
      `| the other account | p50 ms | p99 ms | requests |\n| --- | --- | --- | --- |\n` +
      row("alone", alone) +
      row("beside it", beside),
  );
} finally {
  gateway.child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
}
