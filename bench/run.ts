// `npm run bench`: what a request costs the gateway beside a bare proxy, in the same interleaved run.
//
// --json prints JSON; --short measures little in a minute; --check fails where a ratio is far above the recorded one;
// --peers measures other gateways too, which it installs from their registries.
// BENCH_ROUNDS and BENCH_ROUND_MS set how much is measured.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../src/platform/clock.ts";
import { createUuidSource } from "../src/platform/uuid.ts";
import { createHold } from "../src/usage/event.ts";
import { openLmdbUsageLog } from "../src/usage/lmdb.ts";
import { runGrpcLoad, toGrpcBody } from "./grpc-load.ts";
import { type Latency, runLoad, runPaced } from "./load.ts";
import { type Peer, startPeers } from "./peers.ts";
import { cpuSeconds, type Running, residentMegabytes } from "./processes.ts";
import { burstModel, eventsPerStream, pacedModel, toBody, unaryModel } from "./requests.ts";
import { chatPath, startTargets, type Target, type Targets } from "./targets.ts";
import { measureWorkers } from "./workers.ts";

const withPeers = process.argv.includes("--peers");
const isShort = process.argv.includes("--short");
const rounds = Number(process.env["BENCH_ROUNDS"] ?? (isShort ? 5 : 9));
const roundMs = Number(process.env["BENCH_ROUND_MS"] ?? (isShort ? 1_000 : 1_500));
/** Until the runtime has compiled what is hot: a proxy of a hundred lines is there sooner than a gateway. */
const warmUpMs = isShort ? 2_000 : 8_000;
/** Above so much of the recorded ratio `--check` fails: below that the machine decides. */
const regressionFactor = 1.5;

/** A figure of the acceptance table: what is sent, and where else it is sent for comparison. */
type Figure = {
  readonly id: string;
  readonly name: string;
  readonly goal: number;
  readonly unit: "bare" | "echo";
  readonly body: string;
  /** What one answer counts for. */
  readonly events: number;
  readonly connections: number;
};

const unary = { unit: "bare", events: 1, connections: 64 } as const;
const stream = { unit: "bare", events: eventsPerStream } as const;
const figures: readonly Figure[] = [
  { ...unary, id: "unary", name: "unary, explicit model", goal: 1.5, body: toBody(unaryModel) },
  { ...unary, id: "auto", name: "unary, `auto`", goal: 1.6, body: toBody("auto") },
  {
    ...{ ...unary, connections: 16, id: "large", name: "unary, 200 kB body", goal: 1.3 },
    body: toBody(unaryModel, { bytes: 200_000 }),
  },
  {
    ...{ ...stream, connections: 16, id: "burst", name: "SSE burst, an event", goal: 1.2 },
    body: toBody(burstModel, { stream: true }),
  },
  {
    ...{ ...stream, connections: 32, id: "paced", name: "SSE every 20 ms, an event", goal: 1.1 },
    body: toBody(pacedModel, { stream: true }),
  },
  {
    ...{ ...unary, unit: "echo", id: "grpc", name: "gRPC unary ÷ connect-node echo", goal: 1.3 },
    body: toGrpcBody(unaryModel),
  },
];
const shortFigures: readonly string[] = ["unary", "auto", "burst"];

type Sample = { readonly cpuUs: number; readonly perSecond: number };
type Result = { readonly figure: Figure; readonly unit: Sample[]; readonly own: Sample[] };

async function measure(figure: Figure, target: Target, durationMs = roundMs): Promise<Sample> {
  const before = cpuSeconds(target.process.pid);
  const run = figure.unit === "echo" ? runGrpcLoad : runLoad;
  const load = { ...target, ...figure, path: chatPath, durationMs };
  const { requests, seconds } = await run(load);
  const cpu = cpuSeconds(target.process.pid) - before;
  const count = requests * figure.events;
  return { cpuUs: (cpu / count) * 1e6, perSecond: count / seconds };
}

