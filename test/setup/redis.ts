/** A real redis-server on loopback that a test can stop, freeze, wipe and start again. */
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createConnection, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { debianTool } from "./debian-tool.ts";
import { type RunningProcess, startProcess } from "./process.ts";

/** A running server. */
export type RedisServer = {
  /** `redis://127.0.0.1:<port>`; the port stays the same over restarts. */
  readonly url: string;
  pid(): number;
  /** SIGKILL; gone when it resolves. */
  kill(): Promise<void>;
  /** SIGSTOP: it accepts connections and answers nothing. */
  pause(): void;
  resume(): void;
  /** Kills it, if it runs, and starts it on the same port; with an append-only file it keeps its keys. */
  restart(): Promise<void>;
  /** Removes every key (FLUSHALL); the server runs on. */
  wipe(): Promise<void>;
  /** Stops it and removes its folder. */
  stop(): Promise<void>;
};

/** Starts a server; `appendOnly` (default false) writes each change to disk before it answers. */
export async function startRedis({ appendOnly = false } = {}): Promise<RedisServer> {
  const program = await debianTool("redis-server");
  const folder = await mkdtemp(join(tmpdir(), "optamil-redis-"));
  const port = await freePort();
  const args = ["--port", `${port}`, "--bind", "127.0.0.1", "--dir", folder, "--save", ""];
  if (appendOnly) args.push("--appendonly", "yes", "--appendfsync", "always");
  const start = () => startProcess(program, args, { readyLine: /Ready to accept connections/ });
  let server: RunningProcess = await start();
  const kill = async () => void (await server.kill());
  return {
    url: `redis://127.0.0.1:${port}`,
    pid: () => server.pid,
    kill,
    pause: () => void process.kill(server.pid, "SIGSTOP"),
    resume: () => void process.kill(server.pid, "SIGCONT"),
    restart: async () => {
      await kill();
      server = await start();
    },
    wipe: () => flush(port),
    stop: async () => {
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A server of one test's own, gone when the test has ended. */
export async function redisOfTest(options?: { appendOnly?: boolean }): Promise<RedisServer> {
  const server = await startRedis(options);
  onTestFinished(() => server.stop());
  return server;
}

async function flush(port: number): Promise<void> {
  const socket = createConnection(port, "127.0.0.1");
  socket.setTimeout(5_000, () => socket.destroy(new Error("redis-server does not answer")));
  socket.write("FLUSHALL\r\n");
  const [answer] = await once(socket, "data");
  socket.destroy();
  if (!String(answer).startsWith("+OK")) throw new Error(`FLUSHALL: ${answer}`);
}

/** redis-server says which port it took only if that was not 0: so one is found first. */
async function freePort(): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  const probe = createServer().listen(0, "127.0.0.1", () => {
    const address = probe.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    probe.close(() => resolve(port));
  });
  return promise;
}
