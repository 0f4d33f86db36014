// Carries a provider's stream to the client: the head with the first content, then every read in one write.
import type { Model } from "../catalogue/models.ts";
import type { ChatUsage, StreamChatCompletionResponse } from "../gen/optamil/v1/chat_pb.ts";
import type { Clock } from "../platform/clock.ts";
import { toOptamilError } from "../platform/errors.ts";
import { chunkHasContent, eventsHaveContent } from "../providers/content.ts";
import type {
  ProviderCall,
  ProviderFailure,
  ProviderStream,
  StreamReceiver,
} from "../providers/provider.ts";
import type { AnswerHead, AnswerSink } from "./call.ts";
import type { Attempted } from "./candidates.ts";
import { endedBy, type MeteredRequest } from "./metered-request.ts";
import { mergeNames } from "./parameters.ts";

/** Held before the first content at most: role, filters' results and the like take some hundred bytes. */
const heldBytesMax = 65_536;
/** What a held chunk counts for. */
const chunkBytes = 256;

/** What a relay needs beside its two ends. */
export type RelayParts = {
  readonly head: AnswerHead;
  readonly model: Model;
  readonly request: MeteredRequest;
  readonly clock: Clock;
  /** Silence after which the client gets a sign of life, milliseconds. */
  readonly pingAfterMs: number;
};

/**
 * Streams from a provider to a sink. No byte goes out before the admission is recorded, and the stream does
 * not end well before its end is durable.
 *
 * Resolves when the answer has ended, completely or with an error frame after its first event, or when the provider
 * failed before any content, so that another candidate can be tried. Rejects when the admission could not be
 * recorded.
 */
export function relayStream(
  start: (receiver: StreamReceiver) => ProviderStream,
  call: ProviderCall,
  sink: AnswerSink,
  parts: RelayParts,
): Promise<Attempted> {
  return new Promise((resolve, reject) => {
    const relay = new Relay(call, sink, parts, resolve, reject);
    relay.run(start(relay));
  });
}

/** One running relay. Once it runs nothing is allocated for an event but what the provider hands over. */
class Relay implements StreamReceiver {
  readonly #call: ProviderCall;
  readonly #sink: AnswerSink;
  readonly #parts: RelayParts;
  readonly #resolve: (attempted: Attempted) => void;
  readonly #reject: (error: unknown) => void;
  readonly #pings: ReturnType<typeof setInterval>;
  #stream: ProviderStream | undefined = undefined;
  #startedAtMs = 0;
  /** What came before the admission was recorded; undefined from then on. */
  #early: (() => void)[] | undefined = [];
  /** Events before the first content, such as one that names the role: until there another candidate can answer. */
  #held: (() => void)[] = [];
  #heldBytes = 0;
  #headSent = false;
  #eventSent = false;
  #quiet = true;
  #contentEvents = 0;
  #firstContentAtMs: number | undefined = undefined;

  constructor(
    call: ProviderCall,
    sink: AnswerSink,
    parts: RelayParts,
    resolve: (attempted: Attempted) => void,
    reject: (error: unknown) => void,
  ) {
    this.#call = call;
    this.#sink = sink;
    this.#parts = parts;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#pings = setInterval(() => this.#tick(), parts.pingAfterMs);
  }

