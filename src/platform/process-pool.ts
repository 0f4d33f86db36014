// Keeps a number of processes of this program running: starts again what dies, and ends all of them in good order.
import { fork } from "node:child_process";
import { Channel, type Functions, type MessagePort } from "./channel.ts";
import { within } from "./within.ts";

/** A process, as far as a pool needs it. */
export interface PooledProcess extends MessagePort {
  /** Undefined if it could not be started. */
  readonly pid: number | undefined;
  /** Called once, also when it could not be started; `how` is the signal or the exit code. */
  onExit(listener: (how: string) => void): void;
  /** Ends it at once (SIGKILL). */
  kill(): void;
}

/** How a pool is made. */
export type ProcessPoolOptions<Theirs extends Functions> = {
  /** Processes, which are numbered from 1. */
  readonly count: number;
  readonly start: (number: number) => PooledProcess;
  /** What the process of a number may call, beside `ready`, by which it says that it serves and what there is to say of it. */
  readonly own: (number: number) => Functions;
  /** Called when a process has ended and its last call is there; awaited before the next one starts. */
  readonly onEnded?: ((number: number) => Promise<void>) | undefined;
  /** Tells a process to end in good order. Not by a signal: Deno 2.8.2 cuts the channel to who gets one. */
  readonly stop: (channel: Channel<Theirs>) => void;
  /** A process ended unasked; another one takes its place. */
  readonly onTrouble: (message: string) => void;
  /** Wait before a restart: doubled from the first to the second, and back once a process has served for that long. Default 200 and 10,000. */
  readonly backoffMs?: readonly [number, number] | undefined;
};

/** Processes that run until `stop`. */
export interface ProcessPool<Theirs extends Functions, Ready> {
  /** What they say of themselves, by number, when all serve. Rejects if one ends before: the others are ended too. */
  readonly ready: Promise<readonly Ready[]>;
  /** The channels to those that run and serve, by number. */
  channels(): ReadonlyMap<number, Channel<Theirs>>;
  /** Ends of processes that nobody asked for. */
  readonly restarts: number;
  /** Tells all to stop, and kills what then runs longer than so many milliseconds. Resolves when none is left. */
  stop(timeoutMs: number): Promise<void>;
  /** SIGKILL: nothing is waited for. */
  kill(): void;
}

/** Starts the processes. */
export function openProcessPool<Theirs extends Functions, Ready>(
  options: ProcessPoolOptions<Theirs>,
): ProcessPool<Theirs, Ready> {
  return new Pool(options);
}

/** Starts a program of this runtime in a process of its own, which structured clones reach. */
export function forkProcess(
  entry: string,
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): PooledProcess {
  const child = fork(entry, args, { serialization: "advanced", env });
  return {
    pid: child.pid,
    send: (message) => {
      // The channel may have closed a moment ago: "exit" tells. The types leave bigints and the like out.
      if (child.connected) child.send(message as object, () => undefined);
    },
    onMessage: (listener) => child.on("message", listener),
    onClose: (listener) => child.once("disconnect", listener),
    onExit: (listener) => {
      child.once("exit", (code, signal) => listener(signal ?? `exit code ${code}`));
      child.once("error", () => {
        if (child.pid === undefined) listener("it cannot be started");
      });
    },
    kill: () => child.kill("SIGKILL"),
  };
}

/** A process that could not be started closes nothing. */
const lastWordsMs = 1_000;

type Member<Theirs extends Functions> = {
  readonly child: PooledProcess;
  channel: Channel<Theirs>;
  /** Monotonic milliseconds; undefined: not yet. */
  servingSinceMs: number | undefined;
  readonly ended: Promise<void>;
};

class Pool<Theirs extends Functions, Ready> implements ProcessPool<Theirs, Ready> {
  readonly ready: Promise<readonly Ready[]>;
  restarts = 0;
  readonly #options: ProcessPoolOptions<Theirs>;
  readonly #backoffMinMs: number;
  readonly #backoffMaxMs: number;
  readonly #members = new Map<number, Member<Theirs>>();
  readonly #backoffMs = new Map<number, number>();
  readonly #restarting = new Map<number, ReturnType<typeof setTimeout>>();
  readonly #firstReady = new Map<number, Ready>();
  readonly #allReady = Promise.withResolvers<readonly Ready[]>();
  #stopping = false;

  constructor(options: ProcessPoolOptions<Theirs>) {
    this.#options = options;
    [this.#backoffMinMs, this.#backoffMaxMs] = options.backoffMs ?? [200, 10_000];
    this.ready = this.#allReady.promise;
    for (let number = 1; number <= options.count; number += 1) this.#start(number);
  }

  channels(): ReadonlyMap<number, Channel<Theirs>> {
    const serving = [...this.#members].filter(([, one]) => one.servingSinceMs !== undefined);
    return new Map(serving.map(([number, { channel }]) => [number, channel]));
  }

  async stop(timeoutMs: number): Promise<void> {
    this.#stopping = true;
    for (const timer of this.#restarting.values()) clearTimeout(timer);
    for (const { channel } of this.#members.values()) this.#options.stop(channel);
    const timer = setTimeout(() => this.kill(), timeoutMs);
    await Promise.all([...this.#members.values()].map(({ ended }) => ended));
    clearTimeout(timer);
  }

  kill(): void {
    for (const { child } of this.#members.values()) child.kill();
  }

  #start(number: number): void {
    const child = this.#options.start(number);
    const own = {
      ...this.#options.own(number),
      ready: (ready: Ready) => this.#serves(number, ready),
    };
    const channel = new Channel<Theirs>(child, own);
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    const closed = new Promise<void>((close) => child.onClose(close));
    child.onExit((how) => void this.#ended(number, closed, how).then(resolve));
    this.#members.set(number, { child, channel, servingSinceMs: undefined, ended });
  }

  #serves(number: number, ready: Ready): void {
    const member = this.#members.get(number);
    if (member === undefined) return;
    member.servingSinceMs = performance.now();
    this.#firstReady.set(number, ready);
    if (this.#firstReady.size < this.#options.count) return;
    const inOrder = [...this.#firstReady].toSorted(([one], [other]) => one - other);
    this.#allReady.resolve(inOrder.map(([, value]) => value));
  }

  async #ended(number: number, closed: Promise<void>, how: string): Promise<void> {
    const sinceMs = this.#members.get(number)?.servingSinceMs;
    // What it sent last may be read after its end.
    await within(lastWordsMs, closed);
    await this.#options.onEnded?.(number);
    this.#members.delete(number);
    if (this.#stopping) return;
    if (!this.#firstReady.has(number)) return this.#fail(number, how);
    const hasLasted = sinceMs !== undefined && performance.now() - sinceMs >= this.#backoffMaxMs;
    const waitMs = hasLasted
      ? this.#backoffMinMs
      : (this.#backoffMs.get(number) ?? this.#backoffMinMs);
    this.#backoffMs.set(number, Math.min(2 * waitMs, this.#backoffMaxMs));
    this.restarts += 1;
    this.#options.onTrouble(`process ${number} ended (${how}), next in ${waitMs} ms`);
    this.#restarting.set(
      number,
      setTimeout(() => this.#start(number), waitMs),
    );
  }

  /** What does not start at first will not the next time: its own lines say why. */
  #fail(number: number, how: string): void {
    this.#stopping = true;
    this.#allReady.reject(new Error(`process ${number} did not start (${how})`));
    for (const { channel } of this.#members.values()) this.#options.stop(channel);
  }
}
