// `node bench/refusals.ts`: whether the time of a refused credential at the door tells why it was refused.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { start } from "./processes.ts";
import { createRefused } from "./refused-credentials.ts";

const rounds = Number(process.env["BENCH_ROUNDS"] ?? 1_000);

const agent = new Agent({ keepAlive: true, maxSockets: 16 });

/** Asks with a credential that must be refused; gives the milliseconds until the whole answer was there. */
function time(port: number, credential: string): Promise<number> {
  const headers = { authorization: `Bearer ${credential}` };
  const startedMs = performance.now();
  return new Promise((resolve, reject) => {
    const sent = request({ agent, port, path: "/v1/models", headers }, (response) => {
      if (response.statusCode !== 401) reject(new Error(`${response.statusCode}, not 401`));
      response.resume().on("end", () => resolve(performance.now() - startedMs));
    });
    sent.on("error", reject);
    sent.end();
  });
}

function shuffled<Value>(values: readonly Value[]): Value[] {
  return values
    .map((value) => ({ value, rank: Math.random() }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ value }) => value);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

const folder = mkdtempSync(join(tmpdir(), "optamil-bench-"));
const config = join(folder, "config.yaml");
// More than this command sends: beyond it the answer is 429.
writeFileSync(config, "limits: {failedAuthPerMinute: 1000000}\n");
const gateway = await start(["src/main.ts", "start"], /http:\/\/127\.0\.0\.1:(\d+)\/v1/, {
  OPTAMIL_DATA: folder,
  OPTAMIL_CONFIG: config,
  OPTAMIL_LOG: "silent",
  PORT: "0",
});
try {
  const port = Number(gateway.match[1]);
  const victim = readFileSync(join(folder, "first-key"), "utf8").trim();
  const { keys } = JSON.parse(readFileSync(join(folder, "signing-keys"), "utf8"));
  // A signature whose characters are those of one and which fits nothing.
  const otherOf = (at: number) => `${victim.slice(0, -86)}${String(at % 10).repeat(85)}A`;
  const refused = createRefused({ jwk: keys[0], victim, otherOf });
  const times = new Map<string, number[]>(refused.map(([reason]) => [reason, []]));
  // All at one time and each round in another order, so that what else the machine does falls on them alike.
  for (let round = 0; round < rounds; round += 1) {
    const calls = refused.map(([reason, make]) => ({ reason, credential: make(round) }));
    const asked = shuffled(calls).map(async ({ reason, credential }) => {
      times.get(reason)?.push(await time(port, credential));
    });
    await Promise.all(asked);
  }
  process.stdout.write(`| refusal at the door, ${rounds} each | p50 ms |\n| --- | --- |\n`);
  for (const [reason, ms] of times)
    process.stdout.write(`| ${reason} | ${median(ms).toFixed(2)} |\n`);
  const medians = [...times.values()].map(median);
  const spread = (Math.max(...medians) / Math.min(...medians) - 1) * 100;
  process.stdout.write(`\nmedians differ by ${spread.toFixed(1)} %\n`);
} finally {
  agent.destroy();
  gateway.child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
}
