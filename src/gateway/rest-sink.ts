// Writes a chat answer to an HTTP response: JSON in one piece or server-sent events.
import type { AnswerHead, AnswerSink } from "../chat/call.ts";
import type {
  CreateChatCompletionResponse,
  StreamChatCompletionResponse,
} from "../gen/optamil/v1/chat_pb.ts";
import type { OptamilError } from "../platform/errors.ts";
import { setAnswerHeaders } from "./headers.ts";
import { type Reply, type ReplyHead, stallTimeoutMs } from "./reply.ts";
import type { RestFormat } from "./rest-format.ts";

/** The sink of one REST request. */
export class RestSink implements AnswerSink {
  readonly form: "json" | "messages";
  onDrain: (() => void) | undefined = undefined;
  readonly #response: Reply;
  readonly #head: ReplyHead;
  readonly #format: RestFormat;
  readonly #isStream: boolean;
  #headSent = false;
  #includeUsage = false;
  #stall: ReturnType<typeof setTimeout> | undefined = undefined;

  constructor(response: Reply, head: ReplyHead, format: RestFormat, isStream: boolean) {
    this.form = format.form;
    this.#response = response;
    this.#head = head;
    this.#format = format;
    this.#isStream = isStream;
  }

  /** Whether the status line is out: from then on a failure is an error frame. */
  get started(): boolean {
    return this.#headSent;
  }

  head(head: AnswerHead): void {
    if (this.#headSent) return;
    this.#headSent = true;
    this.#includeUsage = head.includeUsage;
    const own = this.#head;
    const dropped = this.#format.dropped(head.dropped);
    setAnswerHeaders(head, (name, value) => own.set(name, value), dropped);
    if (!this.#isStream) return;
    own.set("cache-control", "no-cache, no-transform");
    own.set("x-accel-buffering", "no");
    own.set("content-type", "text/event-stream; charset=utf-8");
    own.write(200);
  }

  json(bytes: Uint8Array): void {
    this.#head.endJson(200, bytes);
  }

  message(message: CreateChatCompletionResponse): void {
    this.#head.endJson(200, this.#format.whole(message));
  }

  events(events: Uint8Array): boolean {
    return this.#write(events);
  }

  chunks(chunks: readonly StreamChatCompletionResponse[]): boolean {
    const text = this.#format.chunks(chunks, this.#includeUsage);
    return text === "" || this.#write(text);
  }

  ping(): void {
    if (this.#stall === undefined) this.#write(this.#format.ping());
  }

  end(): void {
    this.#finish(this.#format.end());
  }

  fail(error: OptamilError): void {
    this.#finish(this.#format.failure(error));
  }

  #write(data: string | Uint8Array): boolean {
    const response = this.#response;
    if (response.destroyed || response.write(data)) return true;
    this.#stall ??= setTimeout(() => response.destroy(), stallTimeoutMs);
    response.once("drain", () => {
      clearTimeout(this.#stall);
      this.#stall = undefined;
      this.onDrain?.();
    });
    return false;
  }

  #finish(frame: string): void {
    clearTimeout(this.#stall);
    this.#response.end(frame);
  }
}