async function measureAll(targets: Targets): Promise<Result[]> {
  const wanted = figures.filter(({ id }) => !isShort || shortFigures.includes(id));
  const results = wanted.map((figure): Result => ({ figure, unit: [], own: [] }));
  for (const { figure } of results) {
    await measure(figure, targets[figure.unit], warmUpMs / 4);
    await measure(figure, targets.gateway, warmUpMs);
  }
  for (let round = 0; round < rounds; round++) {
    for (const { figure, unit, own } of results) {
      unit.push(await measure(figure, targets[figure.unit]));
      own.push(await measure(figure, targets.gateway));
    }
  }
  return results;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function toRow({ figure, unit, own }: Result) {
  const ratio = (field: keyof Sample) =>
    median(own.map((sample, round) => sample[field] / (unit[round]?.[field] ?? Number.NaN)));
  return {
    id: figure.id,
    figure: figure.name,
    unitUs: median(unit.map(({ cpuUs }) => cpuUs)),
    ownUs: median(own.map(({ cpuUs }) => cpuUs)),
    ratio: ratio("cpuUs"),
    goal: figure.goal,
    throughputRatio: ratio("perSecond"),
  };
}

/** Median latencies at 200 requests/s, of the upstream itself, by the proxy and by the gateway; and of a durable commit. */
async function measureLatency({ upstream, bare, gateway }: Targets, folder: string) {
  const load = { path: chatPath, body: toBody(unaryModel), connections: 64, durationMs: 3_000 };
  const ask = async (target: Target) => {
    const latencies = await runPaced({ ...target, ...load }, 200);
    const p50 = (field: keyof Latency) => median(latencies.map((one) => one[field]));
    return { firstMs: p50("firstMs"), endMs: p50("endMs") };
  };
  const [direct, ofBare, ofGateway] = [await ask(upstream), await ask(bare), await ask(gateway)];
  const commitMs = await measureCommit(join(folder, "commits"));
  return { p50: { direct, bare: ofBare, gateway: ofGateway }, commitMs };
}

/** Median of what one event takes to be on disk, with nothing else to do. */
async function measureCommit(path: string): Promise<number> {
  const uuids = createUuidSource(systemClock);
  const onBroken = (cause: unknown) => {
    throw cause;
  };
  const log = await openLmdbUsageLog({ path, gatewayId: "bench", clock: systemClock, onBroken });
  const times: number[] = [];
  for (let at = 0; at < 200; at++) {
    const event = createHold({
      ...{ eventId: uuids.text(), accountId: uuids.text(), keyId: uuids.text() },
      ...{ periodId: "2026-11", admittedAtMs: systemClock.wallMs(), requestedModel: unaryModel },
      ...{ stream: false, holdMicro: 1_000_000n, scheduleVersion: 1, requestId: uuids.text() },
    });
    const startedMs = performance.now();
    await log.append(event);
    times.push(performance.now() - startedMs);
  }
  await log.close();
  return median(times);
}

/** What a unary request costs other gateways, beside ours in the same rounds. */
async function measurePeers(targets: Targets, peers: readonly Peer[]) {
  const unaryFigure = figures[0] as Figure;
  const times = peers.map(() => [] as number[]);
  const own: number[] = [];
  for (const { target, connections } of peers) {
    await measure({ ...unaryFigure, connections }, target, warmUpMs);
  }
  for (let round = 0; round < rounds; round++) {
    const { cpuUs } = await measure(unaryFigure, targets.gateway);
    own.push(cpuUs);
    for (const [at, { target, connections }] of peers.entries()) {
      times[at]?.push((await measure({ ...unaryFigure, connections }, target, 2 * roundMs)).cpuUs);
    }
  }
  return peers.map(({ name, goal }, at) => ({
    ...{ name, goal, cpuUs: median(times[at] ?? []) },
    ratio: median((times[at] ?? []).map((cpuUs, round) => cpuUs / (own[round] ?? Number.NaN))),
  }));
}

function print(report: Awaited<ReturnType<typeof runAll>>): void {
  const lines = [
    `${report.machine}, ${rounds} interleaved rounds of ${roundMs} ms, medians`,
    "",
    "| figure | CPU µs, unit | CPU µs, Optamil | ÷ unit | goal | throughput ÷ unit |",
    "| --- | --- | --- | --- | --- | --- |",
    ...report.rows.map(
      (row) =>
        `| ${row.figure} | ${row.unitUs.toFixed(1)} | ${row.ownUs.toFixed(1)} | ${row.ratio.toFixed(2)} | ${row.goal} | ${row.throughputRatio.toFixed(2)} |`,
    ),
    "",
    `memory: idle ${report.idleMegabytes} MB (goal 100), loaded ${report.loadedMegabytes} MB (goal 160)`,
    `cold start to the first answer: ${report.coldStartMs.toFixed(0)} ms (goal 2,000)`,
  ];
  const { p50: latencies, commitMs } = report.latency ?? {};
  for (const [name, { firstMs, endMs }] of Object.entries(latencies ?? {})) {
    const p50 = `${firstMs.toFixed(2)} ms to the first byte, ${endMs.toFixed(2)} ms to the end`;
    lines.push(`p50 at 200 requests/s, ${name}: ${p50}`);
  }
  if (commitMs !== undefined) lines.push(`p50 of one durable commit: ${commitMs.toFixed(2)} ms`);
  if (report.workers !== undefined) lines.push(tellWorkers(report.workers));
  for (const { name, cpuUs, ratio, goal } of report.peers ?? []) {
    lines.push(
      `${name}, unary: ${cpuUs.toFixed(0)} µs, ${ratio.toFixed(1)} times ours (goal ${goal})`,
    );
  }
  process.stdout.write(`${lines.join("\n")}\n`);
}

/** One process and two workers; on two cores the load and the upstream take what the second worker would. */
function tellWorkers(found: NonNullable<Awaited<ReturnType<typeof runAll>>["workers"]>): string {
  const { workers, onePerSecond, twoPerSecond, throughputRatio, cpuRatio, ownerRatio } = found;
  const rates = `${twoPerSecond.toFixed(0)} requests/s, one process ${onePerSecond.toFixed(0)}`;
  const ratios = `throughput ÷ one process ${throughputRatio.toFixed(2)}, CPU a request ${cpuRatio.toFixed(2)}, of which the owner ${ownerRatio.toFixed(2)}`;
  return `${workers} workers on ${cpus().length} cores: ${rates}; ${ratios}`;
}

async function runAll(folder: string, note: (process: Running) => void) {
  const targets = await startTargets(folder, note);
  const { pid } = targets.gateway.process;
  const idleMegabytes = residentMegabytes(pid);
  const results = await measureAll(targets);
  const loadedMegabytes = residentMegabytes(pid);
  return {
    machine: `${cpus().length} × ${cpus()[0]?.model.trim()}, Node ${process.versions.node}`,
    rows: results.map(toRow),
    idleMegabytes,
    loadedMegabytes,
    coldStartMs: targets.coldStartMs,
    latency: isShort ? undefined : await measureLatency(targets, folder),
    workers: isShort
      ? undefined
      : await measureWorkers({
          ...{ folder, rounds, roundMs, warmUpMs, note },
          upstreamPort: targets.upstream.port,
        }),
    peers: withPeers
      ? await measurePeers(targets, await startPeers(folder, targets.upstream.port, note))
      : undefined,
  };
}

/** Only gross regressions, and of ratios alone: absolute times are the machine's. */
function check(rows: readonly ReturnType<typeof toRow>[]): void {
  const recorded: Record<string, number> = JSON.parse(readFileSync("bench/ratios.json", "utf8"));
  for (const { id, figure, ratio } of rows) {
    const before = recorded[id];
    if (before === undefined || ratio <= before * regressionFactor) continue;
    process.stdout.write(`regression: ${figure} costs ${ratio.toFixed(2)}, recorded ${before}\n`);
    process.exitCode = 1;
  }
}

const folder = mkdtempSync(join(tmpdir(), "optamil-bench-"));
const started: Running[] = [];
try {
  const report = await runAll(folder, (one) => started.push(one));
  if (process.argv.includes("--json")) process.stdout.write(`${JSON.stringify(report)}\n`);
  else print(report);
  if (process.argv.includes("--check")) check(report.rows);
} finally {
  for (const { child } of started) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}
