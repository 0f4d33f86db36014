// Events as rows of the warehouse, in a format whose escapes nothing in an event can break out of.
import { Buffer } from "node:buffer";
import { EventKind, type RouteDecision, type UsageEvent } from "../gen/optamil/v1/event_pb.ts";
import { toEventIdText } from "./event.ts";
import { toTierName } from "./event-decision.ts";
import { thumbName } from "./feedback-event.ts";
import { operationName } from "./operation.ts";
import { outcomeName } from "./outcome.ts";
import type { EventBatch, PlacedEvent } from "./warehouse.ts";

type Cell = string | number | boolean | object | null;

const noEvent = "00000000-0000-0000-0000-000000000000";

/** The columns that `toRows` fills, in its order. */
export const rowColumns: readonly string[] = `
  account_id period_id event_id rev kind outcome
  key_id request_id request_count admitted_at finished_at stream
  ttft_ms http_status requested_model served_model tier provider
  route prompt_tokens cached_tokens completion_tokens reasoning_tokens tokens_estimated
  credits_micro hold_micro schedule_version provider_cost_nanousd baseline_cost_nanousd attempts
  ref_event_id gateway_id boot_epoch local_seq log_name log_epoch
  log_offset tag root_key_id budgets threshold_percent
  baseline_model estimated_prompt_tokens
  route_weights route_quality_ppm route_lambda_ppm route_need_ppm route_chances_ppm route_output_tokens
  route_ranked route_feasible route_propensity_ppm
  shadow_weights shadow_need_ppm shadow_chances_ppm shadow_output_tokens shadow_ranked
  operation feedback_thumb feedback_score_ppm feedback_comment trace_id span_id
`
  .trim()
  .split(/\s+/);

/**
 * The batch in ClickHouse's JSONCompactEachRow: a JSON array for each row, a comma between them, UTF-8.
 * One `JSON.stringify` for all rows costs half of one for each.
 */
export function toRows(batch: EventBatch): Buffer<ArrayBuffer> {
  const rows = batch.events.map((placed) => toCells(placed, batch));
  return Buffer.from(JSON.stringify(rows).slice(1, -1));
}

/** One cell for each column. A table of functions by column would cost twice as much. */
function toCells(
  { offset, event, eventId }: PlacedEvent,
  { logName, logEpoch }: EventBatch,
): Cell[] {
  return [
    event.accountId,
    event.periodId,
    eventId,
    event.rev,
    toKindName(event.kind),
    outcomeName(event.outcome) ?? "",
    event.keyJti,
    event.requestId,
    event.requestCount,
    toTimeText(event.admittedAtUs),
    toTimeText(event.finishedAtUs),
    event.stream,
    event.ttftMs,
    Math.min(event.httpStatus, 999),
    event.requestedModel,
    event.servedModel,
    toTierName(event.tier) ?? "",
    event.provider,
    event.route,
    toExact(event.promptTokens),
    toExact(event.cachedTokens),
    toExact(event.completionTokens),
    toExact(event.reasoningTokens),
    event.tokensEstimated,
    toExact(event.creditsMicro),
    toExact(event.holdMicro),
    event.scheduleVersion,
    toExact(event.providerCostNanousd),
    toExact(event.baselineCostNanousd),
    toAttempts(event),
    event.refEventId.length === 16 ? toEventIdText(event.refEventId) : noEvent,
    event.gatewayId,
    toExact(event.bootEpoch),
    toExact(event.localSeq),
    logName,
    logEpoch,
    offset,
    event.tag,
    event.rootKeyJti || event.keyJti,
    toBudgets(event),
    Math.min(event.thresholdPercent, 100),
    event.baselineModel,
    event.estimatedPromptTokens,
    ...toDecisionCells(event.decision),
    ...toShadowCells(event.shadow),
    toOperationCell(event),
    thumbName(event.feedback?.thumb),
    event.feedback?.scorePpm ?? null,
    event.feedback?.comment ?? "",
    event.traceId,
    event.spanId,
  ];
}

function toDecisionCells(decision: RouteDecision | undefined): Cell[] {
  if (decision === undefined) return ["", 0, 0, 0, [], 0, [], 0, 0];
  return [
    decision.weights,
    decision.qualityPpm,
    decision.lambdaPpm,
    decision.needPpm,
    decision.chancesPpm,
    decision.outputTokens,
    toRanked(decision),
    decision.feasible,
    decision.propensityPpm,
  ];
}

/** What may differ from the decision: the request and its quality are the same. */
function toShadowCells(shadow: RouteDecision | undefined): Cell[] {
  if (shadow === undefined) return ["", 0, [], 0, []];
  return [shadow.weights, shadow.needPpm, shadow.chancesPpm, shadow.outputTokens, toRanked(shadow)];
}

function toRanked({ ranked }: RouteDecision): object {
  return ranked.map(({ model, tier, worthPpm, costNanousd }) => ({
    model,
    tier: toTierName(tier) ?? "",
    worth_ppm: toExact(worthPpm),
    cost_nanousd: toExact(costNanousd),
  }));
}

/** What was asked for; what is no request asks for nothing. */
function toOperationCell({ kind, operation }: UsageEvent): string {
  const isAsked = kind === EventKind.REQUEST || kind === EventKind.REJECTED;
  return isAsked ? (operationName(operation) ?? "") : "";
}

function toKindName(kind: EventKind): string {
  if (kind === EventKind.ADJUSTMENT) return "adjustment";
  if (kind === EventKind.THRESHOLD) return "threshold";
  if (kind === EventKind.FEEDBACK) return "feedback";
  return kind === EventKind.REJECTED ? "rejected" : "request";
}

/** A number where that is exact, else its digits. */
function toExact(amount: bigint): number | string {
  const number = Number(amount);
  return Number.isSafeInteger(number) ? number : String(amount);
}

/** Seconds with six decimals, as DateTime64(6) reads them. */
function toTimeText(atUs: bigint): string {
  const digits = String(atUs < 0n ? 0n : atUs).padStart(7, "0");
  return `${digits.slice(0, -6)}.${digits.slice(-6)}`;
}

function toBudgets(event: UsageEvent): object {
  return event.budgets.map(({ id, limitMicro }) => ({ id, limit_micro: toExact(limitMicro) }));
}

function toAttempts(event: UsageEvent): object {
  return event.attempts.map(({ model, provider, status, latencyMs, errorClass }) => ({
    model,
    provider,
    status,
    latency_ms: latencyMs,
    error_class: errorClass,
  }));
}