  run(stream: ProviderStream): void {
    this.#stream = stream;
    this.#startedAtMs = this.#parts.clock.monotonicMs();
    this.#sink.onDrain = () => stream.resume();
    this.#parts.request.committed.then(
      () => this.#committed(stream),
      (error: unknown) => {
        this.#call.cancellation.cancel("shutdown");
        this.#stop();
        this.#reject(error);
      },
    );
  }

  onEvents(events: Uint8Array, eventCount: number): void {
    if (this.#isEarly(() => this.onEvents(events, eventCount))) return;
    if (this.#firstContentAtMs !== undefined) this.#contentEvents += eventCount;
    else if (eventsHaveContent(events)) this.#noteContent(eventCount);
    else if (this.#holds(() => this.#write(events), events.length)) return;
    this.#begin();
    this.#write(events);
  }

  onChunks(chunks: readonly StreamChatCompletionResponse[]): void {
    if (this.#isEarly(() => this.onChunks(chunks))) return;
    for (const chunk of chunks) if (chunkHasContent(chunk)) this.#noteContent(1);
    const isHeld =
      this.#firstContentAtMs === undefined &&
      this.#holds(() => this.#writeChunks(chunks), chunks.length * chunkBytes);
    if (isHeld) return;
    this.#begin();
    this.#writeChunks(chunks);
  }

  onEnd(usage: ChatUsage | undefined): void {
    if (this.#isEarly(() => this.onEnd(usage))) return;
    this.#begin();
    this.#stop();
    this.#settle("complete", usage, 200).then(
      (creditsMicro) => {
        this.#sink.end(creditsMicro);
        this.#resolve({ hasBegun: true, failure: undefined });
      },
      (error: unknown) => this.#fail(error, 0n, undefined),
    );
  }

  onFailure(failure: ProviderFailure): void {
    if (this.#isEarly(() => this.onFailure(failure))) return;
    this.#stop();
    if (!this.#eventSent) {
      this.#resolve({ hasBegun: false, failure });
      return;
    }
    const { model, head, request, clock } = this.#parts;
    const latencyMs = clock.monotonicMs() - this.#startedAtMs;
    request.attempted({ model: model.name, provider: head.provider, ...failure, latencyMs });
    const { cancellation } = this.#call;
    this.#settle(endedBy(cancellation), undefined, cancellation.cancelled ? 499 : 200).then(
      (creditsMicro) => this.#fail(failure.error, creditsMicro, failure),
      (error: unknown) => this.#fail(error, 0n, failure),
    );
  }

  #committed(stream: ProviderStream): void {
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const again of early) again();
    if (early.length > 0) stream.resume();
  }

  /** Keeps what comes before the admission is recorded, and asks the provider to wait. */
  #isEarly(again: () => void): boolean {
    if (this.#early === undefined) return false;
    if (this.#early.length === 0) this.#parts.request.hurry();
    this.#early.push(again);
    this.#stream?.pause();
    return true;
  }

  /** Keeps what holds no content yet; false once something has gone out, or where it would be too much. */
  #holds(write: () => void, bytes: number): boolean {
    if (this.#eventSent || this.#heldBytes + bytes > heldBytesMax) return false;
    this.#held.push(write);
    this.#heldBytes += bytes;
    return true;
  }

  #write(events: Uint8Array): void {
    if (!this.#sink.events(events)) this.#stream?.pause();
  }

  #writeChunks(chunks: readonly StreamChatCompletionResponse[]): void {
    if (!this.#sink.chunks(chunks)) this.#stream?.pause();
  }

  #noteContent(events: number): void {
    this.#contentEvents += events;
    this.#firstContentAtMs ??= this.#parts.clock.monotonicMs();
  }

  #begin(): void {
    this.#quiet = false;
    if (this.#eventSent) return;
    this.#eventSent = true;
    this.#sendHead();
    for (const write of this.#held) write();
    this.#held = [];
  }

  #sendHead(): void {
    if (this.#headSent) return;
    this.#headSent = true;
    const { head } = this.#parts;
    this.#sink.head({ ...head, dropped: mergeNames(head.dropped, this.#stream?.dropped) });
  }

  /** A proxy in between cuts silent streams: after a quiet interval the head goes out, then pings. */
  #tick(): void {
    if (this.#quiet && this.#early === undefined) {
      this.#sendHead();
      this.#sink.ping();
    }
    this.#quiet = true;
  }

  #settle(
    by: ReturnType<typeof endedBy> | "complete",
    usage: ChatUsage | undefined,
    httpStatus: number,
  ): Promise<bigint> {
    const { model, head, request } = this.#parts;
    return request.settle({
      by,
      contentSent: this.#firstContentAtMs !== undefined,
      served: { model, provider: head.provider },
      usage,
      relayedEvents: this.#contentEvents,
      httpStatus,
      firstContentAtMs: this.#firstContentAtMs,
    });
  }

  #fail(error: unknown, creditsMicro: bigint, failure: ProviderFailure | undefined): void {
    this.#sink.fail(toOptamilError(error, this.#call.requestId), creditsMicro);
    this.#resolve({ hasBegun: true, failure });
  }

  #stop(): void {
    clearInterval(this.#pings);
    this.#sink.onDrain = undefined;
  }
}
