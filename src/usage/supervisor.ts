// Keeps the consumer's process alive, and speaks with it.
import { fork } from "node:child_process";
import { invalidRequest, OptamilError } from "../platform/errors.ts";
import {
  type Answer,
  type FromChild,
  isFromChild,
  type Question,
  type ToChild,
} from "./child-messages.ts";
import type { Confirmation } from "./consumer-parts.ts";
import type { LastExit } from "./trial.ts";

/** A consumer's process, as far as it is needed here. */
export interface ConsumerProcess {
  /** Undefined if it could not be started. */
  readonly pid: number | undefined;
  send(message: ToChild): void;
  onMessage(listener: (message: unknown) => void): void;
  /** Called once, also when it could not be started. */
  onExit(listener: (signal: string | null) => void): void;
  kill(): void;
}

/** What is told of the consumer. */
export type SupervisorEvents = {
  /** The sums to give to the counters. */
  readonly onConfirmed: (confirmation: Confirmation) => void;
  /** A process has its warehouse open. */
  readonly onReady?: (() => void) | undefined;
  readonly onProgress?: ((progress: Extract<FromChild, { type: "progress" }>) => void) | undefined;
  /** Something failed, or a process ended unasked; it is tried again. */
  readonly onTrouble: (message: string) => void;
};

/** How to supervise. */
export type SupervisorOptions = SupervisorEvents & {
  readonly start: () => ConsumerProcess;
  /** What the counters have taken: the usage log's `confirmedOffset`. */
  readonly deliveredOffset: () => number;
  /** Whether the consumer consumes nothing, and answers questions only. Default false. */
  readonly onlyAnswers?: boolean | undefined;
  /** Wait before a restart: doubled from the first to the second, and back after progress. Default 200 and 10,000. */
  readonly backoffMs?: readonly [number, number] | undefined;
  /** Time for an answer. Default 70,000: statements end after 60,000. */
  readonly answerTimeoutMs?: number | undefined;
  /** Time to stop before it is killed. Default 10,000. */
  readonly stopTimeoutMs?: number | undefined;
};

/** The consumer as the gateway sees it. */
export interface ConsumerSupervisor {
  /** Throws `service_unavailable` while there is no consumer, `invalid_request` for a wrong question. */
  ask<Kind extends Question["kind"]>(
    question: Extract<Question, { kind: Kind }>,
  ): Promise<Extract<Answer, { kind: Kind }>>;
  /** Whether the warehouse is open. */
  readonly ready: boolean;
  /** Resolves when it is. */
  whenReady(): Promise<void>;
  /** Ends the consumer after its step, by force if that takes too long. */
  stop(): Promise<void>;
}

/** Starts a consumer and keeps one running until `stop`. */
export function superviseConsumer(options: SupervisorOptions): ConsumerSupervisor {
  return new Supervisor(options);
}

/**
 * Starts a consumer in a process of its own, by `node:child_process` (Deno has it too, for .ts entries as
 * well; tried on 2.8.2 with structured clone and "disconnect").
 */
export function forkConsumer(entry: string, args: readonly string[]): ConsumerProcess {
  const child = fork(entry, args, { serialization: "advanced" });
  return {
    pid: child.pid,
    send: (message) => {
      // The channel may have closed a moment ago: "exit" tells.
      if (child.connected) child.send(message, () => undefined);
    },
    onMessage: (listener) => child.on("message", listener),
    onExit: (listener) => {
      child.once("exit", (_code, signal) => listener(signal));
      child.once("error", () => {
        if (child.pid === undefined) listener(null);
      });
    },
    kill: () => child.kill("SIGKILL"),
  };
}

type Pending = {
  readonly timer: ReturnType<typeof setTimeout>;
  resolve(answer: Answer): void;
  reject(error: Error): void;
};

class Supervisor implements ConsumerSupervisor {
  ready = false;
  #onceReady = Promise.withResolvers<void>();
  readonly #options: SupervisorOptions;
  readonly #pending = new Map<number, Pending>();
  readonly #backoffMinMs: number;
  readonly #backoffMaxMs: number;
  #process: ConsumerProcess | undefined;
  #lastExit: LastExit | undefined;
  #backoffMs: number;
  #restart: ReturnType<typeof setTimeout> | undefined;
  #nextId = 1;
  #stopping = false;
  #onceExited = () => {};

