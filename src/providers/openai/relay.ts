// Passes an upstream's stream on: as it is while it keeps to the form, rebuilt from the first oddity on.

import { Buffer } from "node:buffer";
import {
  type StreamChatCompletionResponse,
  StreamChatCompletionResponseSchema,
} from "../../gen/optamil/v1/chat_pb.ts";
import type { Clock } from "../../platform/clock.ts";
import { jsonCodec } from "../../platform/json.ts";
import { chunkHasContent, eventsHaveContent } from "../content.ts";
import type { Dialect, DialectEvents, JsonObject } from "../dialect.ts";
import { parseObject } from "../json-values.ts";
import type { ProviderCall, ProviderFailure, StreamReceiver } from "../provider.ts";
import { ChunkMender, type ChunkStart } from "./chunk-mender.ts";
import { EventScanner, eventBytesMax } from "./event-scanner.ts";
import type { AnswerHeaders, ExchangeReceiver, ExchangeSteer } from "./exchange.ts";
import {
  findErrorFailure,
  type Redact,
  toCutFailure,
  toErrorFailure,
  toProtocolFailure,
} from "./failure.ts";
import { type SseEvent, SseParser } from "./sse-parser.ts";
import { readUsage } from "./usage.ts";

const chunkCodec = jsonCodec(StreamChatCompletionResponseSchema);

/** Most bytes of a JSON answer to a request for a stream: an error, which 1 MiB holds. */
const jsonBytesMax = 1024 * 1024;

/** What a relay needs to know. */
export type RelaySetting = {
  readonly relay: "verbatim" | "normalised";
  readonly redact: Redact;
  readonly clock: Clock;
  /** What the API does otherwise than OpenAI's; its streams are always normalised. */
  readonly dialect?: Dialect | undefined;
  /** Whether `[DONE]` alone ends a stream, which then is normalised. */
  readonly doneEndsStreams: boolean;
};

/** What one value of a stream is. */
type Outcome = StreamChatCompletionResponse | ProviderFailure | "done";

/** Where the bytes go: to the scanner, to the parser, or into one JSON document. */
type Mode = "scan" | "parse" | "collect";

/** The relay of one stream. */
export class StreamRelay implements ExchangeReceiver {
  readonly #steer: ExchangeSteer;
  readonly #call: ProviderCall;
  readonly #setting: RelaySetting;
  readonly #receiver: StreamReceiver;
  readonly #scanner: EventScanner;
  readonly #parser = new SseParser(eventBytesMax);
  readonly #translator: DialectEvents | undefined;
  #mender: ChunkMender | undefined;
  #mode: Mode = "parse";
  #collected: Buffer[] = [];
  #collectedBytes = 0;
  #hasBegun = false;

  constructor(
    steer: ExchangeSteer,
    call: ProviderCall,
    setting: RelaySetting,
    receiver: StreamReceiver,
  ) {
    this.#steer = steer;
    this.#call = call;
    this.#setting = setting;
    this.#receiver = receiver;
    this.#scanner = new EventScanner(call.model, call.includeUsage);
    this.#translator = setting.dialect?.events();
  }

  onHead(headers: AnswerHeaders): void {
    const mediaType = String(headers["content-type"] ?? "");
    const { form, request } = this.#call;
    // The scanner follows one choice only.
    const isPlain = form === "json" && (request.n ?? 1) === 1;
    const { relay, doneEndsStreams } = this.#setting;
    if (/\bjson\b/i.test(mediaType)) this.#mode = "collect";
    else if (isPlain && relay === "verbatim" && !doneEndsStreams) this.#mode = "scan";
    else this.#mode = "parse";
  }

