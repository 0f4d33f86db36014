// The chunks of a chat answer as the events of a message: one block after the other.
import { create, type JsonObject, type MessageInitShape } from "@bufbuild/protobuf";
import { NullValue } from "@bufbuild/protobuf/wkt";
import type {
  ChatDelta,
  ChatUsage,
  StreamChatCompletionResponse,
  ToolCall,
} from "../../gen/optamil/v1/chat_pb.ts";
import {
  type MessagesBlockSchema,
  type MessagesDeltaSchema,
  type StreamMessageResponse,
  StreamMessageResponseSchema,
} from "../../gen/optamil/v1/messages_pb.ts";
import type { AnswerTranslator } from "../exchange.ts";
import { readThoughts } from "../thinking-blocks.ts";
import { toEnding, toFrame, toMessage, toUsage, unsigned } from "./answer.ts";
import { messagesNames } from "./names.ts";

type Block = MessageInitShape<typeof MessagesBlockSchema>;
type Delta = MessageInitShape<typeof MessagesDeltaSchema>;

/** A call as far as it has come. */
type Call = {
  readonly id: string;
  readonly name: string;
  readonly extra: JsonObject | undefined;
  text: string;
  sent: number;
};

/** Translates one answer. */
export class MessageTranslator implements AnswerTranslator {
  readonly whole = toMessage;
  readonly parameter = messagesNames.parameter;
  #events: StreamMessageResponse[] = [];
  #started = false;
  /** Blocks so far, the open one included. */
  #blocks = 0;
  #open: "text" | "thinking" | Call | undefined = undefined;
  /** Calls that wait for the end of the open one, by their position. */
  readonly #calls = new Map<number, Call>();
  readonly #shown = new Set<Call>();
  #ending = toEnding(undefined, undefined);
  #usage: ChatUsage | undefined = undefined;

  chunks(chunks: readonly StreamChatCompletionResponse[]): readonly StreamMessageResponse[] {
    for (const chunk of chunks) this.#push(chunk);
    return this.#take();
  }

  ping(): readonly StreamMessageResponse[] {
    return [create(StreamMessageResponseSchema, { type: "ping" })];
  }

  end(): readonly StreamMessageResponse[] {
    this.#closeAll();
    const { stopReason, stopSequence } = this.#ending;
    const kind =
      stopSequence === undefined
        ? { case: "nullValue" as const, value: NullValue.NULL_VALUE }
        : { case: "stringValue" as const, value: stopSequence };
    const delta = { stopReason, stopSequence: { kind } };
    this.#emit({ type: "message_delta", delta, usage: toUsage(this.#usage) });
    this.#emit({ type: "message_stop" });
    return this.#take();
  }

  #take(): readonly StreamMessageResponse[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }

  #emit(event: MessageInitShape<typeof StreamMessageResponseSchema>): void {
    this.#events.push(create(StreamMessageResponseSchema, event));
  }

  #push(chunk: StreamChatCompletionResponse): void {
    if (!this.#started) {
      this.#started = true;
      // Chat providers count at the end: there message_delta has it all.
      this.#emit({
        type: "message_start",
        message: { ...toFrame(chunk), usage: toUsage(undefined) },
      });
    }
    if (chunk.usage !== undefined) this.#usage = chunk.usage;
    const choice = chunk.choices.find(({ index }) => index === 0);
    if (choice?.delta !== undefined) this.#advance(choice.delta);
    if (choice?.finishReason) this.#ending = toEnding(choice.finishReason, choice.extra);
  }

  #advance({ content, refusal, reasoningContent, toolCalls, extra }: ChatDelta): void {
    if (reasoningContent) this.#think(reasoningContent);
    for (const thought of readThoughts(extra)) this.#sign(thought);
    const text = `${content ?? ""}${refusal ?? ""}`;
    if (text !== "") {
      if (this.#open !== "text") this.#begin("text", { type: "text", text: "" });
      this.#delta({ type: "text_delta", text });
    }
    for (const call of toolCalls) this.#call(call);
  }

  #think(thinking: string): void {
    if (this.#open !== "thinking") this.#begin("thinking", unsigned(""));
    this.#delta({ type: "thinking_delta", thinking });
  }

  /** A signature ends its block; what is redacted is a block of its own. */
  #sign({ type, signature, data }: JsonObject): void {
    if (type === "redacted_thinking") {
      this.#begin("thinking", { type, data: String(data ?? "") });
    } else if (typeof signature === "string" && signature !== "") {
      if (this.#open !== "thinking") this.#begin("thinking", unsigned(""));
      this.#delta({ type: "signature_delta", signature });
    } else {
      return;
    }
    this.#close();
  }

  /** Pieces of calls may alternate; a call that is not open is kept until the open one is whole. */
  #call({ index = 0, id, function: called, extra }: ToolCall): void {
    const known = this.#calls.get(index);
    const call = known ?? { id: id ?? "", name: called?.name ?? "", extra, text: "", sent: 0 };
    this.#calls.set(index, call);
    call.text += called?.arguments ?? "";
    const isBehind = typeof this.#open === "object" && this.#open !== call;
    if (isBehind && !isWhole(this.#open)) return;
    this.#show(call);
  }

  #show(call: Call): void {
    if (this.#open !== call) {
      // A call that was closed as whole and yet goes on has no place any more.
      if (this.#shown.has(call)) return;
      const { id, name, extra } = call;
      this.#begin(call, { type: "tool_use", id, name, input: {}, ...(extra && { extra }) });
    }
    const piece = call.text.slice(call.sent);
    call.sent = call.text.length;
    if (piece !== "") this.#delta({ type: "input_json_delta", partialJson: piece });
  }

  #closeAll(): void {
    for (const call of this.#calls.values()) {
      if (!this.#shown.has(call)) this.#show(call);
    }
    this.#close();
  }

  #begin(kind: "text" | "thinking" | Call, block: Block): void {
    this.#close();
    this.#open = kind;
    if (typeof kind === "object") this.#shown.add(kind);
    this.#emit({ type: "content_block_start", index: this.#blocks++, contentBlock: block });
  }

  #delta(delta: Delta): void {
    this.#emit({ type: "content_block_delta", index: this.#blocks - 1, delta });
  }

  #close(): void {
    if (this.#open === undefined) return;
    this.#open = undefined;
    this.#emit({ type: "content_block_stop", index: this.#blocks - 1 });
  }
}

/** Whether the arguments of a call are all there. */
function isWhole(call: unknown): boolean {
  if (typeof call !== "object" || call === null || !("text" in call)) return true;
  try {
    JSON.parse(String(call.text));
    return true;
  } catch {
    return false;
  }
}
