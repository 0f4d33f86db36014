// The use case: one chat request from its route to the end of its answer.
import type { Clock } from "../platform/clock.ts";
import { OptamilError } from "../platform/errors.ts";
import type { Provider, ProviderCall, ProviderFailure } from "../providers/provider.ts";
import type { AnswerHead, AnswerSink, ChatCall } from "./call.ts";
import { relayStream } from "./relay.ts";
import { type Candidate, findRoute, type Route, type RouteParts } from "./route.ts";

/** What answering needs; made once at start. */
export type ChatParts = RouteParts & {
  readonly providers: ReadonlyMap<string, Provider>;
  readonly clock: Clock;
  /** Silence of a provider after which the client gets a sign of life, milliseconds. */
  readonly pingAfterMs: number;
};

/**
 * Answers a chat request: route, then the candidates in order until one has begun its answer.
 *
 * Resolves when the answer has ended, well or with an error frame. Throws what the client is to be told
 * when no answer has begun.
 */
export async function answer(call: ChatCall, sink: AnswerSink, parts: ChatParts): Promise<void> {
  const route = findRoute(call, parts);
  let last: ProviderFailure | undefined;
  let upstreamMs = 0;
  for (const candidate of route.candidates) {
    const startedAtMs = parts.clock.monotonicMs();
    const elapsedMs = startedAtMs - call.receivedAtMs;
    const trial = { candidate, route, elapsedMs, overheadMs: elapsedMs - upstreamMs };
    const failure = await attempt(call, sink, parts, trial);
    if (failure === undefined) return;
    last = failure;
    upstreamMs += parts.clock.monotonicMs() - startedAtMs;
    if (!failure.tryNext || call.cancellation.cancelled) break;
  }
  throw last?.error ?? new OptamilError("service_unavailable", "No model is available.");
}

type Trial = {
  readonly candidate: Candidate;
  readonly route: Route;
  /** Since the request came in. */
  readonly elapsedMs: number;
  /** Of that, in the gateway itself. */
  readonly overheadMs: number;
};

/** One candidate: undefined when it has answered, the failure when it has not even begun. */
async function attempt(
  call: ChatCall,
  sink: AnswerSink,
  parts: ChatParts,
  trial: Trial,
): Promise<ProviderFailure | undefined> {
  const { model, deployment } = trial.candidate;
  const provider = parts.providers.get(deployment.provider);
  if (provider === undefined) throw new Error(`no provider ${deployment.provider} is open`);
  const providerCall = toProviderCall(call, sink, trial);
  const head: AnswerHead = {
    model: model.name,
    tier: model.tier,
    provider: provider.name,
    overheadMs: trial.overheadMs,
    route: trial.route.explanation,
    includeUsage: providerCall.includeUsage,
  };
  if (call.stream) return relayStream(provider, providerCall, sink, head, parts.pingAfterMs);
  const result = await provider.complete(providerCall);
  if (!result.ok) return result;
  sink.head(head);
  if (result.body.form === "json") sink.json(result.body.bytes);
  else sink.message(result.body.message);
  return undefined;
}

function toProviderCall(call: ChatCall, sink: AnswerSink, trial: Trial): ProviderCall {
  const { model, deployment } = trial.candidate;
  return {
    request: call.request,
    body: call.body,
    model: model.name,
    upstreamModel: deployment.upstreamModel,
    form: sink.form,
    includeUsage: call.request.streamOptions?.includeUsage ?? false,
    cancellation: call.cancellation,
    timeoutMs: Math.max(1, call.timeoutMs - trial.elapsedMs),
    requestId: call.requestId,
  };
}
