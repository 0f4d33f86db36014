/** Looks into running gateways: their memory after a collection, their timers and their sockets. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import type { RunningProcess } from "../setup/process.ts";

/** Node's variable with which a process lets itself be looked into. */
export const inspected = { NODE_OPTIONS: "--inspect=127.0.0.1:0" };

/** What a process holds. */
export type Vitals = {
  /** Resident memory after a garbage collection. */
  readonly residentMb: number;
  readonly heapMb: number;
  readonly timers: number;
};

/** Collects garbage in a process and looks. */
export async function readVitals(process: RunningProcess): Promise<Vitals> {
  const [, address] = /Debugger listening on (ws:\S+)/.exec(process.stderr()) ?? [];
  if (address === undefined) throw new Error("the process was not started with --inspect");
  const socket = new WebSocket(address);
  try {
    await opened(socket);
    await ask(socket, 1, "HeapProfiler.collectGarbage", {});
    const expression = `({ ...process.memoryUsage(),
      timers: process.getActiveResourcesInfo().filter((name) => name === "Timeout").length })`;
    const found = await ask(socket, 2, "Runtime.evaluate", { expression, returnByValue: true });
    const { rss, heapUsed, timers } = found.result.value;
    return { residentMb: rss / 2 ** 20, heapMb: heapUsed / 2 ** 20, timers };
  } finally {
    socket.close();
  }
}

function opened(socket: WebSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.onopen = () => resolve();
    socket.onerror = () => reject(new Error("the inspector takes no connection"));
  });
}

type Found = {
  readonly result: { readonly value: { rss: number; heapUsed: number; timers: number } };
};

function ask(socket: WebSocket, id: number, method: string, params: object): Promise<Found> {
  return new Promise((resolve, reject) => {
    socket.onclose = () => reject(new Error("the process has ended"));
    socket.onmessage = ({ data }) => {
      const answer = JSON.parse(String(data));
      if (answer.id === id) resolve(answer.result);
    };
    socket.send(JSON.stringify({ id, method, params }));
  });
}

const established = "01";

/** How many TCP connections a process has, by the port at their other end or, where it listens itself, by its own. */
export function countConnections(pid: number, ports: readonly number[]): Record<number, number> {
  const inodes = new Set(
    readdirSync(`/proc/${pid}/fd`).map((name) => linkOf(`/proc/${pid}/fd/${name}`)),
  );
  const counts: Record<number, number> = Object.fromEntries(ports.map((port) => [port, 0]));
  for (const line of readFileSync(`/proc/${pid}/net/tcp`, "utf8").split("\n").slice(1)) {
    const [, local = "", remote = "", state, , , , , , inode] = line.trim().split(/\s+/);
    if (state !== established || !inodes.has(`socket:[${inode}]`)) continue;
    for (const end of [local, remote]) {
      const port = Number.parseInt(end.split(":")[1] ?? "", 16);
      if (port in counts) counts[port] = (counts[port] ?? 0) + 1;
    }
  }
  return counts;
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    // It was closed meanwhile.
    return "";
  }
}
