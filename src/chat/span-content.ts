// What was asked and answered in one request, in the form of OpenTelemetry's spans.
import type {
  ChatContent,
  ChatMessage,
  CreateChatCompletionRequest,
  ToolCall,
} from "../gen/optamil/v1/chat_pb.ts";
import { cutTo } from "../usage/content-store.ts";

/** Messages as JSON, each list by its name in the conventions, and whether more was said. */
export type SpanContent = {
  readonly inputMessages: string;
  readonly outputMessages: string;
  readonly cut: boolean;
};

/** A piece of an answer: of a choice, with what it adds to its text and calls. */
export type SaidPiece = {
  readonly index: number;
  readonly content: string | null | undefined;
  readonly calls: readonly SaidCall[];
  readonly finishReason: string | null | undefined;
};

type SaidCall = Pick<ToolCall, "index" | "id" | "function">;
type Call = { id: string; name: string; arguments: string };
type Answer = { text: string; finishReason: string; readonly calls: Map<number, Call> };
type Part = Readonly<Record<string, unknown>>;

/** Bytes of what was asked, and of what was answered: a collector takes some megabytes at once. */
const spanBytesMax = 16_384;
/** Choices and calls that are told apart; an answer has few. */
const countMax = 128;

/** An answer, put together from its pieces. */
export class SaidAnswer {
  readonly #answers = new Map<number, Answer>();

  add({ index, content, calls, finishReason }: SaidPiece): void {
    const answer = this.#answers.get(index) ?? { text: "", finishReason: "", calls: new Map() };
    if (this.#answers.size < countMax) this.#answers.set(index, answer);
    if (answer.text.length <= spanBytesMax) answer.text += content ?? "";
    if (finishReason) answer.finishReason = finishReason;
    for (const [at, call] of calls.entries()) addCall(answer.calls, call, at);
  }

  /** With what was asked. */
  toContent(request: CreateChatCompletionRequest): SpanContent {
    const input = new Room();
    const inputMessages = request.messages.map((message) => toInput(message, input));
    const output = new Room();
    const outputMessages = [...this.#answers.values()].map((answer) => toOutput(answer, output));
    return {
      inputMessages: JSON.stringify(inputMessages),
      outputMessages: JSON.stringify(outputMessages),
      cut: input.cut || output.cut,
    };
  }
}

/** Bytes that are left for texts. */
class Room {
  cut = false;
  #left = spanBytesMax;

  take(text: string): string {
    const taken = cutTo(text, this.#left);
    this.#left -= Buffer.byteLength(taken.text);
    this.cut ||= taken.cut;
    return taken.text;
  }
}

function addCall(calls: Map<number, Call>, { index, id, function: called }: SaidCall, at: number) {
  const place = index ?? at;
  const call = calls.get(place) ?? { id: "", name: "", arguments: "" };
  if (calls.size < countMax) calls.set(place, call);
  call.id ||= id ?? "";
  call.name += called?.name ?? "";
  if (call.arguments.length <= spanBytesMax) call.arguments += called?.arguments ?? "";
}

function toInput(message: ChatMessage, room: Room): object {
  const { role, content, toolCalls, toolCallId } = message;
  const said = content === undefined ? [] : toParts(content, room);
  if (role === "tool") {
    const result = said.map((part) => part["content"] ?? "").join("");
    return { role, parts: [{ type: "tool_call_response", id: toolCallId ?? "", result }] };
  }
  const calls = new Map<number, Call>();
  for (const [at, call] of toolCalls.entries()) addCall(calls, call, at);
  return { role, parts: [...said, ...toCallParts(calls, room)] };
}

function toParts({ kind }: ChatContent, room: Room): Part[] {
  if (kind.case === "text") return [{ type: "text", content: room.take(kind.value) }];
  // Pictures, sounds and files are named, not sent.
  return (kind.value?.values ?? []).map(({ type, text }) =>
    text === undefined ? { type } : { type: "text", content: room.take(text) },
  );
}

function toOutput({ text, finishReason, calls }: Answer, room: Room): object {
  const said = text === "" ? [] : [{ type: "text", content: room.take(text) }];
  const reason = finishReason === "tool_calls" ? "tool_call" : finishReason || "error";
  const parts = [...said, ...toCallParts(calls, room)];
  return { role: "assistant", parts, finish_reason: reason };
}

function toCallParts(calls: ReadonlyMap<number, Call>, room: Room): Part[] {
  return [...calls.values()].map(({ id, name, arguments: given }) => {
    return { type: "tool_call", id, name, arguments: room.take(given) };
  });
}
