// The JSON of answers, as REST clients get it and as kept answers hold it.
import {
  type CreateChatCompletionResponse,
  CreateChatCompletionResponseSchema,
  type StreamChatCompletionResponse,
  StreamChatCompletionResponseSchema,
} from "../gen/optamil/v1/chat_pb.ts";
import { jsonCodec } from "../platform/json.ts";

const completionCodec = jsonCodec(CreateChatCompletionResponseSchema);
const chunkCodec = jsonCodec(StreamChatCompletionResponseSchema);

/** A whole answer as JSON. */
export function toCompletionText(message: CreateChatCompletionResponse): string {
  return completionCodec.encodeText(message);
}

/** A whole answer from its JSON. */
export function fromCompletionText(text: string): CreateChatCompletionResponse {
  return completionCodec.decode(JSON.parse(text));
}

/** Chunks as server-sent events. With `includeUsage` each says `usage`: null until one gives it. */
export function toEventsText(
  chunks: readonly StreamChatCompletionResponse[],
  includeUsage: boolean,
): string {
  let text = "";
  for (const chunk of chunks) text += `data: ${toChunkText(chunk, includeUsage)}\n\n`;
  return text;
}

/** The chunks of whole server-sent events, one line of data each. */
export function fromEventsText(text: string): StreamChatCompletionResponse[] {
  const events = text.split("\n\n").filter((event) => event !== "");
  return events.map((event) => chunkCodec.decode(JSON.parse(event.slice("data: ".length))));
}

function toChunkText(chunk: StreamChatCompletionResponse, includeUsage: boolean): string {
  const text = chunkCodec.encodeText(chunk);
  if (!includeUsage || chunk.usage !== undefined) return text;
  return `${text.slice(0, -1)},"usage":null}`;
}
