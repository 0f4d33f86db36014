/** Virtual time, seeded chance and processes that can die: everything in a simulation waits here. */
import type { Clock } from "../../src/platform/clock.ts";
import { createRandom } from "../admission/traffic.ts";

type Step = { readonly atMs: number; readonly order: number; readonly run: () => void };

/** Runs one step after the other in virtual time. Equal seeds give equal runs. */
export class Scheduler {
  nowMs = 0;
  readonly random: () => number;
  readonly #heap: Step[] = [];
  #order = 0;
  #hash = 0x811c9dc5;
  #failure: unknown;

  constructor(seed: number) {
    this.random = createRandom(seed);
  }

  /** FNV-1a over all that was traced, in hexadecimal. */
  get hash(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, "0");
  }

  /** Makes a line part of the run's hash. */
  trace(line: string): void {
    for (let at = 0; at < line.length; at += 1) {
      this.#hash = Math.imul(this.#hash ^ line.charCodeAt(at), 0x01000193);
    }
    this.#hash = Math.imul(this.#hash ^ Math.round(this.nowMs * 1_000), 0x01000193);
  }

  chance(probability: number): boolean {
    return this.random() < probability;
  }

  /** A whole number from `low` to `high`. */
  between(low: number, high: number): number {
    return low + Math.floor(this.random() * (high - low + 1));
  }

  after(delayMs: number, run: () => void): void {
    this.#order += 1;
    push(this.#heap, { atMs: this.nowMs + Math.max(0, delayMs), order: this.#order, run });
  }

  /** Ends the run with the first error it is told. */
  fail(error: unknown): void {
    this.#failure ??= error;
  }

  /** Lets time pass until an instant. Throws the first failure. */
  async runUntil(endMs: number): Promise<void> {
    for (let next = this.#heap[0]; next && next.atMs <= endMs; next = this.#heap[0]) {
      pop(this.#heap);
      this.nowMs = next.atMs;
      next.run();
      // All that follows from the step without waiting happens before the next one.
      await new Promise((resolve) => setImmediate(resolve));
      if (this.#failure !== undefined) throw this.#failure;
    }
    this.nowMs = endMs;
  }
}

/** One process of the simulation: what waits in it when it dies never goes on. */
export class SimProcess {
  alive = true;
  readonly scheduler: Scheduler;
  readonly name: string;
  #stalledUntilMs = 0;

  constructor(scheduler: Scheduler, name: string) {
    this.scheduler = scheduler;
    this.name = name;
  }

  /** Whether it is stopped: what reaches it waits. */
  get stalled(): boolean {
    return this.#stalledUntilMs > this.scheduler.nowMs;
  }

  sleep(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.later(ms, resolve);
    return promise;
  }

  later(ms: number, run: () => void): void {
    this.scheduler.after(ms, () => {
      if (!this.alive) return;
      const leftMs = this.#stalledUntilMs - this.scheduler.nowMs;
      if (leftMs > 0) this.later(leftMs, run);
      else run();
    });
  }

  /** Starts something that nobody waits for; its failure ends the run. */
  spawn(work: () => Promise<void>): void {
    work().catch((error: unknown) => this.scheduler.fail(error));
  }

  crash(): void {
    this.alive = false;
    this.scheduler.trace(`crash ${this.name}`);
  }

  /** Stops the process for a while, as SIGSTOP does. */
  stall(ms: number): void {
    this.#stalledUntilMs = Math.max(this.#stalledUntilMs, this.scheduler.nowMs + ms);
    this.scheduler.trace(`stall ${this.name} ${ms}`);
  }
}

/** The machine's wall clock, which can be set; and a monotonic clock for each process. */
export class SimTime {
  readonly #scheduler: Scheduler;
  #wallAtStartMs: number;

  constructor(scheduler: Scheduler, wallAtStartMs: number) {
    this.#scheduler = scheduler;
    this.#wallAtStartMs = wallAtStartMs;
  }

  wallMs(): number {
    return this.#wallAtStartMs + this.#scheduler.nowMs;
  }

  jump(ms: number): void {
    this.#wallAtStartMs += ms;
    this.#scheduler.trace(`jump ${ms}`);
  }

  /** The clock of a process that starts now. */
  clockOfProcess(): Clock {
    const startedAtMs = this.#scheduler.nowMs - this.#scheduler.between(0, 1_000);
    return {
      wallMs: () => this.wallMs(),
      monotonicMs: () => this.#scheduler.nowMs - startedAtMs,
    };
  }
}

function before(a: Step, b: Step): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

function push(heap: Step[], step: Step): void {
  let at = heap.length;
  heap.push(step);
  while (at > 0) {
    const parent = (at - 1) >> 1;
    const above = heap[parent];
    if (above === undefined || before(above, step)) break;
    heap[at] = above;
    at = parent;
  }
  heap[at] = step;
}

function pop(heap: Step[]): void {
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return;
  let at = 0;
  for (;;) {
    const left = heap[2 * at + 1];
    const right = heap[2 * at + 2];
    if (left === undefined) break;
    const [child, below] =
      right !== undefined && before(right, left) ? [2 * at + 2, right] : [2 * at + 1, left];
    if (before(last, below)) break;
    heap[at] = below;
    at = child;
  }
  heap[at] = last;
}
