// A sink that notes what goes through it to another one, for an account that keeps its answers.
import { Buffer } from "node:buffer";
import type {
  CreateChatCompletionRequest,
  CreateChatCompletionResponse,
  StreamChatCompletionResponse,
} from "../gen/optamil/v1/chat_pb.ts";
import { CreateChatCompletionRequestSchema } from "../gen/optamil/v1/chat_pb.ts";
import type { OptamilError } from "../platform/errors.ts";
import { jsonCodec } from "../platform/json.ts";
import { contentBytesMax, cutContent } from "../usage/content-store.ts";
import type { AnswerHead, AnswerSink } from "./call.ts";
import { SaidAnswer, type SaidPiece, type SpanContent } from "./span-content.ts";

/** What was asked and answered, as far as it is kept. */
export type NotedContent = {
  readonly prompt: string;
  readonly promptCut: boolean;
  readonly answer: string;
  readonly answerCut: boolean;
};

const requestCodec = jsonCodec(CreateChatCompletionRequestSchema);
/** Bytes of an answer as it goes out that are looked at: a token of a stream takes some hundred. */
const rawBytesMax = 32 * contentBytesMax;

/** The noting of one answer. */
export class ContentSink implements AnswerSink {
  readonly form: "json" | "messages";
  readonly #sink: AnswerSink;
  /** Undefined: no span is to have it. */
  readonly #said: SaidAnswer | undefined;
  #replayed = false;
  #hasBegun = false;
  #raw: Buffer[] = [];
  #rawBytes = 0;
  #kind: "json" | "events" = "events";
  #text = "";
  /** Whether the answer has ended well, and all of it was noted. */
  #hasEnded = false;
  #isWhole = true;

  constructor(sink: AnswerSink, isTraced = false) {
    this.form = sink.form;
    this.#sink = sink;
    this.#said = isTraced ? new SaidAnswer() : undefined;
  }

  get onDrain(): (() => void) | undefined {
    return this.#sink.onDrain;
  }

  set onDrain(listener: (() => void) | undefined) {
    this.#sink.onDrain = listener;
  }

  head(head: AnswerHead): void {
    this.#hasBegun = true;
    this.#replayed = head.replayed;
    this.#sink.head(head);
  }

  json(bytes: Uint8Array): void {
    this.#kind = "json";
    this.#hasEnded = true;
    this.#note(bytes);
    this.#sink.json(bytes);
  }

  message(message: CreateChatCompletionResponse): void {
    this.#hasEnded = true;
    this.#text = toText(message.choices.map((choice) => choice.message));
    for (const { index, message: said, finishReason } of message.choices) {
      const { content, toolCalls: calls = [] } = said ?? {};
      this.#said?.add({ index, content, calls, finishReason });
    }
    this.#sink.message(message);
  }

  events(events: Uint8Array): boolean {
    this.#note(events);
    return this.#sink.events(events);
  }

  chunks(chunks: readonly StreamChatCompletionResponse[]): boolean {
    if (this.#text.length <= contentBytesMax) this.#text += textOfChunks(chunks);
    for (const { index, delta, finishReason } of chunks.flatMap(({ choices }) => choices)) {
      const { content, toolCalls: calls = [] } = delta ?? {};
      this.#said?.add({ index, content, calls, finishReason });
    }
    return this.#sink.chunks(chunks);
  }

  ping(): void {
    this.#sink.ping();
  }

  end(creditsMicro: bigint): void {
    this.#hasEnded = true;
    this.#sink.end(creditsMicro);
  }

  fail(error: OptamilError, creditsMicro: bigint): void {
    this.#sink.fail(error, creditsMicro);
  }

  /** What is to be kept of the request; undefined where no answer began, or an earlier one was given again. */
  noted(request: CreateChatCompletionRequest): NotedContent | undefined {
    if (!this.#hasBegun || this.#replayed) return undefined;
    const prompt = cutContent(requestCodec.encodeText(request));
    const answer = cutContent(this.#text + this.#readRaw());
    const answerCut = answer.cut || !this.#isWhole || !this.#hasEnded;
    return { prompt: prompt.text, promptCut: prompt.cut, answer: answer.text, answerCut };
  }

  /** What a span is to have of the request; undefined where none is to, or an earlier answer was given again. */
  spanContent(request: CreateChatCompletionRequest): SpanContent | undefined {
    if (this.#said === undefined || this.#replayed) return undefined;
    try {
      for (const document of this.#documents()) addDocument(document, this.#said);
    } catch {
      // Bytes that are in no shape of ours are no messages.
    }
    return this.#said.toContent(request);
  }

  #note(bytes: Uint8Array): void {
    if (this.#rawBytes + bytes.byteLength > rawBytesMax) {
      this.#isWhole = false;
      return;
    }
    this.#rawBytes += bytes.byteLength;
    // A copy: what a provider hands over may be a small part of a large buffer.
    this.#raw.push(Buffer.from(bytes));
  }

  /** Bytes that are in no shape of ours are kept as they are. */
  #readRaw(): string {
    try {
      return this.#documents()
        .map((one) => textIn(JSON.parse(one)))
        .join("");
    } catch {
      return Buffer.concat(this.#raw).toString("utf8");
    }
  }

  /** What went out as bytes, each of its documents. */
  #documents(): string[] {
    const text = Buffer.concat(this.#raw).toString("utf8");
    if (text === "") return [];
    return this.#kind === "json" ? [text] : dataOf(text);
  }
}

type ProvidersMessage = {
  readonly content?: string | null;
  readonly tool_calls?: SaidPiece["calls"];
};
type ProvidersChoice = {
  readonly index?: number;
  readonly finish_reason?: string | null;
  readonly message?: ProvidersMessage;
  readonly delta?: ProvidersMessage;
};

type Spoken = {
  readonly content?: string | undefined;
  readonly toolCalls: readonly { readonly function?: object | undefined }[];
};

function textOfChunks(chunks: readonly StreamChatCompletionResponse[]): string {
  return chunks.map(({ choices }) => toText(choices.map(({ delta }) => delta))).join("");
}

function toText(spoken: readonly (Spoken | undefined)[]): string {
  return spoken
    .flatMap((one) => [
      one?.content ?? "",
      ...(one?.toolCalls ?? []).map((call) => JSON.stringify(call.function, withoutType)),
    ])
    .join("");
}

/** The data of server-sent events, one line each. */
function dataOf(text: string): string[] {
  const lines = text.split("\n").filter((line) => line.startsWith("data:"));
  return lines.map((line) => line.slice("data:".length)).filter((data) => data.trim() !== "[DONE]");
}

/** A provider's own JSON, of which no more is asked than that it has choices; throws where it has none. */
function textIn(answer: { readonly choices: readonly ProvidersChoice[] }): string {
  return answer.choices
    .map(({ message, delta }) => message ?? delta)
    .flatMap((one) => [
      one?.content ?? "",
      ...(one?.tool_calls ?? []).map((call) => JSON.stringify(call.function)),
    ])
    .join("");
}

function addDocument(document: string, said: SaidAnswer): void {
  const { choices }: { readonly choices: readonly ProvidersChoice[] } = JSON.parse(document);
  for (const { index = 0, message, delta, finish_reason: finishReason } of choices) {
    const { content, tool_calls: calls } = message ?? delta ?? {};
    said.add({ index, content, calls: calls ?? [], finishReason });
  }
}

/** Messages carry the name of their type. */
function withoutType(key: string, value: unknown): unknown {
  return key.startsWith("$") ? undefined : value;
}
