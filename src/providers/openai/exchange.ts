// One HTTP exchange with an upstream: its deadline, its cancellation and its one end.

import { Buffer } from "node:buffer";
import type { Dispatcher } from "undici";
import type { Clock } from "../../platform/clock.ts";
import { OptamilError, toOptamilError } from "../../platform/errors.ts";
import { timerMsMax, toCancelledFailure, toTimeoutFailure } from "../failure.ts";
import type { ProviderFailure, UpstreamCall } from "../provider.ts";
import {
  isClosedUnread,
  type Redact,
  readRetryAfterMs,
  toProtocolFailure,
  toRefusalFailure,
  toTransportFailure,
} from "./failure.ts";

/** Most bytes of a refusal that are read: 64 KiB hold any error message. */
const refusalBytesMax = 65_536;
/** A provider that closes an idle connection does so within a round trip of what was sent on it; later it may have worked. */
const repeatWithinMs = 1_000;

/** Headers of an answer. */
export type AnswerHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** What an exchange delivers, in order; after `onFailure`, or after `end` was called, nothing follows. */
export interface ExchangeReceiver {
  /** The head of a 2xx answer. */
  onHead(headers: AnswerHeaders): void;
  /** All bytes that came in one turn of the event loop, the reader's to keep. */
  onBytes(bytes: Buffer): void;
  /** The body is complete. */
  onClose(): void;
  /** Refused, failed, timed out or cancelled. */
  onFailure(failure: ProviderFailure): void;
}

/** A running exchange as its receiver steers it. */
export interface ExchangeSteer {
  /** Ends it in good order: nothing is delivered any more. False if it was over. */
  end(): boolean;
  /** The first token has come. */
  begun(): void;
  /** Closes the socket at once and fails, unless it is over. */
  fail(failure: ProviderFailure): void;
}

/** What all exchanges of one provider share. */
export type ExchangeSetting = {
  readonly dispatcher: Dispatcher;
  readonly redact: Redact;
  readonly clock: Clock;
  readonly timeouts: Timeouts;
};

/** How long a provider is waited for, milliseconds. */
export type Timeouts = {
  /** Until a connection stands. */
  readonly connectMs: number;
  /** From the request to the first token of a stream. */
  readonly firstTokenMs: number;
  /** Between two reads of an answer. */
  readonly silenceMs: number;
  /** For the whole answer; undefined: as long as the request has. */
  readonly totalMs: number | undefined;
};

/** A running exchange; undici calls the `on…` methods, the receiver's owner the others. */
export class Exchange implements Dispatcher.DispatchHandler, ExchangeSteer {
  readonly #call: UpstreamCall;
  readonly #setting: ExchangeSetting;
  readonly #receiver: ExchangeReceiver;
  /** Names of the request's members that the API cannot be told. */
  dropped: readonly string[] = [];
  /** What is sent once more if the connection was closed before it was read; undefined from the answer's head on. */
  #repeatable: Dispatcher.DispatchOptions | undefined;
  #startedAtMs = 0;
  #controller: Dispatcher.DispatchController | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #firstTimer: ReturnType<typeof setTimeout> | undefined;
  #forgetCancellation: () => void = () => {};
  #status = 0;
  #headers: AnswerHeaders = {};
  #waiting: Buffer[] = [];
  #refusalBytes = 0;
  #isStarted = false;
  #isOver = false;
  #isPaused = false;

  constructor(
    call: UpstreamCall,
    setting: ExchangeSetting,
    createReceiver: (steer: ExchangeSteer) => ExchangeReceiver,
  ) {
    this.#call = call;
    this.#setting = setting;
    this.#receiver = createReceiver(this);
  }

  /** Sends the request. The receiver hears nothing before this returned. */
  start(request: Dispatcher.DispatchOptions, isStream: boolean): void {
    const { cancellation, timeoutMs, timeouts } = this.#call;
    const usual = this.#setting.timeouts;
    const totalMs = timeouts?.totalMs ?? usual.totalMs ?? timeoutMs;
    const firstTokenMs = timeouts?.firstTokenMs ?? usual.firstTokenMs;
    this.#forgetCancellation = cancellation.onCancel(() => this.#cancel());
    if (!this.#isOver) {
      this.#timer = this.#expireAfter(Math.min(timeoutMs, totalMs), "end");
      // A whole answer has no first token: its head comes when it is done.
      if (isStream) this.#firstTimer = this.#expireAfter(firstTokenMs, "first token");
      this.#repeatable = request;
      this.#startedAtMs = this.#setting.clock.monotonicMs();
      this.#setting.dispatcher.dispatch(request, this);
    }
    this.#isStarted = true;
  }

  /** Stops reading until `resume`; what undici has read already still comes. */
  pause(): void {
    this.#isPaused = true;
    this.#controller?.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#controller?.resume();
  }

