import { describe, expect, it, vi } from "vitest";
import { openProcessPool, type PooledProcess } from "../../src/platform/process-pool.ts";

/** A process that does as it is told. */
class ScriptedProcess implements PooledProcess {
  readonly pid = 1;
  readonly told: unknown[] = [];
  killed = false;
  #message: (message: unknown) => void = () => {};
  #close = () => {};
  #exit: (how: string) => void = () => {};

  send(message: unknown): void {
    this.told.push(message);
  }
  onMessage(listener: (message: unknown) => void): void {
    this.#message = listener;
  }
  onClose(listener: () => void): void {
    this.#close = listener;
  }
  onExit(listener: (how: string) => void): void {
    this.#exit = listener;
  }
  kill(): void {
    this.killed = true;
  }
  serve(word: string): void {
    this.#message([["call", 0, "ready", [word]]]);
  }
  end(how: string): void {
    this.#close();
    this.#exit(how);
  }
}

function open(count: number) {
  const processes: ScriptedProcess[] = [];
  const [ended, troubles]: [number[], string[]] = [[], []];
  const pool = openProcessPool<{ stop(): void }, string>({
    count,
    start: () => {
      const process = new ScriptedProcess();
      processes.push(process);
      return process;
    },
    own: () => ({}),
    stop: (channel) => channel.tell("stop"),
    onEnded: async (number) => void ended.push(number),
    onTrouble: (message) => troubles.push(message),
    backoffMs: [1, 4],
  });
  const at = (index: number) => processes[index] as ScriptedProcess;
  return { pool, processes, at, ended, troubles };
}

describe("a pool of processes", () => {
  it("is ready when all of them serve, with what they say by their numbers", async () => {
    const { pool, at } = open(2);
    at(1).serve("second");
    at(0).serve("first");
    expect(await pool.ready).toEqual(["first", "second"]);
    expect([...pool.channels().keys()]).toEqual([1, 2]);
  });

  it("starts another one in the place of one that ends, after what it left is seen to", async () => {
    const { pool, at, processes, ended, troubles } = open(2);
    for (const process of processes) process.serve("up");
    await pool.ready;
    at(1).end("SIGKILL");
    await vi.waitFor(() => expect(processes).toHaveLength(3));
    expect(ended).toEqual([2]);
    expect(troubles).toEqual(["process 2 ended (SIGKILL), next in 1 ms"]);
    expect(pool.restarts).toBe(1);
    expect([...pool.channels().keys()]).toEqual([1]);
    at(2).serve("again");
    expect([...pool.channels().keys()]).toEqual([1, 2]);
  });

  it("waits longer each time for one that does not last, up to a bound", async () => {
    const { pool, processes, troubles } = open(1);
    processes[0]?.serve("up");
    await pool.ready;
    for (let death = 0; death < 4; death++) {
      await vi.waitFor(() => expect(processes).toHaveLength(death + 1));
      processes[death]?.end("exit code 1");
    }
    await vi.waitFor(() => expect(troubles).toHaveLength(4));
    const waits = troubles.map((trouble) => /next in (\d+) ms/.exec(trouble)?.[1]);
    expect(waits).toEqual(["1", "2", "4", "4"]);
  });

  it("gives up, and ends the others, where one does not start at first", async () => {
    const { pool, at } = open(2);
    at(0).serve("up");
    at(1).end("exit code 1");
    await expect(pool.ready).rejects.toThrow("process 2 did not start (exit code 1)");
    await vi.waitFor(() => expect(at(0).told).toEqual([[["call", 0, "stop", []]]]));
  });

  it("tells all to stop, kills what takes too long, and starts none again", async () => {
    const { pool, at, processes } = open(2);
    for (const process of processes) process.serve("up");
    await pool.ready;
    const stopped = pool.stop(50);
    await vi.waitFor(() => expect(at(1).told).toEqual([[["call", 0, "stop", []]]]));
    at(0).end("exit code 0");
    await vi.waitFor(() => expect(at(1).killed).toBe(true));
    at(1).end("SIGKILL");
    await stopped;
    expect(processes).toHaveLength(2);
  });
});
