/** A real ClickHouse HTTP endpoint, out of the engine that the package chdb carries. */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { writeAccess } from "./clickhouse-access.ts";
import { MissingToolError } from "./missing-tool.ts";
import { type RunningProcess, run, startProcess } from "./process.ts";

/** A server on loopback, with a data folder of its own. User `default`, no password. */
export type ClickHouseServer = {
  readonly url: string;
  /** Of the process that runs now. */
  readonly pid: number;
  /** Ends it as a crash does. */
  kill(): Promise<void>;
  /** Freezes it: connections stay open and nothing answers. */
  pause(): void;
  resume(): void;
  /** Ends it if it runs, and starts it on the same folder and port. */
  restart(): Promise<void>;
  /** Starts it again with nothing in it. */
  wipe(): Promise<void>;
  /** Ends it and removes its folder. */
  stop(): Promise<void>;
};

/** Checks that the server can be had. Throws `MissingToolError`. */
export async function fetchClickHouse(): Promise<typeof startClickHouse> {
  const remedy = "install Python 3 and put python3 on PATH";
  const python = await run("python3", ["-c", "import ctypes"]).catch((error: unknown) => ({
    code: null,
    stderr: String(error),
  }));
  if (python.code !== 0) throw new MissingToolError("python3 with ctypes", python.stderr, remedy);
  findLibrary();
  return startClickHouse;
}

/**
 * Starts a server; it ends with the test process at the latest.
 *
 * With `accountIds` it has users and roles, as an operator makes them: see `writeAccess`. Default: user `default` alone.
 */
async function startClickHouse(accountIds?: readonly string[]): Promise<ClickHouseServer> {
  const folder = mkdtempSync(join(tmpdir(), "optamil-clickhouse-"));
  const port = await freePort();
  const accessFolder = `${folder}-access`;
  const access = accountIds && [writeAccess(accessFolder, accountIds)];
  const start = () => startOn(folder, port, access);
  const remove = () => {
    for (const one of [folder, ...(access ? [accessFolder] : [])])
      rmSync(one, { recursive: true, force: true });
  };
  let running = await start().catch((error: unknown) => {
    remove();
    throw error;
  });
  const kill = async () => {
    await running.kill();
  };
  return {
    url: `http://127.0.0.1:${port}`,
    get pid() {
      return running.pid;
    },
    kill,
    pause: () => void process.kill(running.pid, "SIGSTOP"),
    resume: () => void process.kill(running.pid, "SIGCONT"),
    restart: async () => {
      await kill();
      running = await start();
    },
    wipe: async () => {
      await kill();
      rmSync(folder, { recursive: true, force: true });
      running = await start();
    },
    stop: async () => {
      await kill();
      remove();
    },
  };
}

function startOn(
  folder: string,
  port: number,
  config: readonly string[] = [],
): Promise<RunningProcess> {
  const script = fileURLToPath(new URL("clickhouse-server.py", import.meta.url));
  return startProcess("python3", [script, findLibrary(), folder, String(port), ...config], {
    readyLine: /^ready$/,
    readyTimeoutMs: 40_000,
  });
}

function findLibrary(): string {
  const name = `@chdb/lib-${process.platform}-${process.arch}${process.platform === "linux" ? "-gnu" : ""}`;
  try {
    const require = createRequire(createRequire(import.meta.url).resolve("chdb"));
    return require.resolve(`${name}/libchdb.so`);
  } catch (error) {
    throw new MissingToolError("libchdb", String(error), "run npm ci on a platform that chdb has");
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
