/** Makes provider calls and collects what a provider delivers. */
import {
  type ChatUsage,
  CreateChatCompletionRequestSchema,
  type CreateChatCompletionResponse,
  CreateChatCompletionResponseSchema,
  type StreamChatCompletionResponse,
  StreamChatCompletionResponseSchema,
} from "../../src/gen/optamil/v1/chat_pb.ts";
import { Cancellation } from "../../src/platform/cancellation.ts";
import { jsonCodec } from "../../src/platform/json.ts";
import { parseJsonBody } from "../../src/platform/json-body.ts";
import type {
  Provider,
  ProviderAnswer,
  ProviderCall,
  ProviderFailure,
  ProviderStream,
  StreamReceiver,
} from "../../src/providers/provider.ts";

const requests = jsonCodec(CreateChatCompletionRequestSchema);
const answers = jsonCodec(CreateChatCompletionResponseSchema);
const chunks = jsonCodec(StreamChatCompletionResponseSchema);

/** The catalogue's name of the model in all calls. */
export const modelName = "catalogue/large";

/** A request that asks `modelName` one question. */
export const question = {
  model: modelName,
  messages: [{ role: "user", content: "How are you?" }],
};

/** A call as a door makes it: with the client's bytes for "json", without for "messages". */
export function toCall(
  form: "json" | "messages",
  request: object = {},
  overrides: Partial<ProviderCall> = {},
): ProviderCall {
  const value = { ...question, ...request };
  const message = requests.decode(value);
  return {
    request: message,
    body: form === "json" ? parseJsonBody(Buffer.from(JSON.stringify(value))) : undefined,
    model: modelName,
    upstreamModel: "upstream-large",
    form,
    includeUsage: message.streamOptions?.includeUsage ?? false,
    cancellation: new Cancellation(),
    timeoutMs: 20_000,
    requestId: "req-1",
    ...overrides,
  };
}

/** The answer as a message, whatever its form; throws for a failure. */
export function toMessage(outcome: ProviderAnswer | ProviderFailure): CreateChatCompletionResponse {
  if (!outcome.ok) throw new Error(outcome.errorClass, { cause: outcome.error });
  const { body } = outcome;
  if (body.form === "message") return body.message;
  return answers.decode(JSON.parse(Buffer.from(body.bytes).toString("utf8")));
}

/** All that one stream delivered. */
export class Delivery implements StreamReceiver {
  /** Chunks of both kinds of delivery, decoded. */
  readonly chunks: StreamChatCompletionResponse[] = [];
  /** The events as they were handed over, one entry for each call. */
  readonly events: Buffer[] = [];
  readonly ended: Promise<void>;
  usage: ChatUsage | undefined;
  failure: ProviderFailure | undefined;
  /** How often the stream was ended, by an end or a failure. */
  endCount = 0;
  /** Called after each delivery. */
  onDelivery: (() => void) | undefined;
  readonly #resolve: () => void;

  constructor() {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    this.#resolve = resolve;
  }

  onEvents(events: Uint8Array, eventCount: number): void {
    const bytes = Buffer.from(events);
    this.events.push(bytes);
    const texts = bytes.toString("utf8").split("\n\n").slice(0, -1);
    if (texts.length !== eventCount) throw new Error(`${texts.length} events, not ${eventCount}`);
    for (const text of texts) {
      this.chunks.push(chunks.decode(JSON.parse(text.replace(/^data: /, ""))));
    }
    this.onDelivery?.();
  }

  onChunks(delivered: readonly StreamChatCompletionResponse[]): void {
    this.chunks.push(...delivered);
    this.onDelivery?.();
  }

  onEnd(usage: ChatUsage | undefined): void {
    this.usage = usage;
    this.#end();
  }

  onFailure(failure: ProviderFailure): void {
    this.failure = failure;
    this.#end();
  }

  /** The text of one choice. */
  text(index = 0): string {
    const deltas = this.chunks.flatMap(({ choices }) => choices);
    return deltas
      .filter((choice) => choice.index === index)
      .map(({ delta }) => delta?.content ?? "")
      .join("");
  }

  /** The finish reasons of one choice. */
  finishReasons(index = 0): string[] {
    return this.chunks
      .flatMap(({ choices }) => choices)
      .flatMap((choice) => (choice.index === index ? (choice.finishReason ?? []) : []));
  }

  /** The chunks as OpenAI's JSON. */
  json(): object[] {
    return this.chunks.map((chunk) => chunks.encode(chunk));
  }

  #end(): void {
    this.endCount += 1;
    this.#resolve();
  }
}

/** Starts a stream. */
export function startStream(
  provider: Provider,
  call: ProviderCall,
): { delivery: Delivery; stream: ProviderStream } {
  const delivery = new Delivery();
  return { delivery, stream: provider.stream(call, delivery) };
}

/** Runs a stream to its end. */
export async function collect(provider: Provider, call: ProviderCall): Promise<Delivery> {
  const { delivery } = startStream(provider, call);
  await delivery.ended;
  return delivery;
}
