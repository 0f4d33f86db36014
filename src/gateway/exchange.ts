// One call as the services see it, whatever the door, and the way services are put together.
import assert from "node:assert/strict";
import type {
  DescMessage,
  DescMethod,
  DescMethodServerStreaming,
  DescMethodUnary,
  Message,
  MessageShape,
} from "@bufbuild/protobuf";
import type { AnswerSink } from "../chat/call.ts";
import type { RateView } from "../chat/rate.ts";
import type { Trail } from "../chat/trail.ts";
import type {
  CreateChatCompletionResponse,
  StreamChatCompletionResponse,
} from "../gen/optamil/v1/chat_pb.ts";
import type { Caller } from "../keys/verify.ts";
import type { Cancellation } from "../platform/cancellation.ts";
import type { OptamilError } from "../platform/errors.ts";
import type { JsonBody } from "../platform/json-body.ts";
import { scopeOf } from "./access.ts";

/** One call, authenticated and checked. */
export type Exchange = {
  readonly requestId: string;
  /** The network that the request comes from; empty where the runtime does not say. */
  readonly address: string;
  readonly caller: Caller;
  /** The client's own JSON; undefined over RPC and where the route takes no body. */
  readonly body: JsonBody | undefined;
  readonly cancellation: Cancellation;
  /** When the request came in, monotonic milliseconds. */
  readonly receivedAtMs: number;
  /** Milliseconds from then until the answer must be complete. */
  readonly timeoutMs: number;
  /** The client's mark for repeats of one request; only chat requests heed it. */
  readonly idempotencyKey: string | undefined;
  /** How good an answer of `auto` must be, 0 to 1; undefined: the default. */
  readonly quality: number | undefined;
  /** What the client calls the work; undefined: nothing. */
  readonly tag: string | undefined;
  /** Where what is learnt of the call is noted for operators. */
  readonly trail: Trail;
  /** Sets a header of the answer. */
  readonly setHeader: (name: string, value: string) => void;
  /** Tells the door where the caller stands against its limits; the answer's rate headers show the last word. */
  readonly showRate: (view: RateView) => void;
};

/** One call of a public method: nobody is known to make it. */
export type PublicExchange = Omit<Exchange, "caller" | "showRate">;

/** A method that returns its answer. */
type UnaryEntry = {
  readonly kind: "unary";
  readonly method: DescMethod;
  readonly call: (request: never, exchange: Exchange) => Message | Promise<Message>;
  /** Whether the door counts it as a free call, before it runs; what is not is counted by itself. */
  readonly isRead: boolean;
};

/** A method that writes its answer to a sink: in one piece, or streamed if the method is. */
type AnswerEntry = {
  readonly kind: "answer";
  readonly method: DescMethod;
  readonly call: (request: never, exchange: Exchange, sink: AnswerSink) => Promise<void>;
  /** Makes the translator of one answer; undefined: the method's messages are the chat's own. */
  readonly translate: ((requestId: string, request: never) => AnswerTranslator) | undefined;
};

/** Turns the chat's answer to one request into the messages of another API. */
export interface AnswerTranslator {
  /** Parameters of the request that have no effect here, as the client calls them. Default: none. */
  readonly dropped?: readonly string[];
  /** A whole answer. */
  whole(answer: CreateChatCompletionResponse): Message;
  /** What chunks of a stream are; may be nothing. */
  chunks(chunks: readonly StreamChatCompletionResponse[]): readonly Message[];
  /** A sign of life; of an API that has none, nothing. */
  ping(): readonly Message[];
  /** What follows the last chunk. */
  end(): readonly Message[];
  /** The last messages of a stream that broke, over REST. Default: the refusal in the shape of the route. */
  failure?(error: OptamilError): readonly Message[];
  /** What the API calls a chat request's parameter. */
  parameter(name: string): string;
}

/** A method that streams messages whose items are lines over REST. */
type RowsEntry = {
  readonly kind: "rows";
  readonly method: DescMethod;
  readonly call: (request: never, exchange: Exchange) => AsyncIterable<Message>;
};

/** A method and what serves it. */
export type MethodEntry = UnaryEntry | AnswerEntry | RowsEntry;

/** Whether the door counts a call as a free one, before it runs; other methods count theirs. */
export function isFree(entry: MethodEntry): boolean {
  return entry.kind === "rows" || (entry.kind === "unary" && entry.isRead);
}

/** An entry for a free method that returns its answer: the door counts its calls. */
export function unary<I extends DescMessage, O extends DescMessage>(
  method: DescMethodUnary<I, O>,
  call: (
    request: MessageShape<I>,
    exchange: Exchange,
  ) => MessageShape<O> | Promise<MessageShape<O>>,
): MethodEntry {
  assert(scopeOf(method) !== undefined, `${method.name} is public: use publicUnary`);
  return { kind: "unary", method, call, isRead: true };
}

/** An entry for a method that returns its answer, and whose use case counts its calls. */
export function metered<I extends DescMessage, O extends DescMessage>(
  method: DescMethodUnary<I, O>,
  call: (request: MessageShape<I>, exchange: Exchange) => Promise<MessageShape<O>>,
): MethodEntry {
  assert(scopeOf(method) !== undefined, `${method.name} is public: use publicUnary`);
  return { kind: "unary", method, call, isRead: false };
}

/** An entry for a public method that returns its answer. */
export function publicUnary<I extends DescMessage, O extends DescMessage>(
  method: DescMethodUnary<I, O>,
  call: (
    request: MessageShape<I>,
    exchange: PublicExchange,
  ) => MessageShape<O> | Promise<MessageShape<O>>,
): MethodEntry {
  assert(scopeOf(method) === undefined, `${method.name} needs a key: use unary`);
  return { kind: "unary", method, call, isRead: false };
}

/** An entry for a method that writes its answer to a sink, which has it translated if need be. */
export function answered<I extends DescMessage>(
  method: DescMethod & { readonly input: I },
  call: (request: MessageShape<I>, exchange: Exchange, sink: AnswerSink) => Promise<void>,
  translate?: (requestId: string, request: MessageShape<I>) => AnswerTranslator,
): MethodEntry {
  assert(scopeOf(method) !== undefined, `${method.name} is public`);
  return { kind: "answer", method, call, translate };
}

/** An entry for a method that streams rows. Iterating ends where the client has gone. */
export function rows<I extends DescMessage, O extends DescMessage>(
  method: DescMethodServerStreaming<I, O>,
  call: (request: MessageShape<I>, exchange: Exchange) => AsyncIterable<MessageShape<O>>,
): MethodEntry {
  assert(scopeOf(method) !== undefined, `${method.name} is public`);
  return { kind: "rows", method, call };
}
