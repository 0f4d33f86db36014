/** An answer sink that keeps what it was given, in order. */
import { create } from "@bufbuild/protobuf";
import type { AnswerHead, AnswerSink } from "../../src/chat/call.ts";
import {
  type StreamChatCompletionResponse,
  StreamChatCompletionResponseSchema,
} from "../../src/gen/optamil/v1/chat_pb.ts";

/** What a sink was told, one line each. */
export class RecordingSink implements AnswerSink {
  readonly form = "messages";
  readonly told: string[] = [];
  heads: AnswerHead[] = [];
  onDrain: (() => void) | undefined = undefined;
  /** What `chunks` answers: false asks the relay to wait. */
  roomLeft = true;

  head(head: AnswerHead): void {
    this.heads.push(head);
    this.told.push(`head ${head.model} ${head.provider}`);
  }
  json(bytes: Uint8Array): void {
    this.told.push(`json ${new TextDecoder().decode(bytes)}`);
  }
  message(message: { id: string }): void {
    this.told.push(`message ${message.id}`);
  }
  events(events: Uint8Array): boolean {
    this.told.push(`events ${new TextDecoder().decode(events)}`);
    return this.roomLeft;
  }
  chunks(chunks: readonly StreamChatCompletionResponse[]): boolean {
    this.told.push(...chunks.map(({ id }) => `chunk ${id}`));
    return this.roomLeft;
  }
  ping(): void {
    this.told.push("ping");
  }
  end(creditsMicro: bigint): void {
    this.told.push(`end ${creditsMicro}`);
  }
  fail(error: { code: string }): void {
    this.told.push(`fail ${error.code}`);
  }
}

/** A chunk that is known by its id; with a word of content unless it is told otherwise. */
export function chunk(id: string, content = "word"): StreamChatCompletionResponse {
  return create(StreamChatCompletionResponseSchema, {
    id,
    object: "chat.completion.chunk",
    choices: [{ index: 0, delta: { content } }],
  });
}
