// The shapes in which a chat request comes in and its answer goes out, whatever the door.
import type {
  CreateChatCompletionRequest,
  CreateChatCompletionResponse,
  StreamChatCompletionResponse,
} from "../gen/optamil/v1/chat_pb.ts";
import type { Caller } from "../keys/verify.ts";
import type { Cancellation } from "../platform/cancellation.ts";
import type { OptamilError } from "../platform/errors.ts";
import type { JsonBody } from "../platform/json-body.ts";
import type { OperationName } from "../usage/operation.ts";
import type { RateView } from "./rate.ts";
import type { Trail } from "./trail.ts";

/** What is admitted and metered of a request, whatever it asks for. */
export type MeteredCall = {
  readonly requestId: string;
  readonly caller: Caller;
  /** The validated request, which names a model. */
  readonly request: { readonly model: string };
  /** What it asks for. Default: a chat. */
  readonly operation?: OperationName | undefined;
  /** Whether the answer is streamed. */
  readonly stream: boolean;
  /** Thrown when the client has gone or its deadline has passed. */
  readonly cancellation: Cancellation;
  /** When the request came in, monotonic milliseconds. */
  readonly receivedAtMs: number;
  /** Milliseconds from then until the answer must be complete. */
  readonly timeoutMs: number;
  /** The client's mark for repeats of one request; undefined if it sent none. */
  readonly idempotencyKey: string | undefined;
  /** What the client calls the work that the request belongs to. Default: nothing. */
  readonly tag?: string | undefined;
  /** Id that the request's event is to have. Default: one made at admission. */
  readonly eventId?: string | undefined;
  /** Where what is learnt of the request is noted for operators. Default: nowhere. */
  readonly trail?: Trail | undefined;
  /** Tells the door where the caller stands against its limits, for the answer's headers. */
  readonly showRate: (view: RateView) => void;
};

/** One chat request, checked and authenticated. */
export type ChatCall = MeteredCall & {
  readonly request: CreateChatCompletionRequest;
  /** The client's own JSON, if it came by REST. */
  readonly body: JsonBody | undefined;
  /** How good an answer of `auto` must be, 0 (cheapest) to 1 (best). Default: its key's, its account's, or the gateway's. */
  readonly quality?: number | undefined;
};

/** What is known when the answer begins. */
export type AnswerHead = {
  /** Catalogue name of the model that answers. */
  readonly model: string;
  readonly tier: string;
  readonly provider: string;
  /** Time in the gateway itself so far, milliseconds. */
  readonly overheadMs: number;
  /** Why the router chose the model, ASCII, at most 1 kB; undefined if the client named the model. */
  readonly route: string | undefined;
  /** Whether every chunk of the stream says `usage`: null until the last one gives it. */
  readonly includeUsage: boolean;
  /** The charge of an answer in one piece, the hold of a stream, micro-credits. */
  readonly creditsMicro: bigint;
  /** Parameters that the model's API cannot be told, by name. Default: none. */
  readonly dropped?: readonly string[] | undefined;
  /** Whether this is the answer of an earlier request with the same Idempotency-Key. */
  readonly replayed: boolean;
};

/** Takes the answer to the client. Each door has its own. */
export interface AnswerSink {
  /** Whether JSON bytes can go out as they are, or messages are needed. */
  readonly form: "json" | "messages";
  /** The head: once, before everything else. */
  head(head: AnswerHead): void;
  /** A whole answer as JSON bytes. Only with form "json". */
  json(bytes: Uint8Array): void;
  /** A whole answer. */
  message(message: CreateChatCompletionResponse): void;
  /** Whole server-sent events. Only with form "json". False: full, wait for `onDrain`. */
  events(events: Uint8Array): boolean;
  /** Chunks to encode. False: full, wait for `onDrain`. */
  chunks(chunks: readonly StreamChatCompletionResponse[]): boolean;
  /** A sign of life while the provider is silent. */
  ping(): void;
  /** The end of a complete stream, and its charge in micro-credits. */
  end(creditsMicro: bigint): void;
  /** The end of a stream that broke after its head: an error frame; and its charge in micro-credits. */
  fail(error: OptamilError, creditsMicro: bigint): void;
  /** Called when there is room again. */
  onDrain: (() => void) | undefined;
}
