// The texts of an answer over REST: the chat's own, or those of an API that the answers are translated into.
import { getOption, type Message } from "@bufbuild/protobuf";
import { toCompletionText, toEventsText } from "../chat/answer-json.ts";
import { type ErrorStyle, rest } from "../gen/optamil/options/v1/options_pb.ts";
import type {
  CreateChatCompletionResponse,
  StreamChatCompletionResponse,
} from "../gen/optamil/v1/chat_pb.ts";
import type { OptamilError } from "../platform/errors.ts";
import { type JsonCodec, jsonCodec } from "../platform/json.ts";
import { toDropped } from "./dropped.ts";
import { toErrorText } from "./error-body.ts";
import type { AnswerTranslator, MethodEntry } from "./exchange.ts";

/** A sign of life that no client takes for an event. */
const comment = ": ping\n\n";

/** How one answer is written. */
export interface RestFormat {
  /** Whether the provider's own JSON can go out as it is. */
  readonly form: "json" | "messages";
  whole(answer: CreateChatCompletionResponse): string;
  /** Server-sent events; with `includeUsage` each chunk says `usage`. */
  chunks(chunks: readonly StreamChatCompletionResponse[], includeUsage: boolean): string;
  /** A sign of life. */
  ping(): string;
  /** What follows the last chunk. */
  end(): string;
  /** What was left out, by names of a chat request, as the client calls it. */
  dropped(names: readonly string[] | undefined): readonly string[] | undefined;
  /** The last event of a stream that broke. */
  failure(error: OptamilError): string;
}

/** Makes the format of each answer of a method. */
export function restFormatOf({
  method,
  ...entry
}: Extract<MethodEntry, { kind: "answer" }>): (requestId: string, request: Message) => RestFormat {
  const { done, event, errors } = getOption(method, rest);
  const { translate } = entry;
  if (translate === undefined) {
    const format = createChatFormat(done, errors);
    return () => format;
  }
  const codec: JsonCodec<Message> = jsonCodec(method.output);
  const named = method.output.fields.find(({ name }) => name === event)?.localName ?? "";
  return (requestId, request) => {
    // The entry was made for this method's input by `answered`.
    const translator = translate(requestId, request as never);
    return createTranslatedFormat(translator, codec, { event: named, errors, requestId });
  };
}

function createChatFormat(done: string, errors: ErrorStyle): RestFormat {
  return {
    form: "json",
    whole: toCompletionText,
    chunks: toEventsText,
    ping: () => comment,
    dropped: (names) => names,
    end: () => `data: ${done}\n\n`,
    failure: (error) => `data: ${toErrorText(error, errors, "")}\n\n`,
  };
}

type Translated = {
  /** Property of the messages that names their events. */
  readonly event: string;
  readonly errors: ErrorStyle;
  readonly requestId: string;
};

function createTranslatedFormat(
  translator: AnswerTranslator,
  codec: JsonCodec<Message>,
  { event, errors, requestId }: Translated,
): RestFormat {
  const frame = (message: Message) =>
    `event: ${Reflect.get(message, event)}\ndata: ${codec.encodeText(message)}\n\n`;
  const frames = (messages: readonly Message[]) => messages.map(frame).join("");
  return {
    form: "messages",
    whole: (answer) => codec.encodeText(translator.whole(answer)),
    chunks: (chunks) => frames(translator.chunks(chunks)),
    ping: () => frames(translator.ping()) || comment,
    end: () => frames(translator.end()),
    dropped: (names) => toDropped(translator, names),
    failure: (error) =>
      translator.failure === undefined
        ? `event: error\ndata: ${toErrorText(error, errors, requestId)}\n\n`
        : frames(translator.failure(error)),
  };
}
