// `node bench/streams.ts [SLOW]`: the memory of a thousand idle streams, and whether ten thousand slow ones all arrive whole.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runLoad } from "./load.ts";
import { anonymousMegabytes, cpuSeconds, type Running, start } from "./processes.ts";
import { slowModel, slowSeconds, toBody, unaryModel } from "./requests.ts";
import { chatPath, startGateway, type Target } from "./targets.ts";

const idleCount = 1_000;
/** Each stream has two sockets in the gateway, which has other files open too. */
const openFilesMax = Number(execFileSync("sh", ["-c", "ulimit -n"], { encoding: "utf8" }));
const slowCount = Math.min(Number(process.argv[2] ?? 10_000), Math.floor((openFilesMax - 500) / 2));
const openedAtOnce = 100;

type Stream = { readonly begun: Promise<void>; readonly isWhole: Promise<boolean>; end(): void };

function openStream({ port, headers }: Target, body: string): Stream {
  const begun = Promise.withResolvers<void>();
  const whole = Promise.withResolvers<boolean>();
  const socket: Socket = connect({ port, host: "127.0.0.1" });
  let tail = "";
  const over = (error: Error) => {
    begun.reject(error);
    whole.resolve(false);
  };
  begun.promise.catch(() => {});
  socket.on("error", over);
  socket.on("close", () => over(new Error("closed")));
  socket.on("data", (piece) => {
    const text = tail + piece.toString("latin1");
    if (text.includes("data: ")) begun.resolve();
    if (text.includes("data: [DONE]")) whole.resolve(true);
    tail = text.slice(-20);
  });
  const head = Object.entries({ host: `127.0.0.1:${port}`, ...headers })
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join("");
  const length = Buffer.byteLength(body);
  socket.write(
    `POST ${chatPath} HTTP/1.1\r\n${head}content-type: application/json\r\ncontent-length: ${length}\r\n\r\n${body}`,
  );
  return { begun: begun.promise, isWhole: whole.promise, end: () => socket.destroy() };
}

/** Opens streams, some at a time; each has begun. */
async function openStreams(target: Target, count: number): Promise<Stream[]> {
  const body = toBody(slowModel, { stream: true });
  const streams: Stream[] = [];
  while (streams.length < count) {
    const next = Array.from({ length: Math.min(openedAtOnce, count - streams.length) }, () =>
      openStream(target, body),
    );
    streams.push(...next);
    await Promise.allSettled(next.map(({ begun }) => begun));
  }
  return streams;
}

async function endAll(streams: readonly Stream[]): Promise<number> {
  const ends = await Promise.all(streams.map(({ isWhole }) => isWhole));
  for (const stream of streams) stream.end();
  return ends.filter((isWhole) => !isWhole).length;
}

const folder = mkdtempSync(join(tmpdir(), "optamil-bench-"));
const running: Running[] = [];
try {
  const upstream = await start(["bench/mock-upstream.ts"], /listening (\d+)/);
  running.push(upstream);
  const gateway = await startGateway(folder, Number(upstream.match[1]));
  running.push(gateway.process);
  const { pid } = gateway.process;
  // What the first requests make the process load and grow is not that of later streams.
  const body = toBody(unaryModel);
  await runLoad({ ...gateway, path: chatPath, body, connections: 64, durationMs: 8_000 });
  await endAll(await openStreams(gateway, 200));
  const beforeMegabytes = anonymousMegabytes(pid);
  const idle = await openStreams(gateway, idleCount);
  const idleMegabytes = anonymousMegabytes(pid) - beforeMegabytes;
  const brokenIdle = await endAll(idle);
  const beforeSeconds = cpuSeconds(pid);
  const slow = await openStreams(gateway, slowCount);
  const slowMegabytes = anonymousMegabytes(pid) - beforeMegabytes;
  const brokenSlow = await endAll(slow);
  const cpuUs = ((cpuSeconds(pid) - beforeSeconds) / slowCount) * 1e6;
  process.stdout.write(
    `| streams of ${slowSeconds} s | memory, MB | broken |\n| --- | --- | --- |\n` +
      `| ${idleCount} | +${idleMegabytes.toFixed(0)} (goal 30) | ${brokenIdle} |\n` +
      `| ${slowCount} | +${slowMegabytes.toFixed(0)} | ${brokenSlow} (goal 0) |\n` +
      `a slow stream cost ${cpuUs.toFixed(0)} µs of CPU\n`,
  );
} finally {
  for (const { child } of running) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}
