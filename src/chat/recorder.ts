// A sink that writes down what goes through it to another one, and holds its end back.
import { Buffer } from "node:buffer";
import { answerBytesMax } from "../admission/idempotency.ts";
import type {
  CreateChatCompletionResponse,
  StreamChatCompletionResponse,
} from "../gen/optamil/v1/chat_pb.ts";
import type { OptamilError } from "../platform/errors.ts";
import { toCompletionText, toEventsText } from "./answer-json.ts";
import type { AnswerHead, AnswerSink } from "./call.ts";
import type { KeptAnswer } from "./kept-answer.ts";

/** The memory that all recordings of a process share. */
export class RecordingRoom {
  #freeBytes: number;

  /** @param sizeBytes Default 256 MiB: 2,500 streams of 100 kB at once. */
  constructor(sizeBytes: number = 256 * 1024 * 1024) {
    this.#freeBytes = sizeBytes;
  }

  /** Takes room; false if there is not so much. */
  take(bytes: number): boolean {
    if (bytes > this.#freeBytes) return false;
    this.#freeBytes -= bytes;
    return true;
  }

  give(bytes: number): void {
    this.#freeBytes += bytes;
  }
}

/** The recording of one answer. What is too large for the room or for `answerBytesMax` is not kept. */
export class Recorder implements AnswerSink {
  readonly form: "json" | "messages";
  /** What the answer cost, micro-credits; 0 until its end. */
  chargeMicro = 0n;
  readonly #sink: AnswerSink;
  readonly #room: RecordingRoom;
  #head: AnswerHead | undefined = undefined;
  #kind: "json" | "events" = "events";
  #pieces: Uint8Array[] = [];
  #sizeBytes = 0;
  #isWhole = true;
  #end: (() => void) | undefined = undefined;

  constructor(sink: AnswerSink, room: RecordingRoom) {
    this.form = sink.form;
    this.#sink = sink;
    this.#room = room;
  }

  get onDrain(): (() => void) | undefined {
    return this.#sink.onDrain;
  }

  set onDrain(listener: (() => void) | undefined) {
    this.#sink.onDrain = listener;
  }

  head(head: AnswerHead): void {
    this.#head = head;
    this.#sink.head(head);
  }

  json(bytes: Uint8Array): void {
    this.#endInOnePiece(Buffer.from(bytes), () => this.#sink.json(bytes));
  }

  message(message: CreateChatCompletionResponse): void {
    const bytes = Buffer.from(toCompletionText(message));
    this.#endInOnePiece(bytes, () => this.#sink.message(message));
  }

  events(events: Uint8Array): boolean {
    // A copy: what a provider hands over may be a small part of a large buffer.
    if (this.#isWhole) this.#keep(Buffer.from(events));
    return this.#sink.events(events);
  }

  chunks(chunks: readonly StreamChatCompletionResponse[]): boolean {
    if (this.#isWhole) {
      this.#keep(Buffer.from(toEventsText(chunks, this.#head?.includeUsage ?? false)));
    }
    return this.#sink.chunks(chunks);
  }

  ping(): void {
    this.#sink.ping();
  }

  end(creditsMicro: bigint): void {
    this.chargeMicro = creditsMicro;
    this.#end = () => this.#sink.end(creditsMicro);
  }

  fail(error: OptamilError, creditsMicro: bigint): void {
    this.chargeMicro = creditsMicro;
    this.#isWhole = false;
    this.#end = () => this.#sink.fail(error, creditsMicro);
  }

  /** The answer, once it has ended; undefined if it broke or is not kept. */
  answer(): KeptAnswer | undefined {
    const head = this.#head;
    if (head === undefined || !this.#isWhole || this.#end === undefined) return undefined;
    const body = Buffer.concat(this.#pieces);
    return { head, chargeMicro: this.chargeMicro, form: this.#kind, body };
  }

  /** Lets the end of the answer go out. */
  release(): void {
    this.#end?.();
  }

  /** Gives the memory back. */
  close(): void {
    this.#room.give(this.#sizeBytes);
    this.#sizeBytes = 0;
    this.#pieces = [];
    this.#isWhole = false;
  }

  #endInOnePiece(bytes: Uint8Array, end: () => void): void {
    this.#kind = "json";
    // The head of an answer in one piece knows its charge.
    this.chargeMicro = this.#head?.creditsMicro ?? 0n;
    this.#keep(bytes);
    this.#end = end;
  }

  #keep(piece: Uint8Array): void {
    const { byteLength } = piece;
    if (this.#sizeBytes + byteLength > answerBytesMax || !this.#room.take(byteLength)) {
      this.close();
      return;
    }
    this.#sizeBytes += byteLength;
    this.#pieces.push(piece);
  }
}
