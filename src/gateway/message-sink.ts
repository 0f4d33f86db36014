// Hands a chat answer to connect-node: the whole message, or chunks through a bounded queue.
import type { Message } from "@bufbuild/protobuf";
import type { AnswerHead, AnswerSink } from "../chat/call.ts";
import type {
  CreateChatCompletionResponse,
  StreamChatCompletionResponse,
} from "../gen/optamil/v1/chat_pb.ts";
import type { OptamilError } from "../platform/errors.ts";
import { toDropped } from "./dropped.ts";
import type { AnswerTranslator } from "./exchange.ts";
import { type SetHeader, setAnswerHeaders, toCredits } from "./headers.ts";

/** Chunks that may wait for a slow reader before the provider is paused. */
const queuedChunksMax = 64;

/** The sink of one RPC. Unary answers are in `answer`; streams are read by iterating. */
export class MessageSink implements AnswerSink, AsyncIterable<Message> {
  readonly form = "messages";
  onDrain: (() => void) | undefined = undefined;
  /** The whole answer, once there is one. */
  answer: Message | undefined = undefined;
  readonly #translator: AnswerTranslator | undefined;
  readonly #setHeader: SetHeader;
  readonly #onHead: () => void;
  readonly #onCharge: (credits: string) => void;
  #queue: Message[] = [];
  #ended = false;
  #error: unknown = undefined;
  #wake: (() => void) | undefined = undefined;
  #full = false;
  #started = false;

  /**
   * @param translator is undefined where the method's messages are the chat's own.
   * @param onHead is told when the head is due, for headers that are not the answer's own.
   * @param onCharge is told the charge of a complete stream, for the trailers.
   */
  constructor(
    setHeader: SetHeader,
    translator: AnswerTranslator | undefined,
    onHead: () => void = () => {},
    onCharge: (credits: string) => void = () => {},
  ) {
    this.#translator = translator;
    this.#setHeader = setHeader;
    this.#onHead = onHead;
    this.#onCharge = onCharge;
  }

  head(head: AnswerHead): void {
    if (this.#started) return;
    this.#started = true;
    const dropped = toDropped(this.#translator, head.dropped);
    setAnswerHeaders(head, this.#setHeader, dropped);
    this.#onHead();
  }

  json(): void {
    throw new Error("an RPC takes messages");
  }

  message(message: CreateChatCompletionResponse): void {
    this.answer = this.#translator?.whole(message) ?? message;
  }

  events(): boolean {
    throw new Error("an RPC takes messages");
  }

  chunks(chunks: readonly StreamChatCompletionResponse[]): boolean {
    this.#queue.push(...(this.#translator?.chunks(chunks) ?? chunks));
    this.#full = this.#queue.length >= queuedChunksMax;
    this.#wake?.();
    return !this.#full;
  }

  /** HTTP/2 has pings of its own. */
  ping(): void {}

  end(creditsMicro: bigint): void {
    this.#onCharge(toCredits(creditsMicro));
    this.#queue.push(...(this.#translator?.end() ?? []));
    this.#close();
  }

  /** Ends the stream with what is queued, then the error. */
  fail(error: OptamilError): void {
    this.abort(error);
  }

  /** The same for any error. */
  abort(error: unknown): void {
    this.#error ??= error;
    this.#close();
  }

  #close(): void {
    this.#ended = true;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Message> {
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

  #take(): readonly Message[] {
    const chunks = this.#queue;
    this.#queue = [];
    if (this.#full) {
      this.#full = false;
      this.onDrain?.();
    }
    return chunks;
  }
}
