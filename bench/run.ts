// `npm run bench`: CPU per request of the gateway beside a bare proxy, in the same interleaved run.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runLoad } from "./load.ts";
import { cpuSeconds, type Measured, residentMegabytes, start } from "./processes.ts";

const rounds = Number(process.env["BENCH_ROUNDS"] ?? 7);
const roundMs = Number(process.env["BENCH_ROUND_MS"] ?? 1_500);
const connections = 64;

/** A 1.1 kB request of three messages. */
function requestBody(model: string): string {
  const text = "The quick brown fox jumps over the lazy dog. ".repeat(10);
  return JSON.stringify({
    model,
    messages: [
      { role: "system", content: "You are a helpful assistant." },
      { role: "user", content: text },
      { role: "assistant", content: "Understood." },
      { role: "user", content: text },
    ],
    temperature: 0.7,
    max_tokens: 256,
  });
}

type Target = {
  readonly name: string;
  readonly process: Measured;
  readonly port: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
};
type Sample = { cpuUs: number; requestsPerSecond: number };

async function measure(target: Target): Promise<Sample> {
  const before = cpuSeconds(target.process.pid);
  const { requests, seconds } = await runLoad({ ...target, connections, durationMs: roundMs });
  const cpu = cpuSeconds(target.process.pid) - before;
  return { cpuUs: (cpu / requests) * 1e6, requestsPerSecond: requests / seconds };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function listeningPort({ match }: Measured): number {
  return Number(match[1]);
}

async function startGateway(folder: string, upstreamPort: number): Promise<Target[]> {
  const config = join(folder, "config.yaml");
  writeFileSync(
    config,
    JSON.stringify({
      providers: [
        {
          name: "bench",
          kind: "openai",
          baseUrl: `http://127.0.0.1:${upstreamPort}/v1`,
          models: ["bench-model"],
        },
      ],
      models: [{ name: "bench-model", tier: "free", provider: "bench" }],
      plans: [
        {
          name: "business",
          creditsPerMonth: 1_000_000_000,
          requestsPerMinute: 1_000_000_000,
          requestsPerDay: 1_000_000_000,
          tokensPerMinute: 4_000_000_000,
        },
      ],
    }),
  );
  const data = join(folder, "data");
  const gateway = await start(["src/main.ts", "start"], /http:\/\/127\.0\.0\.1:(\d+)\/v1/, {
    OPTAMIL_CONFIG: config,
    OPTAMIL_DATA: data,
    PORT: "0",
  });
  const key = readFileSync(join(data, "first-key"), "utf8").trim();
  const common = {
    process: gateway,
    port: listeningPort(gateway),
    path: "/v1/chat/completions",
    headers: { authorization: `Bearer ${key}` },
  };
  return [
    { ...common, name: "optamil, explicit model", body: requestBody("bench-model") },
    { ...common, name: "optamil, auto", body: requestBody("auto") },
  ];
}

const folder = mkdtempSync(join(tmpdir(), "optamil-bench-"));
const started: Measured[] = [];
try {
  const upstream = await start(["bench/mock-upstream.ts"], /listening (\d+)/);
  started.push(upstream);
  const origin = `http://127.0.0.1:${listeningPort(upstream)}`;
  const proxy = await start(["bench/bare-proxy.ts", origin], /listening (\d+)/);
  started.push(proxy);
  const gateways = await startGateway(folder, listeningPort(upstream));
  started.push(...gateways.slice(0, 1).map(({ process }) => process));
  const bare: Target = {
    name: "bare node:http + undici dispatch",
    process: proxy,
    port: listeningPort(proxy),
    path: "/v1/chat/completions",
    headers: {},
    body: requestBody("bench-model"),
  };
  const targets = [bare, ...gateways];
  const samples = new Map<Target, Sample[]>(targets.map((target) => [target, []]));
  for (const target of targets) await measure(target);
  for (let round = 0; round < rounds; round++) {
    for (const target of targets) samples.get(target)?.push(await measure(target));
  }
  report(targets, samples);
} finally {
  for (const { child } of started) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
}

function report(targets: readonly Target[], samples: ReadonlyMap<Target, Sample[]>): void {
  const [bare] = targets;
  const unit = bare && samples.get(bare);
  process.stdout.write(
    `${rounds} interleaved rounds of ${roundMs} ms, ${connections} connections, medians\n\n` +
      "| target | CPU µs/request | ÷ bare | requests/s | ÷ bare | MB |\n" +
      "| --- | --- | --- | --- | --- | --- |\n",
  );
  for (const target of targets) {
    const own = samples.get(target) ?? [];
    const ratio = (field: keyof Sample) =>
      median(own.map((sample, round) => sample[field] / (unit?.[round]?.[field] ?? Number.NaN)));
    const cells = [
      target.name,
      median(own.map(({ cpuUs }) => cpuUs)).toFixed(0),
      ratio("cpuUs").toFixed(2),
      median(own.map(({ requestsPerSecond }) => requestsPerSecond)).toFixed(0),
      ratio("requestsPerSecond").toFixed(2),
      residentMegabytes(target.process.pid),
    ];
    process.stdout.write(`| ${cells.join(" | ")} |\n`);
  }
}
