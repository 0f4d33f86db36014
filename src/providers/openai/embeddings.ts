// Embeddings of a provider that speaks OpenAI's wire format, or a dialect that has them.

import { Buffer } from "node:buffer";
import type { Dispatcher } from "undici";
import { CreateEmbeddingRequestSchema } from "../../gen/optamil/v1/embeddings_pb.ts";
import { jsonCodec } from "../../platform/json.ts";
import { editMembers } from "../../platform/json-body.ts";
import type { Dialect } from "../dialect.ts";
import { isObject, toCount } from "../json-values.ts";
import type {
  EmbedAnswer,
  EmbedCall,
  Provider,
  ProviderFailure,
  UpstreamCall,
  Vector,
} from "../provider.ts";
import { dimensionsOf, formOf, readVector } from "../vectors.ts";
import { AnswerCollector, parseAnswerBody } from "./answer-body.ts";
import { Exchange, type ExchangeSetting, startExchange } from "./exchange.ts";
import { findErrorFailure, toProtocolFailure } from "./failure.ts";

/** Largest answer: 2,048 vectors of 3,072 numbers in decimal are 85 MB. */
const embeddingBytesMax = 96 * 1024 * 1024;
/** What a count of our messages can hold: 32 bits. */
const tokensMax = 2 ** 32 - 1;

const requestCodec = jsonCodec(CreateEmbeddingRequestSchema);

/** Makes the request of a call for a path behind the base URL. */
export type ToRequest = (
  path: string,
  call: UpstreamCall,
  body: Uint8Array,
  isStream: boolean,
) => Dispatcher.DispatchOptions;

/** What a provider can do for embeddings: nothing where its dialect has none. */
export function toEmbedding(
  setting: ExchangeSetting & { readonly dialect: Dialect | undefined },
  toRequest: ToRequest,
): Pick<Provider, "embed"> {
  const { dialect } = setting;
  if (dialect !== undefined && dialect.embeddings === undefined) return {};
  return {
    embed: (call) => {
      const { promise, resolve } = Promise.withResolvers<EmbedAnswer | ProviderFailure>();
      const collecting = {
        bytesMax: embeddingBytesMax,
        read: (bytes: Buffer) => readAnswer(bytes, call, setting),
        settle: resolve,
      };
      const exchange = new Exchange(
        call,
        setting,
        (steer) => new AnswerCollector(steer, collecting),
      );
      startExchange(exchange, () => toUpstream(call, dialect, toRequest), false);
      return promise;
    },
  };
}

function toUpstream(
  call: EmbedCall,
  dialect: Dialect | undefined,
  toRequest: ToRequest,
): Dispatcher.DispatchOptions {
  const { embeddings } = dialect ?? {};
  if (embeddings === undefined) return toRequest("/embeddings", call, toBody(call), false);
  const body = Buffer.from(JSON.stringify(embeddings.request(call)));
  return toRequest(embeddings.path(call.upstreamModel), call, body, false);
}

/** The client's own bytes with the model's name of the provider, or the encoded message. */
function toBody({ body, request, upstreamModel, omit }: EmbedCall): Uint8Array {
  if (body !== undefined) {
    const edits = new Map<string, Uint8Array | undefined>();
    if (request.model !== upstreamModel) {
      edits.set("model", Buffer.from(JSON.stringify(upstreamModel)));
    }
    for (const name of omit) edits.set(name, undefined);
    return edits.size === 0 ? body.bytes : editMembers(body, edits);
  }
  const text = requestCodec.encodeText({ ...request, model: upstreamModel });
  if (omit.length === 0) return Buffer.from(text);
  const members = Object.entries(JSON.parse(text)).filter(([name]) => !omit.includes(name));
  return Buffer.from(JSON.stringify(Object.fromEntries(members)));
}

type Reading = Pick<ExchangeSetting, "redact"> & { readonly dialect: Dialect | undefined };

/** The vectors in these bytes: one for each input, all of one length. */
function readAnswer(
  bytes: Buffer,
  call: EmbedCall,
  { redact, dialect }: Reading,
): EmbedAnswer | ProviderFailure {
  const body = parseAnswerBody(bytes);
  if ("ok" in body) return body;
  const failure = findErrorFailure(body.value, redact);
  if (failure !== undefined) return failure;
  const { data, usage } = dialect?.embeddings?.answer(body.value) ?? body.value;
  const vectors = readVectors(data, call);
  if (typeof vectors === "string") return toProtocolFailure(vectors);
  const tokens = isObject(usage) ? toCount(usage["prompt_tokens"]) : undefined;
  return {
    ok: true,
    vectors,
    promptTokens: tokens !== undefined && tokens <= tokensMax ? tokens : undefined,
    dropped: dialect?.embeddings?.dropped(call) ?? [],
  };
}

/** The vectors in the order of the inputs, or what is wrong with them. */
function readVectors(data: unknown, call: EmbedCall): readonly Vector[] | string {
  const { inputs, request, omit } = call;
  if (!Array.isArray(data)) return "an answer without vectors";
  if (data.length !== inputs.length) {
    return `${data.length} vectors for ${inputs.length} inputs`;
  }
  const form = formOf(call);
  const asked = omit.includes("dimensions") ? undefined : request.dimensions;
  const vectors = new Array<Vector | undefined>(data.length).fill(undefined);
  let dimensions = asked;
  for (const [at, item] of data.entries()) {
    const vector = isObject(item) ? readVector(item["embedding"], form) : undefined;
    if (vector === undefined) return `vector ${at} is none`;
    dimensions ??= dimensionsOf(vector);
    if (dimensionsOf(vector) !== dimensions) return `vector ${at} has another length`;
    const index = toCount(item["index"]) ?? at;
    if (index >= data.length || vectors[index] !== undefined) return `the index of vector ${at}`;
    vectors[index] = vector;
  }
  return vectors.flatMap((vector) => (vector === undefined ? [] : [vector]));
}
