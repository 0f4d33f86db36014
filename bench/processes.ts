// Starts the processes that are measured, and reads what they cost from /proc (Linux).
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

/** A running process. */
export type Running = { readonly child: ChildProcess; readonly pid: number };

/** A running process, and the line that it printed. */
export type Measured = Running & { readonly match: RegExpExecArray };

/** Starts a script on this runtime and waits, at most 60 s, for a line that matches. */
export async function start(
  args: readonly string[],
  line: RegExp,
  env: Record<string, string> = {},
): Promise<Measured> {
  const child = spawn(process.execPath, args, {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "ignore"],
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), 60_000);
  for await (const text of createInterface({ input: child.stdout })) {
    const match = line.exec(text);
    if (match === null || child.pid === undefined) continue;
    clearTimeout(timer);
    child.stdout.resume();
    return { child, pid: child.pid, match };
  }
  throw new Error(`${args[0]} did not start`);
}

// Fields 14 and 15 of /proc/PID/stat are in ticks of 1/100 s on every Linux that Node runs on (proc(5)).
const ticksPerSecond = 100;

/** User and system time that a process has used, seconds. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

/** Memory that a process holds, megabytes. */
export function residentMegabytes(pid: number): number {
  const kilobytes = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
  return Math.round(Number(kilobytes) / 1_024);
}

/** Memory of its own, megabytes: without the files that it has mapped. */
export function anonymousMegabytes(pid: number): number {
  const kilobytes = /RssAnon:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
  return Number(kilobytes) / 1_024;
}
