// `node bench/accounts.ts [ACCOUNTS]`: what a million accounts cost a request, the start and the memory, beside a thousand.
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openLmdbDirectory } from "../src/directory/lmdb.ts";
import { createIssuer } from "../src/keys/issue.ts";
import { openSigningKeys } from "../src/keys/signing-keys.ts";
import { systemClock } from "../src/platform/clock.ts";
import { createUuidSource } from "../src/platform/uuid.ts";
import { type RequestHeaders, runLoad } from "./load.ts";
import { anonymousMegabytes, cpuSeconds, type Running, start } from "./processes.ts";
import { toBody, unaryModel } from "./requests.ts";
import { chatPath, startGateway, type Target } from "./targets.ts";

const counts = [1_000, Number(process.argv[2] ?? 1_000_000)];
/** Keys that ask, spread over all accounts: more than the directory keeps decoded. */
const askingKeys = 20_000;
const rounds = 9;
const roundMs = 2_000;
const warmUpMs = 8_000;
const batch = 500;

/** Fills a directory that no gateway has open; gives keys of accounts from all over it. */
async function fill(data: string, count: number): Promise<readonly string[]> {
  const directory = openLmdbDirectory({ path: join(data, "directory"), clock: systemClock });
  const signingKeys = await openSigningKeys(join(data, "signing-keys"));
  const uuids = createUuidSource(systemClock);
  const issuer = createIssuer({ signingKeys, clock: systemClock, uuids });
  const write = { actor: "bench", expectedVersion: 0n };
  const every = Math.max(1, Math.floor(count / askingKeys));
  const keys: string[] = [];
  // A signature for each would take longer than all the rest: one key's record is the model of the others'.
  const model = await issuer.issueKey({ accountId: uuids.text(), plan: "business", name: "bench" });
  for (let made = 0; made < count; made += batch) {
    const appends: Promise<void>[] = [];
    for (let at = made; at < Math.min(made + batch, count); at++) {
      const accountId = uuids.text();
      const account = { accountId, name: `account ${at}`, email: "", plan: "business" };
      appends.push(directory.append({ case: "accountCreated", value: account }, write));
      if (at % every === 0) {
        const { key, change } = await issuer.issueKey({ accountId, plan: "business", name: "k" });
        keys.push(key);
        appends.push(directory.append(change, write));
      } else {
        const value = { ...model.change.value, accountId, keyId: uuids.text() };
        appends.push(directory.append({ case: "keyCreated", value }, write));
      }
    }
    await Promise.all(appends);
  }
  await directory.close();
  return keys;
}

async function stop({ child }: Running): Promise<void> {
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  await ended;
}

type Filled = {
  readonly count: number;
  readonly target: Target;
  /** Of the keys that ask. */
  readonly headers: readonly RequestHeaders[];
  readonly startMs: number;
};

async function startFilled(count: number, upstreamPort: number, folder: string): Promise<Filled> {
  const empty = await startGateway(folder, upstreamPort);
  await stop(empty.process);
  const keys = await fill(join(folder, "data"), count);
  const startedMs = performance.now();
  const target = await startGateway(folder, upstreamPort);
  const headers = keys.map((key) => ({ authorization: `Bearer ${key}` }));
  return { count, target, headers, startMs: performance.now() - startedMs };
}

/** CPU a request, microseconds, with a key of another account each time. */
async function measure({ target, headers }: Filled, durationMs: number): Promise<number> {
  const { process, port } = target;
  const before = cpuSeconds(process.pid);
  const body = toBody(unaryModel);
  const load = { port, headers, path: chatPath, body, connections: 64, durationMs };
  const { requests } = await runLoad(load);
  return ((cpuSeconds(process.pid) - before) / requests) * 1e6;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

const folders = counts.map(() => mkdtempSync(join(tmpdir(), "optamil-bench-")));
const running: Running[] = [];
try {
  const upstream = await start(["bench/mock-upstream.ts"], /listening (\d+)/);
  running.push(upstream);
  const filled: Filled[] = [];
  for (const [at, count] of counts.entries()) {
    const one = await startFilled(count, Number(upstream.match[1]), folders[at] ?? "");
    running.push(one.target.process);
    filled.push(one);
  }
  for (const one of filled) await measure(one, warmUpMs);
  const times = filled.map(() => [] as number[]);
  for (let round = 0; round < rounds; round++) {
    for (const [at, one] of filled.entries()) {
      times[at]?.push(await measure(one, roundMs));
    }
  }
  const [few = [], many = []] = times;
  process.stdout.write("| accounts | started in, ms | own memory, MB | CPU µs a request |\n");
  process.stdout.write("| --- | --- | --- | --- |\n");
  for (const [at, { count, target, startMs }] of filled.entries()) {
    const memory = anonymousMegabytes(target.process.pid).toFixed(0);
    const cpuUs = median(times[at] ?? []).toFixed(1);
    process.stdout.write(`| ${count} | ${startMs.toFixed(0)} | ${memory} | ${cpuUs} |\n`);
  }
  const ratio = median(many.map((cpuUs, round) => cpuUs / (few[round] ?? Number.NaN)));
  process.stdout.write(`a request costs ${ratio.toFixed(3)} times as much (goal 1.05)\n`);
} finally {
  for (const { child } of running) child.kill("SIGKILL");
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}