  onBytes(bytes: Buffer): void {
    if (this.#mode === "scan") this.#scan(bytes);
    else if (this.#mode === "parse") this.#parse(bytes);
    else this.#collect(bytes);
  }

  onClose(): void {
    if (this.#mode === "collect") {
      this.#refuseJson();
      return;
    }
    if (this.#mode === "scan") this.#parse(this.#scanner.takeCarried());
    const last = this.#parser.end();
    if (last !== undefined) this.#handle([last], true);
    this.#finishIfWhole();
  }

  onFailure(failure: ProviderFailure): void {
    // The connection broke or fell silent, but the answer was whole.
    const isEnd = failure.errorClass === "cut" || failure.errorClass === "timeout";
    if (isEnd && this.#isFinished()) this.#receiver.onEnd(this.#usage());
    else this.#receiver.onFailure(failure);
  }

  #scan(bytes: Buffer): void {
    const { events, eventCount, next, rest } = this.#scanner.scan(bytes);
    if (eventCount > 0) {
      if (!this.#hasBegun && eventsHaveContent(events)) this.#begin();
      this.#receiver.onEvents(events, eventCount);
    }
    if (next === "odd") this.#parse(rest);
    else if (next === "too_large") this.#failTooLarge();
    else if (next === "done") this.#finishIfWhole();
  }

  #parse(bytes: Buffer): void {
    this.#mode = "parse";
    const events = this.#parser.push(bytes);
    this.#handle(events, false);
    if (this.#parser.isTooLarge) this.#failTooLarge();
  }

  /** Delivers the chunks of the events up to the first that ends or breaks the stream. */
  #handle(events: readonly SseEvent[], isAtEnd: boolean): void {
    const chunks: StreamChatCompletionResponse[] = [];
    for (const event of events) {
      for (const outcome of this.#read(event, isAtEnd)) {
        if (outcome === "done") {
          this.#deliver(chunks);
          if (this.#setting.doneEndsStreams) this.#deliver(this.#toMissingEnd());
          this.#finishIfWhole();
          return;
        }
        if ("ok" in outcome) {
          this.#deliver(chunks);
          this.#steer.fail(outcome);
          return;
        }
        chunks.push(outcome);
      }
    }
    this.#deliver(chunks);
  }

  /** What an event brings: one value in OpenAI's form, any number of them in another. */
  *#read({ type, data }: SseEvent, isAtEnd: boolean): Generator<Outcome> {
    const text = data.trim();
    if (text === "") return;
    if (text === "[DONE]") {
      yield "done";
      return;
    }
    const value = parseObject(data);
    if (value === undefined) {
      // The last event of a stream may be half of one.
      yield isAtEnd ? toCutFailure() : toProtocolFailure("an event is not a JSON object");
      return;
    }
    const isBareError = type === "error" && value["error"] === undefined;
    const parts = this.#translator?.push(type, value) ?? [isBareError ? { error: value } : value];
    for (const part of parts) {
      const outcome = part === "done" ? part : this.#mend(part);
      if (outcome !== undefined) yield outcome;
    }
  }

  #mend(value: JsonObject): StreamChatCompletionResponse | ProviderFailure | undefined {
    const failure = findErrorFailure(value, this.#setting.redact);
    if (failure !== undefined) return failure;
    const mender = this.#openMender();
    const mended = mender.mend(value);
    if (mender.isFailed) return toErrorFailure(JSON.stringify(value), this.#setting.redact);
    return mended === undefined ? undefined : decodeChunk(mended);
  }

  /** The chunk that finishes what the server did not; none where all is finished, or nothing was said. */
  #toMissingEnd(): StreamChatCompletionResponse[] {
    const chunk = this.#hasBegun ? this.#mender?.finish() : undefined;
    const decoded = chunk && decodeChunk(chunk);
    return decoded === undefined || "ok" in decoded ? [] : [decoded];
  }

  #openMender(): ChunkMender {
    this.#mender ??= new ChunkMender(this.#toStart());
    return this.#mender;
  }

  #toStart(): ChunkStart {
    const { requestId, model } = this.#call;
    const { first, isFinished } = this.#scanner;
    const now = Math.floor(this.#setting.clock.wallMs() / 1000);
    const running = isFinished ? "finished" : "running";
    const choice = first === undefined ? "none" : running;
    return { requestId, model, id: first?.id ?? "", created: first?.created ?? now, choice };
  }

  #deliver(chunks: readonly StreamChatCompletionResponse[]): void {
    if (chunks.length === 0) return;
    if (!this.#hasBegun && chunks.some(chunkHasContent)) this.#begin();
    this.#receiver.onChunks(chunks);
  }

  #begin(): void {
    this.#hasBegun = true;
    this.#steer.begun();
  }

  #isFinished(): boolean {
    return this.#mender?.isFinished ?? this.#scanner.isFinished;
  }

  #usage() {
    return readUsage(this.#mender?.usage ?? this.#scanner.usage);
  }

  /** `[DONE]` alone ends no answer: proxies say it too after an upstream that broke off. */
  #finishIfWhole(): void {
    if (this.#isFinished()) this.#finish();
    else this.#steer.fail(toCutFailure());
  }

  #finish(): void {
    const usage = this.#usage();
    const mender = this.#mender;
    const isOwed = this.#call.includeUsage && mender?.usage !== undefined && usage !== undefined;
    const usageChunk = isOwed ? decodeChunk(mender.toUsageChunk()) : undefined;
    if (!this.#steer.end()) return;
    if (usageChunk !== undefined && !("ok" in usageChunk)) this.#receiver.onChunks([usageChunk]);
    this.#receiver.onEnd(usage);
  }

  #collect(bytes: Buffer): void {
    this.#collected.push(bytes);
    this.#collectedBytes += bytes.length;
    if (this.#collectedBytes > jsonBytesMax) this.#failTooLarge();
  }

  /** JSON in answer to a request for a stream is an error, or a server that cannot stream. */
  #refuseJson(): void {
    const value = parseObject(Buffer.concat(this.#collected).toString("utf8"));
    const failure = findErrorFailure(value, this.#setting.redact);
    this.#steer.fail(failure ?? toProtocolFailure("JSON in answer to a request for a stream"));
  }

  #failTooLarge(): void {
    this.#steer.fail(toProtocolFailure("an event is larger than 8 MiB"));
  }
}

function decodeChunk(
  value: Record<string, unknown>,
): StreamChatCompletionResponse | ProviderFailure {
  try {
    return chunkCodec.decode(value);
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    return toProtocolFailure(`a chunk has another shape than OpenAI's: ${reason}`);
  }
}
