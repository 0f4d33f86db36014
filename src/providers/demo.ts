// The provider that needs no network and no key: canned answers that say so.

import type { StreamChatCompletionResponse } from "../gen/optamil/v1/chat_pb.ts";
import type { Clock } from "../platform/clock.ts";
import { toChunks, toResponse, toUsage } from "./demo/messages.ts";
import { type Reply, toReplies } from "./demo/reply.ts";
import { countInputTokens, toDemoVector } from "./demo/vectors.ts";
import { timerMsMax, toCancelledFailure, toTimeoutFailure } from "./failure.ts";
import type {
  Provider,
  ProviderCall,
  ProviderFailure,
  ProviderStream,
  StreamReceiver,
} from "./provider.ts";
import { formOf, toVector } from "./vectors.ts";

/** Chunks delivered in one turn of the event loop: so few that a stream is seen to stream. */
const chunksPerTurn = 4;

/** How the demo provider is opened. */
export type DemoOptions = {
  /** Name of the configuration. */
  readonly name: string;
  /** Gives `created`. */
  readonly clock: Clock;
};

/**
 * Opens the demo provider.
 *
 * It answers at once with a text that says that no model was called and quotes the last user message. It
 * obeys max_tokens, max_completion_tokens, stop, n, JSON mode and tools, and is the same for the same
 * request. With tool_choice "auto" it calls a function when the last user message says `call <name>`.
 * Its vectors say which words texts share (demo/vectors.ts). Tokens are counted by its own rule, exactly: each run of letters and digits is one, and so is each other
 * character that is no space.
 */
export function openDemo({ name, clock }: DemoOptions): Provider {
  const now = () => BigInt(Math.floor(clock.wallMs() / 1000));
  return {
    name,
    json: "native",
    complete: async (call) => {
      const { cancelled, reason } = call.cancellation;
      if (cancelled) return toCancelledFailure(reason, 0);
      const replies = toReplies(call.request);
      const message = toResponse(call, replies, now());
      return { ok: true, body: { form: "message", message }, usage: toUsage(call, replies) };
    },
    stream: (call, receiver) => {
      const stream = new DemoStream(call, receiver, now());
      stream.start();
      return stream;
    },
    embed: async (call) => {
      const { cancelled, reason } = call.cancellation;
      if (cancelled) return toCancelledFailure(reason, 0);
      const dimensions = call.request.dimensions ?? call.modelDimensions;
      const vectors = call.inputs.map((input) =>
        toVector(toDemoVector(input, dimensions), formOf(call)),
      );
      return { ok: true, vectors, promptTokens: countInputTokens(call), dropped: [] };
    },
    close: async () => {},
  };
}

/** A running stream. */
class DemoStream implements ProviderStream {
  readonly #call: ProviderCall;
  readonly #receiver: StreamReceiver;
  readonly #replies: readonly Reply[];
  readonly #chunks: Iterator<StreamChatCompletionResponse, void>;
  #turn: ReturnType<typeof setImmediate> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #forgetCancellation: () => void = () => {};
  #isPaused = false;
  #isOver = false;

  constructor(call: ProviderCall, receiver: StreamReceiver, created: bigint) {
    this.#call = call;
    this.#receiver = receiver;
    this.#replies = toReplies(call.request);
    this.#chunks = toChunks(call, this.#replies, created);
  }

  start(): void {
    const { cancellation, timeoutMs } = this.#call;
    const cancel = () => this.#fail(toCancelledFailure(cancellation.reason, 0));
    if (cancellation.cancelled) {
      queueMicrotask(cancel);
      return;
    }
    this.#forgetCancellation = cancellation.onCancel(cancel);
    this.#timer = setTimeout(
      () => this.#fail(toTimeoutFailure("end", timeoutMs, 0)),
      Math.min(timeoutMs, timerMsMax),
    );
    this.#schedule();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isOver || this.#isPaused) return;
    this.#turn ??= setImmediate(() => {
      this.#turn = undefined;
      if (!this.#isPaused) this.#deliver();
    });
  }

  #deliver(): void {
    const chunks: StreamChatCompletionResponse[] = [];
    let next = this.#chunks.next();
    while (!next.done) {
      chunks.push(next.value);
      if (chunks.length === chunksPerTurn) break;
      next = this.#chunks.next();
    }
    if (chunks.length > 0) this.#receiver.onChunks(chunks);
    // The receiver may have cancelled just now.
    if (this.#isOver) return;
    if (!next.done) {
      this.#schedule();
      return;
    }
    this.#end();
    this.#receiver.onEnd(toUsage(this.#call, this.#replies));
  }

  #fail(failure: ProviderFailure): void {
    if (this.#isOver) return;
    this.#end();
    this.#receiver.onFailure(failure);
  }

  #end(): void {
    this.#isOver = true;
    clearImmediate(this.#turn);
    clearTimeout(this.#timer);
    this.#forgetCancellation();
  }
}
