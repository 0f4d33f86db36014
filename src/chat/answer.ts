// The use case: one chat request from its route to the end of its answer.
import type { Model } from "../catalogue/models.ts";
import type { Clock } from "../platform/clock.ts";
import type { ProviderCall, StreamReceiver } from "../providers/provider.ts";
import type { AnswerHead, AnswerSink, ChatCall } from "./call.ts";
import { type Attempted, type Trial, tryInOrder } from "./candidates.ts";
import { textOf } from "./content.ts";
import { completeJson, streamJson } from "./json-answer.ts";
import { jsonFormOf } from "./json-form.ts";
import { watchJson } from "./json-watch.ts";
import type { Meter } from "./meter.ts";
import { endedBy } from "./metered-request.ts";
import { mergeNames, policyOf, untakenBy } from "./parameters.ts";
import type { Slots } from "./provider-slots.ts";
import { relayStream } from "./relay.ts";
import { findRoute, type Route, type RouteParts } from "./route.ts";

/** What answering needs; made once at start. */
export type ChatParts = RouteParts & {
  readonly meter: Meter;
  readonly slots: Slots;
  readonly clock: Clock;
  /** Silence of a provider after which the client gets a sign of life, milliseconds. */
  readonly pingAfterMs: number;
};

/**
 * Answers a chat request: route, admission, then the candidates in order until one has begun its answer, then
 * the durable end.
 *
 * Resolves when the answer has ended, well or with an error frame. Throws what the client is to be told
 * when no answer has begun.
 */
export async function answer(call: ChatCall, sink: AnswerSink, parts: ChatParts): Promise<void> {
  const route = findRoute(call, parts);
  const request = await parts.meter.admit(call, route);
  request.shadow = route.question && parts.shadow?.consider(route.question);
  await tryInOrder(call, route.candidates, request, parts, (trial) =>
    attempt({ call, sink, parts, route }, trial),
  );
}

/** What all attempts at one request share. */
type Answering = {
  readonly call: ChatCall;
  readonly sink: AnswerSink;
  readonly parts: ChatParts;
  readonly route: Route;
};

/** One candidate. */
async function attempt(answering: Answering, trial: Trial<Model>): Promise<Attempted> {
  const { call, sink, parts, route } = answering;
  const { model, deployment } = trial.candidate;
  const { request } = trial;
  const provider = parts.providers.get(deployment.provider);
  if (provider === undefined) throw new Error(`no provider ${deployment.provider} is open`);
  const providerCall = toProviderCall(answering, trial);
  const toHead = (creditsMicro: bigint, dropped: AnswerHead["dropped"]): AnswerHead => ({
    model: model.name,
    tier: model.tier,
    provider: provider.name,
    overheadMs: trial.overheadMs,
    route: route.explanation,
    includeUsage: providerCall.includeUsage,
    creditsMicro,
    replayed: false,
    dropped,
  });
  const { clock, pingAfterMs } = parts;
  const json = jsonFormOf(call.request);
  if (call.stream) {
    const start = (receiver: StreamReceiver) => {
      if (json === undefined) return provider.stream(providerCall, receiver);
      const streamChecked = provider.json === "instructed" ? streamJson : watchJson;
      return streamChecked(provider, providerCall, json, receiver);
    };
    const head = toHead(request.heldMicro, providerCall.omit);
    return relayStream(start, providerCall, sink, { head, model, request, clock, pingAfterMs });
  }
  const result = await (json === undefined
    ? provider.complete(providerCall)
    : completeJson(provider, providerCall, json));
  if (!result.ok) return { hasBegun: false, failure: result };
  const { cancelled } = call.cancellation;
  const creditsMicro = await request.settle({
    by: cancelled ? endedBy(call.cancellation) : "complete",
    contentSent: !cancelled,
    served: { model, provider: provider.name },
    usage: result.usage,
    relayedEvents: 0,
    relayedText: result.usage === undefined ? textOf(result) : undefined,
    httpStatus: cancelled ? 499 : 200,
    firstContentAtMs: clock.monotonicMs(),
  });
  sink.head(toHead(creditsMicro, mergeNames(providerCall.omit, result.dropped)));
  if (result.body.form === "json") sink.json(result.body.bytes);
  else sink.message(result.body.message);
  return { hasBegun: true, failure: undefined };
}

function toProviderCall({ call, sink, parts }: Answering, trial: Trial<Model>): ProviderCall {
  const { model, deployment } = trial.candidate;
  return {
    request: call.request,
    body: call.body,
    omit: policyOf(call, parts.parameterPolicy) === "forward" ? [] : untakenBy(model, call.request),
    renamed: model.renamedParameters,
    model: model.name,
    upstreamModel: deployment.upstreamModel,
    form: sink.form,
    includeUsage: call.request.streamOptions?.includeUsage ?? false,
    cancellation: call.cancellation,
    timeoutMs: Math.max(1, call.timeoutMs - trial.elapsedMs),
    timeouts: deployment.timeouts,
    requestId: call.requestId,
    traceparent: call.trail?.attempting(),
  };
}
