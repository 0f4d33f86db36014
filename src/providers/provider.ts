// The port behind which every provider stands: types only.
import type {
  ChatUsage,
  CreateChatCompletionRequest,
  CreateChatCompletionResponse,
  StreamChatCompletionResponse,
} from "../gen/optamil/v1/chat_pb.ts";
import type { CreateEmbeddingRequest } from "../gen/optamil/v1/embeddings_pb.ts";
import type { Cancellation } from "../platform/cancellation.ts";
import type { OptamilError } from "../platform/errors.ts";
import type { JsonBody } from "../platform/json-body.ts";
import type { DeploymentTimeouts } from "./deployment.ts";

/** A provider of chat answers. Opened by `openProviders`, shared by all requests. */
export interface Provider {
  /** Name of the configuration, shown in headers and events. */
  readonly name: string;
  /** Whether its API has a mode for JSON, or models are only told what is wanted. */
  readonly json: "native" | "instructed";
  /** Parameters of a request that the API cannot be told of a model of its own, by name. Default: none. */
  untold?(request: CreateChatCompletionRequest, upstreamModel: string): readonly string[];
  /** Answers in one piece. Never throws for what an upstream does: that is a ProviderFailure. */
  complete(call: ProviderCall): Promise<ProviderAnswer | ProviderFailure>;
  /** Starts a stream and returns at once; everything else goes to the receiver, never before this returns. */
  stream(call: ProviderCall, receiver: StreamReceiver): ProviderStream;
  /** Turns inputs into vectors; never throws for what an upstream does. Absent: its API has no embeddings. */
  embed?(call: EmbedCall): Promise<EmbedAnswer | ProviderFailure>;
  /** Closes pooled connections. */
  close(): Promise<void>;
}

/** What any call to a provider needs, whatever it asks for. */
export type UpstreamCall = {
  /** Thrown when nobody waits any more; the provider then closes its upstream. */
  readonly cancellation: Cancellation;
  /** Milliseconds that are left for the whole answer. */
  readonly timeoutMs: number;
  /** How long this deployment is waited for. Default: as the provider is. */
  readonly timeouts?: DeploymentTimeouts | undefined;
  /** Id of the request, sent on as `x-request-id`. */
  readonly requestId: string;
  /** W3C trace context to send on, in which our own span is the parent. Default: none is sent. */
  readonly traceparent?: string | undefined;
};

/** One call for embeddings. */
export type EmbedCall = UpstreamCall & {
  /** Validated request of the client. */
  readonly request: CreateEmbeddingRequest;
  /** The client's own JSON bytes, if it came by REST: sent on with edits instead of a new encoding. */
  readonly body: JsonBody | undefined;
  /** The inputs of the request, each as a text or as its tokens. */
  readonly inputs: readonly EmbeddingInput[];
  /** Parameters that are not to be sent, by name. */
  readonly omit: readonly string[];
  /** The provider's name for the model. */
  readonly upstreamModel: string;
  /** Numbers of a vector where the request asks for no other length. */
  readonly modelDimensions: number;
};

/** A text, or the tokens of one. */
export type EmbeddingInput = string | readonly number[];

/** A vector: its numbers, or these as little-endian 32-bit floats in base64. */
export type Vector = readonly number[] | string;

/** Vectors, one for each input, in their order. */
export type EmbedAnswer = {
  readonly ok: true;
  readonly vectors: readonly Vector[];
  /** Tokens as the provider counted them; undefined if it did not. */
  readonly promptTokens: number | undefined;
  /** Parameters that the API cannot be told, by name. */
  readonly dropped: readonly string[];
};

/** One call to a provider for an answer. */
export type ProviderCall = UpstreamCall & {
  /** Validated request of the client. */
  readonly request: CreateChatCompletionRequest;
  /** The client's own JSON bytes, if it came by REST: sent on with edits instead of a new encoding. */
  readonly body: JsonBody | undefined;
  /** Parameters that are not to be sent, by name; the caller tells of them. Default: none. */
  readonly omit?: readonly string[] | undefined;
  /** Parameters that the model takes under another name, and that name. Default: none. */
  readonly renamed?: Readonly<Record<string, string>> | undefined;
  /** Catalogue name of the model: what the answer's `model` must say. */
  readonly model: string;
  /** The provider's name for the model. */
  readonly upstreamModel: string;
  /** Whether the door takes JSON bytes as they are ("json") or needs messages ("messages"). */
  readonly form: "json" | "messages";
  /** Whether the client asked for the usage chunk of a stream. */
  readonly includeUsage: boolean;
};

/** A complete answer. */
export type ProviderAnswer = {
  readonly ok: true;
  /** JSON bytes ready for the client (`model` is the catalogue's name), or the message to encode. */
  readonly body:
    | { readonly form: "json"; readonly bytes: Uint8Array }
    | { readonly form: "message"; readonly message: CreateChatCompletionResponse };
  /** Tokens as the provider counted them; undefined if it gave none. */
  readonly usage: ChatUsage | undefined;
  /** Parameters that the API cannot be told, by name. Default: none. */
  readonly dropped?: readonly string[] | undefined;
};

/** A failure of the upstream, before or after the first event. */
export type ProviderFailure = {
  readonly ok: false;
  /** What the client is told if no other candidate answers. */
  readonly error: OptamilError;
  /** HTTP status of the upstream; 0: none came. */
  readonly status: number;
  /** Kind for events and metrics, a short stable word: connect, timeout, http_429, http_5xx, protocol, cut, cancelled … */
  readonly errorClass: string;
  /** Whether another deployment may do better. False for what is the request's own fault. */
  readonly tryNext: boolean;
};

/** A running stream, as its reader steers it. */
export interface ProviderStream {
  /** Parameters that the API cannot be told, by name. Default: none. */
  readonly dropped?: readonly string[] | undefined;
  /** Stops reading from upstream until `resume`. */
  pause(): void;
  resume(): void;
}

/** What a stream delivers, in order: events or chunks, then exactly one of `onEnd` and `onFailure`. */
export interface StreamReceiver {
  /**
   * Whole server-sent events (`data: {…}` and a blank line each) that may go to a REST client as they
   * are: one call for each upstream read. Only with form "json". Never holds `[DONE]`, nor a usage event
   * that the client did not ask for; `model` is the catalogue's name.
   */
  onEvents(events: Uint8Array, eventCount: number): void;
  /** Chunks to encode; `model` is the catalogue's name. */
  onChunks(chunks: readonly StreamChatCompletionResponse[]): void;
  /** The answer is complete: every choice finished. */
  onEnd(usage: ChatUsage | undefined): void;
  /** The upstream failed; nothing follows. After a first event this is an error frame for the client. */
  onFailure(failure: ProviderFailure): void;
}
