// Turns the embedding model that was asked for into the deployments to try, and checks what it is asked.
import { isFieldSet } from "@bufbuild/protobuf";
import type { EmbeddingModel } from "../catalogue/models.ts";
import {
  type CreateEmbeddingRequest,
  CreateEmbeddingRequestSchema,
  type EmbeddingInput as InputMessage,
} from "../gen/optamil/v1/embeddings_pb.ts";
import { invalidRequest, OptamilError } from "../platform/errors.ts";
import type { Deployment } from "../providers/deployment.ts";
import type { EmbeddingInput } from "../providers/provider.ts";
import { estimateTokens } from "../usage/estimate.ts";
import type { MeteredCall } from "./call.ts";
import type { Candidate } from "./candidates.ts";
import type { MeteredRoute } from "./metered-request.ts";
import { policyOf, refuseParameter } from "./parameters.ts";
import {
  candidatesMax,
  candidatesOf,
  notConfigured,
  notWell,
  type RouteParts,
  refuseForbiddenName,
  refuseForbiddenTier,
} from "./route.ts";

/** Where a request for embeddings goes, and what it asks there. */
export type EmbeddingRoute = MeteredRoute & {
  readonly candidates: readonly Candidate<EmbeddingModel>[];
  readonly inputs: readonly EmbeddingInput[];
  /** Parameters that the model cannot take, by name. */
  readonly untaken: readonly string[];
};

/** What an embedding route is found in. */
export type EmbeddingRouteParts = Pick<
  RouteParts,
  "catalogue" | "health" | "providers" | "parameterPolicy"
> & {
  /** Deployments by the name of the embedding model. */
  readonly embeddings: ReadonlyMap<string, readonly Deployment[]>;
};

/** A request for embeddings, as far as its route goes. */
export type EmbeddingCall = MeteredCall & { readonly request: CreateEmbeddingRequest };

const fields = new Map(CreateEmbeddingRequestSchema.fields.map((field) => [field.name, field]));

/**
 * The deployments that may answer, best first; at least one. Only those of the model that is named: vectors of
 * another cannot be compared with its own.
 *
 * Throws `permission_denied`, `model_not_found`, `invalid_request` (a chat model, too many inputs, what the model
 * cannot do), `context_length_exceeded` (an input of more tokens than the model reads), `service_unavailable`.
 */
export function findEmbeddingRoute(
  call: EmbeddingCall,
  parts: EmbeddingRouteParts,
): EmbeddingRoute {
  refuseForbiddenName(call);
  const model = findModel(call.request.model, parts);
  refuseForbiddenTier(call, model);
  const inputs = toInputs(call.request.input);
  checkInputs(inputs, model);
  const untaken = findUntaken(call, model, parts);
  const { health, providers, embeddings } = parts;
  if (!embeddings.has(model.name)) throw notConfigured(model, call);
  const places = { deployments: embeddings, health };
  const candidates = candidatesOf(model, () => call.requestId, places);
  if (candidates.length === 0) throw notWell([model], places);
  const able = candidates.filter(({ deployment }) => providers.get(deployment.provider)?.embed);
  if (able.length === 0) throw unable(model);
  const promptTokens = inputs.reduce((sum, input) => sum + tokensOf(input), 0);
  return {
    candidates: able.slice(0, candidatesMax),
    features: { promptTokens, maxOutputTokens: 0 },
    requestedTier: model.tier,
    explanation: undefined,
    inputs,
    untaken,
  };
}

function findModel(name: string, { catalogue }: EmbeddingRouteParts): EmbeddingModel {
  const model = catalogue.embeddingByName(name);
  if (model !== undefined) return model;
  if (name === catalogue.autoModel.name) {
    throw invalidRequest(
      "'auto' picks chat models, and vectors of different models cannot be compared: name an embedding model.",
      "model",
    );
  }
  if (catalogue.byName(name) !== undefined) {
    throw invalidRequest(
      `The model '${name}' chats and makes no embeddings: POST /v1/chat/completions asks it.`,
      "model",
    );
  }
  throw new OptamilError(
    "model_not_found",
    `The model '${name}' does not exist. GET /v1/models lists the models; those with 'dimensions' make embeddings.`,
    { param: "model" },
  );
}

/** The inputs of a request. Throws `invalid_request` where texts, tokens and lists are mixed. */
function toInputs(input: InputMessage | undefined): readonly EmbeddingInput[] {
  const kind = input?.kind;
  if (kind?.case === "text") return [kind.value];
  const items = kind?.value?.values ?? [];
  const tokens: number[] = [];
  const inputs: EmbeddingInput[] = [];
  for (const [at, { kind: item }] of items.entries()) {
    if (item.case !== items[0]?.kind.case) {
      throw invalidRequest(
        `input[${at}]: a list is of texts, of tokens, or of lists of tokens, not of several kinds`,
        `input[${at}]`,
      );
    }
    if (item.case === "token") tokens.push(item.value);
    else if (item.case !== undefined) {
      inputs.push(item.case === "text" ? item.value : item.value.values);
    }
  }
  return tokens.length > 0 ? [tokens] : inputs;
}

function checkInputs(inputs: readonly EmbeddingInput[], model: EmbeddingModel): void {
  const { name, inputsMax, contextTokens } = model;
  if (inputs.length > inputsMax) {
    const message = `The model '${name}' takes at most ${inputsMax} inputs in one request, and this has ${inputs.length}: send several.`;
    throw invalidRequest(message, "input");
  }
  for (const [at, input] of inputs.entries()) {
    if (typeof input === "string" || input.length <= contextTokens) continue;
    const message = `Input ${at} has ${input.length} tokens, and the model '${name}' reads ${contextTokens}: shorten it.`;
    throw new OptamilError("context_length_exceeded", message, { param: "input" });
  }
}

/** What the model cannot take of the request; another length of vectors is refused, as nobody could use what came. */
function findUntaken(
  call: EmbeddingCall,
  model: EmbeddingModel,
  parts: EmbeddingRouteParts,
): readonly string[] {
  const { request } = call;
  const { unsupportedParameters = [] } = model;
  const { dimensions } = request;
  const isFixed = unsupportedParameters.includes("dimensions");
  if (dimensions !== undefined && dimensions !== model.dimensions) {
    const can = isFixed ? `of ${model.dimensions}` : `of at most ${model.dimensions}`;
    if (isFixed || dimensions > model.dimensions) {
      const message = `The model '${model.name}' makes vectors ${can} numbers: ask for no other length.`;
      throw invalidRequest(message, "dimensions");
    }
  }
  const untaken = unsupportedParameters.filter((name) => isSet(request, name));
  const told = untaken.filter((name) => !ownParameters.has(name));
  const [first] = told;
  if (first !== undefined && policyOf(call, parts.parameterPolicy) === "reject") {
    throw refuseParameter(first, request.model);
  }
  return untaken;
}

/** Of these the client gets what it asked for, whether the model knows them or not. */
export const ownParameters: ReadonlySet<string> = new Set(["encoding_format", "dimensions"]);

function isSet(request: CreateEmbeddingRequest, name: string): boolean {
  const field = fields.get(name);
  if (field === undefined) return Object.hasOwn(request.extra ?? {}, name);
  return isFieldSet(request, field);
}

function tokensOf(input: EmbeddingInput): number {
  return typeof input === "string" ? estimateTokens(input) : input.length;
}

function unable({ name }: EmbeddingModel): OptamilError {
  return new OptamilError(
    "service_unavailable",
    `The API of the provider that serves '${name}' has no embeddings.`,
    { param: "model", shouldRetry: false },
  );
}
