// What becomes of parameters that a model or its provider's API cannot take.
import { isFieldSet } from "@bufbuild/protobuf";
import type { Model } from "../catalogue/models.ts";
import {
  type CreateChatCompletionRequest,
  CreateChatCompletionRequestSchema,
} from "../gen/optamil/v1/chat_pb.ts";
import { invalidRequest, type OptamilError } from "../platform/errors.ts";
import type { ParameterPolicy } from "../platform/settings.ts";
import type { Provider } from "../providers/provider.ts";
import type { ChatCall } from "./call.ts";

const fields = new Map(
  CreateChatCompletionRequestSchema.fields.map((field) => [field.name, field]),
);

/** The policy for a call: its key's, else the gateway's. Default drop, as no client fails by what it sets always. */
export function policyOf(
  { caller }: Pick<ChatCall, "caller">,
  gateway: ParameterPolicy = "drop",
): ParameterPolicy {
  return caller.parameterPolicy ?? gateway;
}

const noNames: readonly string[] = [];

/** The parameters of a request that a model cannot take. */
export function untakenBy(
  { unsupportedParameters = noNames, whileReasoning }: Model,
  request: CreateChatCompletionRequest,
): readonly string[] {
  const { reasoningEffort: effort } = request;
  const reasons = effort === undefined ? whileReasoning?.isDefault : effort !== "none";
  const more = reasons === true ? (whileReasoning?.unsupportedParameters ?? noNames) : noNames;
  if (unsupportedParameters.length === 0 && more.length === 0) return noNames;
  return [...unsupportedParameters, ...more].filter((name) => {
    const field = fields.get(name);
    return field === undefined
      ? Object.hasOwn(request.extra ?? {}, name)
      : isFieldSet(request, field);
  });
}

/** The same of the model and of the API that it is asked by. */
export function untakenAt(
  model: Model,
  provider: Provider | undefined,
  upstreamModel: string,
  request: CreateChatCompletionRequest,
): readonly string[] {
  return [...untakenBy(model, request), ...(provider?.untold?.(request, upstreamModel) ?? [])];
}

/** All names once, in order. */
export function mergeNames(
  ...lists: readonly (readonly string[] | undefined)[]
): readonly string[] {
  if (lists.every((list) => list === undefined || list.length === 0)) return noNames;
  return [...new Set(lists.flatMap((list) => list ?? []))].toSorted();
}

/** What a key or gateway that rejects says to a request. */
export function refuseParameter(name: string, model: string): OptamilError {
  const who = model === "auto" ? "No available model takes" : `The model '${model}' does not take`;
  const remedy = 'leave it out, name another model, or use a key with parameter_policy "drop"';
  return invalidRequest(`${who} '${name}' with the rest of this request: ${remedy}.`, name);
}
