// Carries a provider's stream to the client: the head with the first event, then every read in one write.
import type { ChatUsage, StreamChatCompletionResponse } from "../gen/optamil/v1/chat_pb.ts";
import type {
  Provider,
  ProviderCall,
  ProviderFailure,
  ProviderStream,
  StreamReceiver,
} from "../providers/provider.ts";
import type { AnswerHead, AnswerSink } from "./call.ts";

/**
 * Streams from a provider to a sink.
 *
 * Resolves with undefined when the answer has ended, completely or with an error frame after its first
 * event; resolves with the failure when there was no event, so that another candidate can be tried.
 * After `pingAfterMs` milliseconds of silence the client gets a sign of life.
 */
export function relayStream(
  provider: Provider,
  call: ProviderCall,
  sink: AnswerSink,
  head: AnswerHead,
  pingAfterMs: number,
): Promise<ProviderFailure | undefined> {
  return new Promise((resolve) => {
    const relay = new Relay(sink, head, pingAfterMs, resolve);
    relay.run(provider.stream(call, relay));
  });
}

/** One running relay. Nothing is allocated for an event but what the provider hands over. */
class Relay implements StreamReceiver {
  readonly #sink: AnswerSink;
  readonly #head: AnswerHead;
  readonly #resolve: (failure: ProviderFailure | undefined) => void;
  readonly #pings: ReturnType<typeof setInterval>;
  #stream: ProviderStream | undefined = undefined;
  #headSent = false;
  #eventSent = false;
  #quiet = true;

  constructor(
    sink: AnswerSink,
    head: AnswerHead,
    pingAfterMs: number,
    resolve: (failure: ProviderFailure | undefined) => void,
  ) {
    this.#sink = sink;
    this.#head = head;
    this.#resolve = resolve;
    this.#pings = setInterval(() => this.#tick(), pingAfterMs);
  }

  run(stream: ProviderStream): void {
    this.#stream = stream;
    this.#sink.onDrain = () => stream.resume();
  }

  onEvents(events: Uint8Array): void {
    this.#begin();
    if (!this.#sink.events(events)) this.#stream?.pause();
  }

  onChunks(chunks: readonly StreamChatCompletionResponse[]): void {
    this.#begin();
    if (!this.#sink.chunks(chunks)) this.#stream?.pause();
  }

  onEnd(_usage: ChatUsage | undefined): void {
    this.#begin();
    this.#sink.end();
    this.#finish(undefined);
  }

  onFailure(failure: ProviderFailure): void {
    if (this.#eventSent) this.#sink.fail(failure.error);
    this.#finish(this.#eventSent ? undefined : failure);
  }

  #begin(): void {
    this.#quiet = false;
    this.#eventSent = true;
    this.#sendHead();
  }

  #sendHead(): void {
    if (this.#headSent) return;
    this.#headSent = true;
    this.#sink.head(this.#head);
  }

  /** A proxy in between cuts silent streams: after a quiet interval the head goes out, then pings. */
  #tick(): void {
    if (this.#quiet) {
      this.#sendHead();
      this.#sink.ping();
    }
    this.#quiet = true;
  }

  #finish(failure: ProviderFailure | undefined): void {
    clearInterval(this.#pings);
    this.#sink.onDrain = undefined;
    this.#resolve(failure);
  }
}