  begun(): void {
    clearTimeout(this.#firstTimer);
  }

  /** The rest of the body is read and dropped, so that the connection goes back to the pool. */
  end(): boolean {
    if (!this.#close()) return false;
    // A paused connection would never reach the end of its body.
    this.resume();
    return true;
  }

  fail(failure: ProviderFailure): void {
    if (!this.#close()) return;
    this.#controller?.abort(new Error(failure.errorClass));
    if (this.#isStarted) this.#receiver.onFailure(failure);
    else queueMicrotask(() => this.#receiver.onFailure(failure));
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#isOver) {
      controller.abort(new Error("over before it was sent"));
      return;
    }
    this.#controller = controller;
    if (this.#isPaused) controller.pause();
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: AnswerHeaders,
  ): void {
    // 1xx heads go before the real one (RFC 9110 §15.2).
    if (this.#isOver || status < 200) return;
    this.#repeatable = undefined;
    this.#status = status;
    this.#headers = headers;
    if (this.#isRefused()) return;
    const encoding = headers["content-encoding"] ?? "identity";
    // We ask for no compression; bytes that we cannot read are no answer.
    if (encoding !== "identity") this.fail(toProtocolFailure(`content-encoding: ${encoding}`));
    else this.#guard(() => this.#receiver.onHead(headers));
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Uint8Array): void {
    if (this.#isOver) return;
    if (this.#isRefused()) {
      if (this.#refusalBytes >= refusalBytesMax) return;
      this.#refusalBytes += chunk.length;
    }
    this.#waiting.push(toBuffer(chunk));
    // One socket read brings many HTTP chunks in one turn: they are one delivery.
    if (this.#waiting.length === 1 && !this.#isRefused()) queueMicrotask(() => this.#deliver());
  }

  onResponseEnd(): void {
    if (this.#isOver) return;
    if (this.#isRefused()) {
      this.fail(this.#toRefusal());
      return;
    }
    this.#deliver();
    if (!this.#isOver) this.#guard(() => this.#receiver.onClose());
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    if (this.#isOver) return;
    if (this.#isRefused()) {
      // The status says enough; a body that broke off would add nothing.
      this.fail(this.#toRefusal());
      return;
    }
    if (this.#repeats(error)) return;
    this.#deliver();
    this.fail(toTransportFailure(error, this.#status));
  }

  /** Sends a request again, once, that met the end of a kept connection: the provider has hardly read it. */
  #repeats(error: Error): boolean {
    const request = this.#repeatable;
    this.#repeatable = undefined;
    const sinceMs = this.#setting.clock.monotonicMs() - this.#startedAtMs;
    if (request === undefined || sinceMs >= repeatWithinMs || !isClosedUnread(error)) return false;
    this.#controller = undefined;
    // In this turn the ends of the provider's other kept connections are heard.
    setImmediate(() => {
      if (!this.#isOver) this.#setting.dispatcher.dispatch(request, this);
    });
    return true;
  }

  /** From here on nothing is delivered; false if that was so already. */
  #close(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    this.#repeatable = undefined;
    this.#waiting = [];
    clearTimeout(this.#timer);
    clearTimeout(this.#firstTimer);
    this.#forgetCancellation();
    return true;
  }

  #expireAfter(waitMs: number, what: string): ReturnType<typeof setTimeout> {
    const expire = () => this.fail(toTimeoutFailure(what, waitMs, this.#status));
    return setTimeout(expire, Math.min(waitMs, timerMsMax));
  }

  #cancel(): void {
    this.fail(toCancelledFailure(this.#call.cancellation.reason, this.#status));
  }

  #isRefused(): boolean {
    return this.#status >= 300;
  }

  #deliver(): void {
    const waiting = this.#waiting;
    const [first] = waiting;
    if (this.#isOver || first === undefined) return;
    this.#waiting = [];
    const bytes = waiting.length === 1 ? first : Buffer.concat(waiting);
    this.#guard(() => this.#receiver.onBytes(bytes));
  }

  /** A receiver that throws breaks its own request only: from a microtask it would end the process. */
  #guard(deliver: () => void): void {
    try {
      deliver();
    } catch (thrown) {
      // What our codecs refuse came from the upstream: the client's request is not to blame.
      if (thrown instanceof OptamilError) this.fail(toProtocolFailure(thrown.message));
      else this.fail(this.#toInternal(thrown));
    }
  }

  #toInternal(thrown: unknown): ProviderFailure {
    const error = toOptamilError(thrown, this.#call.requestId);
    return { ok: false, error, status: this.#status, errorClass: "internal", tryNext: false };
  }

  #toRefusal(): ProviderFailure {
    const { redact, clock } = this.#setting;
    const text = Buffer.concat(this.#waiting).toString("utf8");
    return toRefusalFailure(
      {
        status: this.#status,
        error: readError(text),
        excerpt: text.slice(0, 1000),
        retryAfterMs: readRetryAfterMs(this.#headers, clock),
      },
      redact,
    );
  }
}

/** What cannot be said in the API's words fails this deployment; another one may be able to. */
export function startExchange(
  exchange: Exchange,
  toRequest: () => Dispatcher.DispatchOptions,
  isStream: boolean,
): void {
  try {
    exchange.start(toRequest(), isStream);
  } catch (error) {
    if (!(error instanceof OptamilError)) throw error;
    exchange.fail({ ok: false, error, status: 0, errorClass: "unsupported", tryNext: true });
  }
}

function readError(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    // Google's compatible endpoint wraps the object in an array.
    const body: unknown = Array.isArray(value) ? value[0] : value;
    return typeof body === "object" && body !== null ? Reflect.get(body, "error") : undefined;
  } catch {
    // HTML and the like: the status alone speaks.
    return undefined;
  }
}

function toBuffer(chunk: Uint8Array): Buffer {
  return Buffer.isBuffer(chunk)
    ? chunk
    : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
}