  constructor(options: SupervisorOptions) {
    this.#options = options;
    [this.#backoffMinMs, this.#backoffMaxMs] = options.backoffMs ?? [200, 10_000];
    this.#backoffMs = this.#backoffMinMs;
    this.#start();
  }

  async ask<Kind extends Question["kind"]>(
    question: Extract<Question, { kind: Kind }>,
  ): Promise<Extract<Answer, { kind: Kind }>> {
    const answer = await this.#ask(question);
    if (!isOfKind(answer, question.kind)) throw new Error("the consumer answered another question");
    return answer;
  }

  whenReady(): Promise<void> {
    return this.#onceReady.promise;
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#restart);
    const child = this.#process;
    if (child === undefined) return;
    const exited = new Promise<void>((resolve) => {
      this.#onceExited = resolve;
    });
    child.send({ type: "stop" });
    const timer = setTimeout(() => child.kill(), this.#options.stopTimeoutMs ?? 10_000);
    await exited;
    clearTimeout(timer);
  }

  #start(): void {
    const child = this.#options.start();
    this.#process = child;
    child.onMessage((message) => {
      if (isFromChild(message)) this.#take(message);
    });
    child.onExit((signal) => this.#exited(signal));
    child.send({
      type: "start",
      lastExit: this.#lastExit,
      deliveredOffset: this.#options.deliveredOffset(),
      onlyAnswers: this.#options.onlyAnswers ?? false,
    });
  }

  #exited(signal: string | null): void {
    if (this.ready) this.#onceReady = Promise.withResolvers<void>();
    this.ready = false;
    this.#process = undefined;
    // The kernel kills for want of memory with SIGKILL, operators with either: no record is at fault.
    this.#lastExit = signal === "SIGKILL" || signal === "SIGTERM" ? "killed" : "crashed";
    const error = new OptamilError("service_unavailable", "The warehouse was restarted.");
    for (const { reject } of this.#pending.values()) reject(error);
    this.#onceExited();
    if (this.#stopping) return;
    this.#options.onTrouble(
      `the consumer ended (${signal ?? "exit"}), next in ${this.#backoffMs} ms`,
    );
    this.#restart = setTimeout(() => this.#start(), this.#backoffMs);
    this.#backoffMs = Math.min(2 * this.#backoffMs, this.#backoffMaxMs);
  }

  #take(message: FromChild): void {
    switch (message.type) {
      case "ready":
        this.ready = true;
        this.#onceReady.resolve();
        this.#options.onReady?.();
        break;
      case "confirmed":
        this.#options.onConfirmed(message.confirmation);
        break;
      case "progress":
        this.#backoffMs = this.#backoffMinMs;
        this.#options.onProgress?.(message);
        break;
      case "trouble":
        this.#options.onTrouble(message.message);
        break;
      case "answer":
        this.#pending.get(message.id)?.resolve(message.answer);
        break;
      case "refusal":
        this.#pending.get(message.id)?.reject(toError(message));
        break;
    }
  }

  #ask(question: Question): Promise<Answer> {
    const child = this.#process;
    if (child === undefined || !this.ready) {
      return Promise.reject(unavailable("The warehouse is starting."));
    }
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const timeoutMs = this.#options.answerTimeoutMs ?? 70_000;
    const timer = setTimeout(() => reject(unavailable("The warehouse is busy.")), timeoutMs);
    this.#pending.set(id, { timer, resolve, reject });
    child.send({ type: "ask", id, question });
    return promise.finally(() => {
      clearTimeout(timer);
      this.#pending.delete(id);
    });
  }
}

function isOfKind<Kind extends Answer["kind"]>(
  answer: Answer,
  kind: Kind,
): answer is Extract<Answer, { kind: Kind }> {
  return answer.kind === kind;
}

function toError({ message, invalid }: Extract<FromChild, { type: "refusal" }>): OptamilError {
  return invalid ? invalidRequest(message) : unavailable(message);
}

function unavailable(message: string): OptamilError {
  return new OptamilError("service_unavailable", message, { retryAfterMs: 1_000 });
}
