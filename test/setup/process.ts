/** Runs and stops child processes, for tests and deploy/fleet: each has a deadline, bounded output and no survivors. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, existsSync } from "node:fs";

/** Settings that `run` and `startProcess` share. */
export interface ProcessOptions {
  /** Variables added to those of this process; `undefined` takes one away. Default: none. */
  env?: Record<string, string | undefined>;
  /** Working directory. Default: that of this process, which is the root of the project. */
  cwd?: string;
  /** Bytes of each stream that are kept. Default 4 MiB, far above what a sane tool prints. */
  outputBytesMax?: number;
  /** File to which both streams are appended. Default: none. */
  logFile?: string | undefined;
}

/** Settings of `run`. */
export interface RunOptions extends ProcessOptions {
  /** Milliseconds until the command and its children are killed. Default 60,000. */
  timeoutMs?: number;
  /** What the command reads on stdin. Default: nothing, stdin is at its end. */
  input?: string | Uint8Array;
}

/** How a process ended; `code` is null when a signal ended it. */
export interface ProcessExit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** How a command ended and all that it printed. */
export interface RunResult extends ProcessExit {
  stdout: string;
  stderr: string;
}

/** Settings of `startProcess`. */
export interface StartOptions extends ProcessOptions {
  /** A line of stdout which says that the process is ready. Default: ready once it was spawned. */
  readyLine?: RegExp;
  /** Milliseconds to wait for that line. Default 20,000: twice what a start may take. */
  readyTimeoutMs?: number;
}

