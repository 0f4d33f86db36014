// Hands a chat answer to connect-node: the whole message, or chunks through a bounded queue.
import type { AnswerHead, AnswerSink } from "../chat/call.ts";
import type {
  CreateChatCompletionResponse,
  StreamChatCompletionResponse,
} from "../gen/optamil/v1/chat_pb.ts";
import type { OptamilError } from "../platform/errors.ts";
import { type SetHeader, setAnswerHeaders, toCredits } from "./headers.ts";

/** Chunks that may wait for a slow reader before the provider is paused. */
const queuedChunksMax = 64;

/** The sink of one RPC. Unary answers are in `answer`; streams are read by iterating. */
export class MessageSink implements AnswerSink, AsyncIterable<StreamChatCompletionResponse> {
  readonly form = "messages";
  onDrain: (() => void) | undefined = undefined;
  /** The whole answer, once there is one. */
  answer: CreateChatCompletionResponse | undefined = undefined;
  readonly #setHeader: SetHeader;
  readonly #onHead: () => void;
  readonly #onCharge: (credits: string) => void;
  #queue: StreamChatCompletionResponse[] = [];
  #ended = false;
  #error: unknown = undefined;
  #wake: (() => void) | undefined = undefined;
  #full = false;
  #started = false;

  /**
   * @param onHead is told when the head is due, for headers that are not the answer's own.
   * @param onCharge is told the charge of a complete stream, for the trailers.
   */
  constructor(
    setHeader: SetHeader,
    onHead: () => void = () => {},
    onCharge: (credits: string) => void = () => {},
  ) {
    this.#setHeader = setHeader;
    this.#onHead = onHead;
    this.#onCharge = onCharge;
  }

  head(head: AnswerHead): void {
    if (this.#started) return;
    this.#started = true;
    setAnswerHeaders(head, this.#setHeader);
    this.#onHead();
  }

  json(): void {
    throw new Error("an RPC takes messages");
  }

  message(message: CreateChatCompletionResponse): void {
    this.answer = message;
  }

  events(): boolean {
    throw new Error("an RPC takes messages");
  }

  chunks(chunks: readonly StreamChatCompletionResponse[]): boolean {
    this.#queue.push(...chunks);
    this.#full = this.#queue.length >= queuedChunksMax;
    this.#wake?.();
    return !this.#full;
  }

  /** HTTP/2 has pings of its own. */
  ping(): void {}

  end(creditsMicro?: bigint): void {
    if (creditsMicro !== undefined) this.#onCharge(toCredits(creditsMicro));
    this.#ended = true;
    this.#wake?.();
  }

  /** Ends the stream with what is queued, then the error. */
  fail(error: OptamilError): void {
    this.abort(error);
  }

  /** The same for any error. */
  abort(error: unknown): void {
    this.#error ??= error;
    this.end();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<StreamChatCompletionResponse> {
    while (true) {
      const chunks = this.#take();
      yield* chunks;
      if (this.#queue.length > 0) continue;
      if (this.#ended) break;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
    if (this.#error !== undefined) throw this.#error;
  }

  #take(): readonly StreamChatCompletionResponse[] {
    const chunks = this.#queue;
    this.#queue = [];
    if (this.#full) {
      this.#full = false;
      this.onDrain?.();
    }
    return chunks;
  }
}
