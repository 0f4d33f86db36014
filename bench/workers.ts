// What workers that share a port are worth: requests a second by one process and by two, in the same interleaved rounds.
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { runLoad } from "./load.ts";
import { cpuSeconds, type Running } from "./processes.ts";
import { toBody, unaryModel } from "./requests.ts";
import { chatPath, startGateway, type Target } from "./targets.ts";

/** How it is measured. */
export type WorkersOptions = {
  readonly folder: string;
  readonly upstreamPort: number;
  readonly rounds: number;
  readonly roundMs: number;
  readonly warmUpMs: number;
  readonly note: (process: Running) => void;
};

/** `ownerUs`: of the process that keeps the books of workers; it bounds how many of them are of use. */
type Sample = { readonly perSecond: number; readonly cpuUs: number; readonly ownerUs: number };

const workers = 2;
const connections = 64;

/** One process beside two workers; ratios are medians over the rounds. CPU is that of all their processes but the consumer's. */
export async function measureWorkers(options: WorkersOptions) {
  const { folder, upstreamPort, rounds, roundMs, warmUpMs, note } = options;
  const open = async (name: string, count: number): Promise<Target> => {
    const own = join(folder, name);
    mkdirSync(own);
    const target = await startGateway(own, upstreamPort, count);
    note(target.process);
    return target;
  };
  const one = await open("one", 1);
  const two = await open("two", workers);
  for (const target of [one, two]) await measure(target, warmUpMs);
  const samples: { one: Sample; two: Sample }[] = [];
  for (let round = 0; round < rounds; round++) {
    samples.push({ one: await measure(one, roundMs), two: await measure(two, roundMs) });
  }
  const median = (value: (sample: (typeof samples)[number]) => number) =>
    samples.map(value).toSorted((a, b) => a - b)[Math.floor(samples.length / 2)] ?? Number.NaN;
  return {
    workers,
    onePerSecond: median((sample) => sample.one.perSecond),
    twoPerSecond: median((sample) => sample.two.perSecond),
    throughputRatio: median((sample) => sample.two.perSecond / sample.one.perSecond),
    cpuRatio: median((sample) => sample.two.cpuUs / sample.one.cpuUs),
    ownerRatio: median((sample) => sample.two.ownerUs / sample.one.cpuUs),
  };
}

async function measure(target: Target, durationMs: number): Promise<Sample> {
  const pids = servingPids(target.process.pid);
  const cpu = (some: readonly number[]) => some.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
  const owner = pids.filter((pid) => partOf(pid) === "owner");
  const before = { all: cpu(pids), owner: cpu(owner) };
  const load = { ...target, path: chatPath, body: toBody(unaryModel), connections, durationMs };
  const { requests, seconds } = await runLoad(load);
  const toUs = (used: number) => (used / requests) * 1e6;
  return {
    perSecond: requests / seconds,
    cpuUs: toUs(cpu(pids) - before.all),
    ownerUs: toUs(cpu(owner) - before.owner),
  };
}

/** A gateway's processes but its consumer's (Linux). */
function servingPids(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ");
  const pids = children.filter((text) => text !== "").map(Number);
  return [pid, ...pids.filter((one) => partOf(one) !== "consumer").flatMap(servingPids)];
}

/** What a process was started as. */
function partOf(pid: number): string | undefined {
  return /main\.ts\0(\w+)/.exec(readFileSync(`/proc/${pid}/cmdline`, "latin1"))?.[1];
}
