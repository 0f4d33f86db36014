// The chunks of a chat answer as the events of a response.
import { create, type JsonValue } from "@bufbuild/protobuf";
import { NullValue } from "@bufbuild/protobuf/wkt";
import type {
  ChatDelta,
  ChatUsage,
  CreateChatCompletionResponse,
  StreamChatCompletionResponse,
  ToolCall,
} from "../../gen/optamil/v1/chat_pb.ts";
import {
  type CreateResponseRequest,
  type StreamResponseResponse,
  StreamResponseResponseSchema,
} from "../../gen/optamil/v1/responses_pb.ts";
import type { ErrorCode, OptamilError } from "../../platform/errors.ts";
import type { AnswerTranslator } from "../exchange.ts";
import { readThoughts } from "../thinking-blocks.ts";
import {
  callIdOf,
  type Ending,
  logprobsOf,
  type Response,
  toBase,
  toEnding,
  toFrame,
  toResponse,
  toUsage,
  wantsSummary,
} from "./answer.ts";
import { customNamesOf } from "./custom-tools.ts";
import { responsesNames } from "./names.ts";
import {
  type Event,
  OpenCall,
  type OpenItem,
  OpenMessage,
  OpenReasoning,
  type Place,
} from "./open-items.ts";
import type { SaidType } from "./parts.ts";
import { findUnheeded } from "./unheeded.ts";

/** OpenAI's codes of what makes a response fail, by ours; any other is the server's error. */
const errorCodes: Readonly<Partial<Record<ErrorCode, string>>> = {
  rate_limit_exceeded: "rate_limit_exceeded",
  invalid_request: "invalid_prompt",
  context_length_exceeded: "invalid_prompt",
};

/** Translates one answer. */
export class ResponseTranslator implements AnswerTranslator {
  readonly parameter = responsesNames.parameter;
  readonly dropped: readonly string[];
  readonly #request: CreateResponseRequest;
  readonly #customNames: ReadonlySet<string>;
  #events: StreamResponseResponse[] = [];
  /** Events so far. */
  #count = 0;
  /** Undefined until the first chunk. */
  #frame: Response | undefined = undefined;
  #base = "";
  readonly #items: OpenItem[] = [];
  /** The message or the reasoning that goes on. */
  #open: OpenMessage | OpenReasoning | undefined = undefined;
  /** Calls by their position among the chat's. */
  readonly #calls = new Map<number, OpenCall>();
  #ending: Ending = toEnding(undefined);
  #usage: ChatUsage | undefined = undefined;
  #serviceTier: string | undefined = undefined;

  constructor(request: CreateResponseRequest) {
    this.#request = request;
    this.#customNames = customNamesOf(request);
    this.dropped = findUnheeded(request);
  }

  whole(answer: CreateChatCompletionResponse) {
    return toResponse(this.#request, answer);
  }

  chunks(chunks: readonly StreamChatCompletionResponse[]): readonly StreamResponseResponse[] {
    for (const chunk of chunks) this.#push(chunk);
    return this.#take();
  }

  /** The API has no event for it. */
  ping(): readonly StreamResponseResponse[] {
    return [];
  }

  end(): readonly StreamResponseResponse[] {
    const { status } = this.#ending;
    for (const [at, item] of this.#items.entries()) {
      item.close(at === this.#items.length - 1 ? status : "completed");
    }
    this.#tell(status, this.#ending);
    return this.#take();
  }

  /** The error by itself, which makes clients throw, and the response as far as it came. */
  failure(error: OptamilError): readonly StreamResponseResponse[] {
    const code = errorCodes[error.code] ?? "server_error";
    const { message, param } = error;
    const { type } = error.row;
    const kind =
      param === undefined
        ? { case: "nullValue" as const, value: NullValue.NULL_VALUE }
        : { case: "stringValue" as const, value: param };
    const inner = { type, code, message, ...(param !== undefined && { param }) };
    this.#emit({ type: "error", code, message, param: { kind }, error: inner });
    if (this.#frame !== undefined) this.#tell("failed", { error: { code, message } });
    return this.#take();
  }

  #take(): readonly StreamResponseResponse[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }

  readonly #emit = (event: Event): void => {
    const numbered = { ...event, sequenceNumber: this.#count++ };
    this.#events.push(create(StreamResponseResponseSchema, numbered));
  };

  /** An event of the response itself that ends it. */
  #tell(status: "completed" | "incomplete" | "failed", more: Response): void {
    const response = {
      ...this.#frame,
      output: this.#items.map((item) => item.item("incomplete")),
      usage: toUsage(this.#usage),
      serviceTier: this.#serviceTier,
      ...{ ...more, status },
    };
    this.#emit({ type: `response.${status}`, response });
  }

  #push(chunk: StreamChatCompletionResponse): void {
    if (this.#frame === undefined) this.#begin(chunk);
    if (chunk.usage !== undefined) this.#usage = chunk.usage;
    this.#serviceTier = chunk.serviceTier ?? this.#serviceTier;
    const choice = chunk.choices.find(({ index }) => index === 0);
    if (choice?.delta !== undefined) this.#advance(choice.delta, logprobsOf(choice.logprobs));
    if (choice?.finishReason) this.#ending = toEnding(choice.finishReason);
  }

  #begin(chunk: StreamChatCompletionResponse): void {
    this.#base = toBase(chunk.id);
    this.#frame = toFrame(this.#request, chunk);
    this.#emit({ type: "response.created", response: this.#frame });
    this.#emit({ type: "response.in_progress", response: this.#frame });
  }

  #advance(delta: ChatDelta, logprobs: readonly JsonValue[]): void {
    const { content, refusal, reasoningContent, toolCalls, extra } = delta;
    if (reasoningContent) this.#reasoning().think(reasoningContent);
    for (const thought of readThoughts(extra)) this.#reasoning().sign(thought);
    if (content) this.#say("output_text", content, logprobs);
    if (refusal) this.#say("refusal", refusal, []);
    for (const call of toolCalls) this.#call(call);
  }

  #reasoning(): OpenReasoning {
    if (this.#open instanceof OpenReasoning) return this.#open;
    const isSummary = wantsSummary(this.#request);
    return this.#follow((place) => new OpenReasoning(place, isSummary));
  }

  #say(type: SaidType, delta: string, logprobs: readonly JsonValue[]): void {
    const open =
      this.#open instanceof OpenMessage
        ? this.#open
        : this.#follow((place) => new OpenMessage(place));
    open.say(type, delta, logprobs);
  }

  /** Pieces of calls may alternate: calls are open until the end. */
  #call({ index = 0, id, function: called, extra }: ToolCall): void {
    let call = this.#calls.get(index);
    if (call === undefined) {
      const { name = "" } = called ?? {};
      const isCustom = this.#customNames.has(name);
      const known = { callId: id || callIdOf(this.#base, this.#calls.size), name, isCustom, extra };
      this.#closeOpen();
      call = this.#start((place) => new OpenCall(place, known));
      this.#calls.set(index, call);
    }
    call.write(called?.arguments ?? "");
  }

  #follow<T extends OpenMessage | OpenReasoning>(make: (place: Place) => T): T {
    this.#closeOpen();
    const item = this.#start(make);
    this.#open = item;
    return item;
  }

  #start<T extends OpenItem>(make: (place: Place) => T): T {
    const item = make({ base: this.#base, index: this.#items.length, emit: this.#emit });
    this.#items.push(item);
    return item;
  }

  #closeOpen(): void {
    this.#open?.close("completed");
    this.#open = undefined;
  }
}
