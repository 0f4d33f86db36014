import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it, onTestFinished } from "vitest";
import { run, startProcess, stopAllProcesses } from "./process.ts";

const node = process.execPath;
const forever = "setInterval(() => {}, 1000);";

describe("run", () => {
  it("gives the exit code and both streams of a command that fails", async () => {
    const script = "process.stdin.pipe(process.stdout); console.error('no'); process.exitCode = 3";
    const result = await run(node, ["-e", script], { input: "hello" });
    expect(result).toEqual({ code: 3, signal: null, stdout: "hello", stderr: "no\n" });
  });

  it("rejects when a command outlives its deadline", async () => {
    await expect(run(node, ["-e", forever], { timeoutMs: 300 })).rejects.toThrow(
      "did not end within 300 ms",
    );
  });

  it("rejects when a command prints more than it may", async () => {
    const command = run(node, ["-e", "console.log('x'.repeat(100))"], { outputBytesMax: 50 });
    await expect(command).rejects.toThrow("printed more than outputBytesMax");
  });

  it("rejects when there is no such command", async () => {
    await expect(run("optamil-no-such-command", [])).rejects.toThrow("ENOENT");
  });
});

describe("startProcess", () => {
  it("waits for the ready line, gives its groups, and stops the process with SIGTERM", async () => {
    const script = `console.log('starting'); console.log('port 4711'); ${forever}`;
    const started = await startProcess(node, ["-e", script], { readyLine: /^port (\d+)$/ });
    expect(started.ready?.[1]).toBe("4711");
    expect(await started.waitForLine(/^starting$/)).toBeTruthy();
    expect(await started.stop()).toEqual({ code: null, signal: "SIGTERM" });
  });

  it("kills a process that ignores SIGTERM once the deadline is over", async () => {
    const script = `process.on('SIGTERM', () => {}); console.log('ready'); ${forever}`;
    const started = await startProcess(node, ["-e", script], { readyLine: /^ready$/ });
    expect(await started.stop(200)).toEqual({ code: null, signal: "SIGKILL" });
  });

  it("rejects with the output of a process that ends before it is ready", async () => {
    const script = "console.error('port is taken'); process.exitCode = 1";
    await expect(startProcess(node, ["-e", script], { readyLine: /ready/ })).rejects.toThrow(
      /ended with 1\nport is taken$/,
    );
  });

  it("leaves no child of the process behind", async () => {
    const child = `require('node:child_process').spawn(process.execPath, ['-e', '${forever}'])`;
    const script = `console.log('child ' + ${child}.pid); ${forever}`;
    const started = await startProcess(node, ["-e", script], { readyLine: /^child (\d+)$/ });
    await stopAllProcesses();
    // The kernel ends a killed process a moment after the signal was sent.
    await expect.poll(() => isRunning(Number(started.ready?.[1]))).toBe(false);
  });
});

describe("a run that is ended from outside", () => {
  const setup = JSON.stringify(new URL("process.ts", import.meta.url).href);
  const script = `
    const { startProcess } = await import(${setup});
    const { pid } = await startProcess(process.execPath, ["-e", ${JSON.stringify(forever)}]);
    console.log("child " + pid);`;

  // Only the kernel can, after SIGKILL.
  const kill = existsSync("/usr/bin/setpriv") ? (["SIGKILL"] as const) : [];
  it.each(["SIGTERM", "SIGINT", "SIGHUP", ...kill] as const)(
    "%s takes its processes along",
    async (signal) => {
      const worker = spawn(node, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] });
      onTestFinished(() => void worker.kill("SIGKILL"));
      const [line] = await once(worker.stdout, "data");
      const pid = Number(/^child (\d+)$/m.exec(String(line))?.[1]);
      expect(isRunning(pid)).toBe(true);
      const exited = once(worker, "exit");
      worker.kill(signal);
      expect(await exited).toEqual([null, signal]);
      await expect.poll(() => isRunning(pid)).toBe(false);
    },
  );

  it("a worker whose run was killed takes its processes along", async () => {
    const worker = spawn(node, ["-e", script], { stdio: ["ignore", "pipe", "inherit", "ipc"] });
    onTestFinished(() => void worker.kill("SIGKILL"));
    const [line] = await once(worker.stdout ?? process.stdin, "data");
    const pid = Number(/^child (\d+)$/m.exec(String(line))?.[1]);
    worker.disconnect();
    await expect.poll(() => isRunning(pid)).toBe(false);
  });
});

/** Whether a process runs; one that ended and is not yet collected by its parent does not. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}