/** A process that `startProcess` started. */
export interface RunningProcess {
  pid: number;
  /** The match of `readyLine`, with its groups; undefined when none was asked for. */
  ready: RegExpExecArray | undefined;
  /** The newest `outputBytesMax` bytes of stdout so far. */
  stdout(): string;
  /** The newest `outputBytesMax` bytes of stderr so far. */
  stderr(): string;
  /** The first line of stdout, past or to come, that matches; rejects after `timeoutMs` (10,000). */
  waitForLine(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray>;
  /** Sends SIGTERM, after `deadlineMs` (10,000) SIGKILL, and gives the exit. */
  stop(deadlineMs?: number): Promise<ProcessExit>;
  /** Sends a signal (SIGKILL) to the process and its children, and gives the exit. */
  kill(signal?: NodeJS.Signals): Promise<ProcessExit>;
  /** Resolves when the process has ended. */
  exited: Promise<ProcessExit>;
}

interface Capture {
  text(): string;
  overflowed(): boolean;
}

const outputBytesMaxDefault = 4 * 1024 * 1024;
// How long the pipes of an ended process may stay open: a daemon that left its group can hold them.
const drainMs = 1_000;
const alive = new Set<RunningProcess>();
const groups = new Set<number>();
let guarded = false;

/**
 * Runs a command to its end and gives its exit code and output, whatever the code.
 * Rejects when it cannot be started, outlives `timeoutMs` or prints more than `outputBytesMax`.
 */
export async function run(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const child = spawnGroup(command, args, options, options.input === undefined ? "ignore" : "pipe");
  const stdout = capture(child, "stdout", options.outputBytesMax);
  const stderr = capture(child, "stderr", options.outputBytesMax);
  // A command that does not read its input to the end closes the pipe; that is no failure of ours.
  child.stdin?.on("error", () => undefined);
  child.stdin?.end(options.input);
  const exited = exitOf(child);
  const timeoutMs = options.timeoutMs ?? 60_000;
  const exit = await within(exited, timeoutMs).catch(async (error: unknown) => {
    killGroup(child.pid, "SIGKILL");
    if (error !== timedOut) throw error;
    throw new Error(`${describe(command, args)} did not end within ${timeoutMs} ms${tail(stderr)}`);
  });
  if (stdout.overflowed() || stderr.overflowed()) {
    throw new Error(`${describe(command, args)} printed more than outputBytesMax`);
  }
  return { ...exit, stdout: stdout.text(), stderr: stderr.text() };
}

/**
 * Starts a process and waits until it is ready. It is stopped at the end of the test file at the
 * latest. Rejects, with the end of its output, when it ends or times out before it is ready.
 */
export async function startProcess(
  command: string,
  args: readonly string[],
  options: StartOptions = {},
): Promise<RunningProcess> {
  const child = spawnGroup(...untilParentEnds(command, args), options, "ignore");
  const stdout = capture(child, "stdout", options.outputBytesMax);
  const stderr = capture(child, "stderr", options.outputBytesMax);
  const exited = exitOf(child);
  await Promise.race([once(child, "spawn"), exited]);
  const name = describe(command, args);

  async function waitForLine(pattern: RegExp, timeoutMs = 10_000): Promise<RegExpExecArray> {
    return within(lineOf(child, stdout, pattern, exited), timeoutMs).catch((error: unknown) => {
      const reason = error === timedOut ? `not within ${timeoutMs} ms` : String(error);
      throw new Error(`${name}: no line ${pattern}: ${reason}${tail(stdout)}${tail(stderr)}`);
    });
  }
  async function kill(signal: NodeJS.Signals = "SIGKILL"): Promise<ProcessExit> {
    killGroup(child.pid, signal);
    return exited;
  }
  async function stop(deadlineMs = 10_000): Promise<ProcessExit> {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGTERM");
    return within(exited, deadlineMs).catch(() => kill("SIGKILL"));
  }

  const running: RunningProcess = {
    pid: child.pid ?? -1,
    ready: undefined,
    stdout: stdout.text,
    stderr: stderr.text,
    waitForLine,
    stop,
    kill,
    exited,
  };
  alive.add(running);
  exited.then(
    () => alive.delete(running),
    () => alive.delete(running),
  );
  if (options.readyLine === undefined) return running;
  try {
    running.ready = await waitForLine(options.readyLine, options.readyTimeoutMs ?? 20_000);
    return running;
  } catch (error) {
    await kill();
    throw error;
  }
}

/** Stops every process that `startProcess` started and that still runs. */
export async function stopAllProcesses(): Promise<void> {
  await Promise.all([...alive].map((running) => running.stop(5_000)));
}

const timedOut = Symbol("timed out");

async function within<T>(promise: Promise<T>, timeoutMs: number): Promise<T> {
  const { promise: deadline, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(timedOut), timeoutMs);
  try {
    return await Promise.race([promise, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

const endingSignals = ["SIGHUP", "SIGINT", "SIGTERM"] as const;

/** Lets this process end in an order of its own at the signals that would kill all that it started; before the first start. */
export function onEndingSignal(end: (signal: NodeJS.Signals) => void): void {
  guarded = true;
  process.once("exit", killGroups);
  for (const signal of endingSignals) process.on(signal, end);
}

/** What this process started ends with it, also when it is ended from outside. */
function guard(): void {
  if (guarded) return;
  guarded = true;
  process.once("exit", killGroups);
  // The run of which this process is a worker was killed.
  process.once("disconnect", killGroups);
  for (const signal of endingSignals) {
    process.once(signal, () => {
      killGroups();
      // Again, now that nothing is in its way.
      process.kill(process.pid, signal);
    });
  }
}

function killGroups(): void {
  for (const pid of groups) killGroup(pid, "SIGKILL");
}

const setpriv = "/usr/bin/setpriv";
const hasSetpriv = process.platform === "linux" && existsSync(setpriv);

/**
 * The command so that the kernel kills the process when this one has ended, in whatever way: nobody else can after SIGKILL.
 * Where there is no util-linux, as it is. What the process itself starts must end by its own means.
 */
function untilParentEnds(command: string, args: readonly string[]): [string, readonly string[]] {
  return hasSetpriv ? [setpriv, ["--pdeathsig", "KILL", command, ...args]] : [command, args];
}

function spawnGroup(
  command: string,
  args: readonly string[],
  options: ProcessOptions,
  stdin: "ignore" | "pipe",
): ChildProcess {
  guard();
  const child = spawn(command, args, {
    // A group of its own, so that the children of the child end with it.
    detached: true,
    stdio: [stdin, "pipe", "pipe"],
    env: { ...process.env, ...options.env },
    ...(options.cwd !== undefined && { cwd: options.cwd }),
  });
  if (child.pid !== undefined) groups.add(child.pid);
  if (options.logFile !== undefined) {
    const log = createWriteStream(options.logFile, { flags: "a", mode: 0o600 });
    child.stdout?.pipe(log, { end: false });
    child.stderr?.pipe(log, { end: false });
    child.once("close", () => log.end());
  }
  return child;
}

function killGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // ESRCH: the whole group has ended already, which is what was asked for.
  }
}

async function exitOf(child: ChildProcess): Promise<ProcessExit> {
  const closed = once(child, "close");
  // `once` rejects for both when the spawn fails; the first is awaited, this one must not be loose.
  closed.catch(() => undefined);
  await once(child, "exit");
  killGroup(child.pid, "SIGKILL");
  if (child.pid !== undefined) groups.delete(child.pid);
  await within(closed, drainMs).catch(() => undefined);
  return { code: child.exitCode, signal: child.signalCode };
}

function capture(
  child: ChildProcess,
  stream: "stdout" | "stderr",
  bytesMax = outputBytesMaxDefault,
): Capture {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  let droppedBytes = 0;
  child[stream]?.on("data", (chunk: Buffer) => {
    chunks.push(chunk);
    sizeBytes += chunk.length;
    for (let first = chunks[0]; first && sizeBytes - first.length >= bytesMax; first = chunks[0]) {
      chunks.shift();
      sizeBytes -= first.length;
      droppedBytes += first.length;
    }
  });
  return {
    text: () => Buffer.concat(chunks).toString("utf8"),
    overflowed: () => droppedBytes + sizeBytes > bytesMax,
  };
}

async function lineOf(
  child: ChildProcess,
  stdout: Capture,
  pattern: RegExp,
  exited: Promise<ProcessExit>,
): Promise<RegExpExecArray> {
  const { promise, resolve } = Promise.withResolvers<RegExpExecArray>();
  const look = () => {
    const lines = stdout.text().split("\n");
    // The last piece has no newline yet: a match in half a line would give half a port number.
    for (const line of lines.slice(0, -1)) {
      const match = pattern.exec(line);
      if (match) return resolve(match);
    }
  };
  child.stdout?.on("data", look);
  look();
  try {
    const ended = exited.then(({ code, signal }) => {
      throw new Error(`it ended with ${code ?? signal}`);
    });
    return await Promise.race([promise, ended]);
  } finally {
    child.stdout?.off("data", look);
  }
}

function describe(command: string, args: readonly string[]): string {
  return [command, ...args].join(" ").slice(0, 200);
}

function tail(output: Capture): string {
  const text = output.text().trimEnd().slice(-2_000);
  return text === "" ? "" : `\n${text}`;
}
