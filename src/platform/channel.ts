// Calls between two processes of this program, over whatever carries structured clones from one to the other.
import { type ErrorCode, errorTable, OptamilError } from "./errors.ts";

/** The way to the other process: that of a forked one, seen from either end. */
export interface MessagePort {
  send(message: unknown): void;
  onMessage(listener: (message: unknown) => void): void;
  /** Called when the other process is gone. */
  onClose(listener: () => void): void;
}

/** Functions that the other process may call. Arguments and results are what structured clone carries. */
export type Functions = Readonly<Record<string, (...args: never[]) => unknown>>;

/** A call, an answer or a refusal; the calls that nobody waits for have the id 0. */
type Message =
  | readonly ["call", id: number, name: string, args: readonly unknown[]]
  | readonly ["answer", id: number, value: unknown]
  | readonly ["refusal", id: number, refusal: Refusal];

/** An `OptamilError`, or the text of any other. */
type Refusal = {
  readonly message: string;
  readonly code?: ErrorCode | undefined;
  readonly param?: string | undefined;
  readonly retryAfterMs?: number | undefined;
  readonly shouldRetry?: boolean | undefined;
};

type Waiting = {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
};

/**
 * One end of a channel. What is sent in a turn of the event loop goes in one message, in its order: a message costs some
 * 20 µs at both ends, and a busy process has many calls in each turn.
 */
export class Channel<Theirs extends Functions> {
  readonly #port: MessagePort;
  readonly #own: Functions;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;
  #out: Message[] = [];
  #isClosed = false;

  /** @param own What the other end may call. */
  constructor(port: MessagePort, own: Functions) {
    this.#port = port;
    this.#own = own;
    port.onMessage((message) => {
      if (Array.isArray(message)) for (const one of message) this.#take(one);
    });
    port.onClose(() => this.#close());
  }

  /** Calls a function of the other end. Rejects with what that throws, and when the other process is gone. */
  call<Name extends keyof Theirs & string>(
    name: Name,
    ...args: Parameters<Theirs[Name]>
  ): Promise<Awaited<ReturnType<Theirs[Name]>>> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) return reject(gone());
      const id = this.#nextId++;
      // Both ends are this program: what comes back is what the function of that name gives.
      this.#waiting.set(id, { resolve: resolve as Waiting["resolve"], reject });
      this.#send(["call", id, name, args]);
    });
  }

  /** The same where nobody waits for the result, or wants to know of a failure. */
  tell<Name extends keyof Theirs & string>(name: Name, ...args: Parameters<Theirs[Name]>): void {
    this.#send(["call", 0, name, args]);
  }

  #send(message: Message): void {
    if (this.#isClosed) return;
    this.#out.push(message);
    if (this.#out.length > 1) return;
    setImmediate(() => {
      const out = this.#out;
      this.#out = [];
      if (!this.#isClosed) this.#port.send(out);
    });
  }

  #take(message: Message): void {
    const [kind, id] = message;
    if (kind === "call") {
      this.#run(id, message[2], message[3]);
      return;
    }
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (kind === "answer") waiting?.resolve(message[2]);
    else waiting?.reject(toError(message[2]));
  }

  #run(id: number, name: string, args: readonly unknown[]): void {
    const answer = (value: unknown) => {
      if (id !== 0) this.#send(["answer", id, value]);
    };
    const refuse = (error: unknown) => {
      if (id !== 0) this.#send(["refusal", id, toRefusal(error)]);
    };
    try {
      // The other end calls by the types of this one.
      const result = this.#own[name]?.(...(args as never[]));
      if (result instanceof Promise) result.then(answer, refuse);
      else answer(result);
    } catch (error) {
      refuse(error);
    }
  }

  #close(): void {
    this.#isClosed = true;
    for (const { reject } of this.#waiting.values()) reject(gone());
    this.#waiting.clear();
  }
}

function gone(): OptamilError {
  return new OptamilError("service_unavailable", "The gateway is starting again.", {
    retryAfterMs: 1_000,
  });
}

function toRefusal(error: unknown): Refusal {
  if (!(error instanceof OptamilError)) {
    return { message: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
  const { message, code, param, retryAfterMs, shouldRetry } = error;
  return { message, code, param, retryAfterMs, shouldRetry };
}

function toError({ message, code, ...details }: Refusal): Error {
  if (code === undefined || !(code in errorTable)) return new Error(message);
  return new OptamilError(code, message, details);
}
