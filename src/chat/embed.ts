// The use case of embeddings: one request from its route to its vectors, metered like any other.
import { create, toBinary } from "@bufbuild/protobuf";
import { answerBytesMax, type KeyedTry } from "../admission/idempotency.ts";
import type { EmbeddingModel } from "../catalogue/models.ts";
import { ChatUsageSchema } from "../gen/optamil/v1/chat_pb.ts";
import {
  CreateEmbeddingRequestSchema,
  type CreateEmbeddingResponse,
  CreateEmbeddingResponseSchema,
} from "../gen/optamil/v1/embeddings_pb.ts";
import { jsonCodec } from "../platform/json.ts";
import type { JsonBody } from "../platform/json-body.ts";
import type { EmbedAnswer, Provider, Vector } from "../providers/provider.ts";
import type { AnswerHead } from "./call.ts";
import { type Attempted, type Trial, type TrialParts, tryInOrder } from "./candidates.ts";
import {
  type EmbeddingCall,
  type EmbeddingRoute,
  type EmbeddingRouteParts,
  findEmbeddingRoute,
  ownParameters,
} from "./embedding-route.ts";
import type { KeptAnswer } from "./kept-answer.ts";
import { digestOf, type KeyedParts, remember, runKeyed } from "./keyed.ts";
import type { Meter } from "./meter.ts";
import { endedBy } from "./metered-request.ts";
import { mergeNames } from "./parameters.ts";

/** One request for embeddings, checked and authenticated. */
export type EmbedRequest = EmbeddingCall & {
  /** The client's own JSON, if it came by REST. */
  readonly body: JsonBody | undefined;
};

/** What embedding needs; made once at start. */
export type EmbedParts = EmbeddingRouteParts & TrialParts & KeyedParts & { readonly meter: Meter };

/** Vectors, and what is said of their making. */
export type Embedded = {
  readonly head: AnswerHead;
  readonly message: CreateEmbeddingResponse;
};

const responseCodec = jsonCodec(CreateEmbeddingResponseSchema);

/**
 * Vectors for the inputs of a request, once for each Idempotency-Key: route, admission, then the deployments of the
 * model in order until one has answered, and the durable end.
 *
 * Throws what `findEmbeddingRoute`, `Meter.admit` and `runKeyed` throw, or what the client is to be told when nobody
 * has answered.
 */
export async function embedOnce(call: EmbedRequest, parts: EmbedParts): Promise<Embedded> {
  const { caller, idempotencyKey: key } = call;
  if (key === undefined) return embed(call, parts);
  const canonical = toBinary(CreateEmbeddingRequestSchema, call.request);
  const bodyDigest = digestOf(caller, "embeddings\n", canonical);
  let result: Embedded | undefined;
  await runKeyed({ caller, key, bodyDigest }, parts, {
    first: async (attempt) => {
      result = await embedFirst(attempt, call, parts);
    },
    again: (kept) => {
      result = fromKept(kept, parts.clock.monotonicMs() - call.receivedAtMs);
    },
  });
  return theOne(result);
}

async function embedFirst(
  attempt: KeyedTry,
  call: EmbedRequest,
  parts: EmbedParts,
): Promise<Embedded> {
  let result: Embedded | undefined;
  try {
    result = await embed({ ...call, eventId: attempt.eventId }, parts);
    return result;
  } finally {
    const made = result;
    const chargeMicro = made?.head.creditsMicro ?? 0n;
    const answer = () => (made === undefined ? undefined : toKept(made));
    await remember(attempt, { chargeMicro, answer }, call.requestId, parts);
  }
}

async function embed(call: EmbedRequest, parts: EmbedParts): Promise<Embedded> {
  const route = findEmbeddingRoute(call, parts);
  const request = await parts.meter.admit(call, route);
  let result: Embedded | undefined;
  await tryInOrder(call, route.candidates, request, parts, async (trial) => {
    const attempted = await attempt(call, route, trial, parts);
    if ("hasBegun" in attempted) return attempted;
    result = attempted;
    return { hasBegun: true, failure: undefined };
  });
  return theOne(result);
}

/** One candidate. */
async function attempt(
  call: EmbedRequest,
  route: EmbeddingRoute,
  { candidate: { model, deployment }, request, elapsedMs, overheadMs }: Trial<EmbeddingModel>,
  parts: EmbedParts,
): Promise<Attempted | Embedded> {
  const provider = providerOf(deployment.provider, parts);
  const answer = await provider.embed({
    request: call.request,
    body: call.body,
    inputs: route.inputs,
    omit: route.untaken,
    upstreamModel: deployment.upstreamModel,
    modelDimensions: model.dimensions,
    cancellation: call.cancellation,
    timeoutMs: Math.max(1, call.timeoutMs - elapsedMs),
    timeouts: deployment.timeouts,
    requestId: call.requestId,
    traceparent: call.trail?.attempting(),
  });
  if (!answer.ok) return { hasBegun: false, failure: answer };
  const { cancelled } = call.cancellation;
  const promptTokens = answer.promptTokens ?? route.features.promptTokens;
  const counts = { promptTokens, completionTokens: 0, totalTokens: promptTokens };
  const isCounted = answer.promptTokens !== undefined;
  const creditsMicro = await request.settle({
    by: cancelled ? endedBy(call.cancellation) : "complete",
    contentSent: !cancelled,
    served: { model, provider: provider.name },
    usage: isCounted ? create(ChatUsageSchema, counts) : undefined,
    relayedEvents: 0,
    httpStatus: cancelled ? 499 : 200,
    firstContentAtMs: parts.clock.monotonicMs(),
  });
  const told = route.untaken.filter((name) => !ownParameters.has(name));
  const head = {
    model: model.name,
    tier: model.tier,
    provider: provider.name,
    overheadMs,
    route: undefined,
    includeUsage: false,
    creditsMicro,
    replayed: false,
    dropped: mergeNames(told, answer.dropped),
  };
  return { head, message: toMessage(answer, model.name, promptTokens) };
}

/** The route has only those that can. */
function providerOf(name: string, { providers }: EmbedParts) {
  const provider = providers.get(name);
  if (provider === undefined || !canEmbed(provider)) throw new Error(`${name} cannot embed`);
  return provider;
}

function canEmbed(provider: Provider): provider is Provider & Required<Pick<Provider, "embed">> {
  return provider.embed !== undefined;
}

function toMessage(
  { vectors }: EmbedAnswer,
  model: string,
  promptTokens: number,
): CreateEmbeddingResponse {
  return create(CreateEmbeddingResponseSchema, {
    object: "list",
    data: vectors.map((vector, index) => ({
      object: "embedding",
      index,
      embedding: { kind: toKind(vector) },
    })),
    model,
    usage: { promptTokens, totalTokens: promptTokens },
  });
}

function toKind(vector: Vector) {
  if (typeof vector === "string") return { case: "base64" as const, value: vector };
  return { case: "floats" as const, value: { values: [...vector] } };
}

function toKept({ head, message }: Embedded): KeptAnswer | undefined {
  const body = new TextEncoder().encode(responseCodec.encodeText(message));
  if (body.byteLength > answerBytesMax) return undefined;
  return { head, chargeMicro: head.creditsMicro, form: "json", body };
}

function fromKept({ head, body }: KeptAnswer, overheadMs: number): Embedded {
  const message = responseCodec.decode(JSON.parse(new TextDecoder().decode(body)));
  return { head: { ...head, overheadMs, replayed: true }, message };
}

function theOne(result: Embedded | undefined): Embedded {
  if (result === undefined) throw new Error("a request ended without vectors");
  return result;
}
