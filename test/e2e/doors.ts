/** Every door of a gateway behind one interface: a behaviour is stated once and run through all of them. */
import { type CallOptions, createClient, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import type OpenAI from "openai";
import { expect } from "vitest";
import {
  ChatService,
  CreateChatCompletionRequestSchema,
  CreateChatCompletionResponseSchema,
  StreamChatCompletionResponseSchema,
} from "../../src/gen/optamil/v1/chat_pb.ts";
import {
  CreateEmbeddingRequestSchema,
  CreateEmbeddingResponseSchema,
  EmbeddingService,
} from "../../src/gen/optamil/v1/embeddings_pb.ts";
import {
  CreateFeedbackRequestSchema,
  CreateFeedbackResponseSchema,
  FeedbackService,
} from "../../src/gen/optamil/v1/feedback_pb.ts";
import {
  ListModelsResponseSchema,
  ModelSchema,
  ModelService,
} from "../../src/gen/optamil/v1/models_pb.ts";
import { type JsonCodec, jsonCodec } from "../../src/platform/json.ts";
import {
  type RestReply,
  type RestRequest,
  type Send,
  sendHttp1,
  sendHttp2,
} from "./rest-client.ts";
import { readEvents } from "./sse.ts";

/** Headers by name, in lower case. */
export type HeaderMap = Record<string, string>;

/** An answer in the JSON form of REST, and its headers: leading metadata over RPC. */
export interface Answer<T> {
  body: T;
  headers: HeaderMap;
}

/** Where a call goes and with which headers. */
export interface Target {
  /** URL of the gateway, without the version. */
  url: string;
  headers: HeaderMap;
}

/** A model object. */
export interface ModelObject {
  id: string;
  object: string;
  owned_by: string;
  description?: string;
}

/** An embedding list object. */
export type EmbeddingList = OpenAI.CreateEmbeddingResponse;

/** A feedback that was taken. */
export interface FeedbackObject {
  id: string;
  object: string;
  event_id: string;
}

/** A chat request in the JSON form of REST; wrong ones included. */
export type ChatRequest = Record<string, unknown>;

/** One door. A refusal rejects with a `RestRefusal` or a `ConnectError`. */
export interface Door {
  name: string;
  kind: "rest" | "rpc";
  chat(target: Target, request: ChatRequest): Promise<Answer<OpenAI.ChatCompletion>>;
  stream(target: Target, request: ChatRequest): Promise<Answer<OpenAI.ChatCompletionChunk[]>>;
  embed(target: Target, request: ChatRequest): Promise<Answer<EmbeddingList>>;
  giveFeedback(target: Target, request: ChatRequest): Promise<Answer<FeedbackObject>>;
  listModels(target: Target): Promise<Answer<{ object: string; data: ModelObject[] }>>;
  getModel(target: Target, id: string): Promise<Answer<ModelObject>>;
}

/** A REST answer that is no success. */
export class RestRefusal extends Error {
  readonly reply: RestReply;

  constructor(reply: RestReply) {
    super(`${reply.status} ${reply.text}`);
    this.reply = reply;
  }
}

/** The header that carries a key. */
export function bearer(key: string): HeaderMap {
  return { authorization: `Bearer ${key}` };
}

/** All doors. */
export const doors: readonly Door[] = [
  restDoor("REST over HTTP/1.1", sendHttp1),
  restDoor("REST over HTTP/2", sendHttp2),
  rpcDoor("Connect with binary messages", (baseUrl) =>
    createConnectTransport({ baseUrl, httpVersion: "1.1" }),
  ),
  rpcDoor("Connect with JSON messages", (baseUrl) =>
    createConnectTransport({ baseUrl, httpVersion: "2", useBinaryFormat: false }),
  ),
  rpcDoor("gRPC", (baseUrl) => createGrpcTransport({ baseUrl })),
  rpcDoor("gRPC-Web", (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1" })),
];

function restDoor(name: string, send: Send): Door {
  const ask = async ({ url, headers }: Target, request: RestRequest) => {
    const reply = await send(url, { ...request, headers: { ...headers, ...request.headers } });
    if (reply.status !== 200) throw new RestRefusal(reply);
    return reply;
  };
  const askJson = async (target: Target, request: RestRequest) => {
    const { text, headers } = await ask(target, request);
    expect(headers["content-type"]).toBe("application/json");
    return { body: JSON.parse(text), headers };
  };
  const path = "/v1/chat/completions";
  return {
    name,
    kind: "rest",
    chat: (target, body) => askJson(target, { path, body }),
    async stream(target, request) {
      const { text, headers } = await ask(target, { path, body: { ...request, stream: true } });
      const events = readEvents(text);
      expect(events.pop()).toBe("[DONE]");
      return { body: events.map((event) => JSON.parse(event)), headers };
    },
    embed: (target, body) => askJson(target, { path: "/v1/embeddings", body }),
    giveFeedback: (target, body) => askJson(target, { path: "/v1/feedback", body }),
    listModels: (target) => askJson(target, { path: "/v1/models" }),
    getModel: (target, id) => askJson(target, { path: `/v1/models/${encodeURIComponent(id)}` }),
  };
}

const codecs = {
  request: jsonCodec(CreateChatCompletionRequestSchema),
  completion: jsonCodec(CreateChatCompletionResponseSchema),
  chunk: jsonCodec(StreamChatCompletionResponseSchema),
  embedding: jsonCodec(CreateEmbeddingRequestSchema),
  embeddings: jsonCodec(CreateEmbeddingResponseSchema),
  feedback: jsonCodec(CreateFeedbackRequestSchema),
  feedbackObject: jsonCodec(CreateFeedbackResponseSchema),
  models: jsonCodec(ListModelsResponseSchema),
  model: jsonCodec(ModelSchema),
};

/** A connection is kept for each gateway, as applications do. */
function rpcDoor(name: string, open: (url: string) => Transport): Door {
  const transports = new Map<string, Transport>();
  const transportTo = ({ url }: Target) => {
    const transport = transports.get(url) ?? open(url);
    transports.set(url, transport);
    return transport;
  };
  const chatOf = (target: Target) => createClient(ChatService, transportTo(target));
  const modelsOf = (target: Target) => createClient(ModelService, transportTo(target));
  return {
    name,
    kind: "rpc",
    chat: (target, request) =>
      toAnswer(target, codecs.completion, (options) =>
        chatOf(target).createChatCompletion(codecs.request.decode(request), options),
      ),
    async stream(target, request) {
      const { options, headers } = listenForHeaders(target);
      const chunks = chatOf(target).streamChatCompletion(codecs.request.decode(request), options);
      const body: OpenAI.ChatCompletionChunk[] = [];
      for await (const chunk of chunks) body.push(JSON.parse(codecs.chunk.encodeText(chunk)));
      return { body, headers };
    },
    embed: (target, request) =>
      toAnswer(target, codecs.embeddings, (options) =>
        createClient(EmbeddingService, transportTo(target)).createEmbedding(
          codecs.embedding.decode(request),
          options,
        ),
      ),
    giveFeedback: (target, request) =>
      toAnswer(target, codecs.feedbackObject, (options) =>
        createClient(FeedbackService, transportTo(target)).createFeedback(
          codecs.feedback.decode(request),
          options,
        ),
      ),
    listModels: (target) =>
      toAnswer(target, codecs.models, (options) => modelsOf(target).listModels({}, options)),
    getModel: (target, model) =>
      toAnswer(target, codecs.model, (options) => modelsOf(target).getModel({ model }, options)),
  };
}

async function toAnswer<Body, M>(
  target: Target,
  codec: JsonCodec<M>,
  call: (options: CallOptions) => Promise<M>,
): Promise<Answer<Body>> {
  const { options, headers } = listenForHeaders(target);
  const message = await call(options);
  return { body: JSON.parse(codec.encodeText(message)), headers };
}

function listenForHeaders(target: Target): { options: CallOptions; headers: HeaderMap } {
  const headers: HeaderMap = {};
  const onHeader = (leading: Headers) => Object.assign(headers, Object.fromEntries(leading));
  return { options: { headers: target.headers, onHeader }, headers };
}
