// Tells which events cannot be: decodable, but no gateway of ours could have meant them.
import { Buffer } from "node:buffer";
import {
  EventKind,
  type RouteDecision,
  Thumb,
  Tier,
  type UsageEvent,
} from "../gen/optamil/v1/event_pb.ts";
import { toMicros } from "./event.ts";
import { costNanoUsdMax, toTierName, whole, worthPpmMax } from "./event-decision.ts";
import { commentBytesMax, thumbName } from "./feedback-event.ts";
import { operationName } from "./operation.ts";
import { outcomeName } from "./outcome.ts";

const accountIdCharsMax = 128;
/** All texts of an event together. */
const textCharsMax = 16_384;
const revMax = 1_000;
const budgetsMax = 8;
/** A charge above this is a mistake: a million credits for one request. */
const creditsMicroMax = 1_000_000_000_000n;
/** The most that a provider's count can say: they are uint32 in the API. */
const tokensMax = 4_294_967_295n;
const tiersCount = 5;
const rankedMax = 16;
const earliestUs = toMicros(Date.UTC(2020, 0));
const latestUs = toMicros(Date.UTC(2100, 0));
/** Ids of a trace and a span in it. */
const tracePattern = /^([0-9a-f]{48})?$/;
// Control characters, and halves of characters, have no place in an id.
const idPattern = /^[^\p{C}]+$/u;

/** Why an event is impossible, in a few words; undefined if it is not. */
export function findFlaw(event: UsageEvent): string | undefined {
  return (
    findIdFlaw(event) ??
    findKindFlaw(event) ??
    findAmountFlaw(event) ??
    findTextFlaw(event) ??
    findDecisionFlaw(event.decision) ??
    findDecisionFlaw(event.shadow)
  );
}

function findDecisionFlaw(decision: RouteDecision | undefined): string | undefined {
  if (decision === undefined) return undefined;
  const { weights, qualityPpm, chancesPpm, ranked, propensityPpm } = decision;
  if (!/^[0-9a-f]{0,64}$/.test(weights)) return "decision of no weights";
  const parts = [qualityPpm, propensityPpm, ...chancesPpm];
  if (chancesPpm.length !== tiersCount || parts.some((part) => part > whole)) {
    return "impossible chances";
  }
  if (ranked.length < 1 || ranked.length > rankedMax) return "decision among no or too many models";
  const isSound = ranked.every(
    ({ tier, worthPpm, costNanousd }) =>
      toTierName(tier) !== undefined &&
      worthPpm >= -worthPpmMax &&
      worthPpm <= worthPpmMax &&
      costNanousd <= costNanoUsdMax,
  );
  return isSound ? undefined : "impossible worth or cost";
}

function findIdFlaw(event: UsageEvent): string | undefined {
  if (event.eventId.length !== 16) return "event id is not 16 bytes";
  if (event.rev > revMax) return "rev is too high";
  const { accountId } = event;
  if (accountId.length > accountIdCharsMax || !idPattern.test(accountId)) return "no account id";
  if (event.admittedAtUs < earliestUs || event.admittedAtUs > latestUs) return "no time";
  if (!/^20[2-9]\d-(0[1-9]|1[0-2])$/.test(event.periodId)) return "no period";
  return undefined;
}

function findKindFlaw(event: UsageEvent): string | undefined {
  const { kind, tier } = event;
  if (outcomeName(event.outcome) === undefined) return "unknown outcome";
  if (operationName(event.operation) === undefined) return "unknown operation";
  if (tier !== Tier.UNSPECIFIED && toTierName(tier) === undefined) return "unknown tier";
  if (kind === EventKind.THRESHOLD) {
    return event.budgets.length === 1 && event.thresholdPercent <= 100 ? undefined : "no threshold";
  }
  if (kind === EventKind.FEEDBACK) return findFeedbackFlaw(event);
  if (kind === EventKind.ADJUSTMENT) {
    return event.refEventId.length === 16 ? undefined : "adjusts no event";
  }
  if (kind !== EventKind.REQUEST && kind !== EventKind.REJECTED) return "unknown kind";
  const [startMs, endMs] = boundsOf(event.periodId);
  const admittedAtMs = Number(event.admittedAtUs) / 1_000;
  const inPeriod = admittedAtMs >= startMs && admittedAtMs < endMs;
  return inPeriod ? undefined : "period is not that of the admission";
}

function findFeedbackFlaw({ refEventId, feedback }: UsageEvent): string | undefined {
  if (refEventId.length !== 16 || feedback === undefined) return "feedback on no event";
  const { thumb, scorePpm = 0, comment } = feedback;
  const isKnown = thumb === Thumb.UNSPECIFIED || thumbName(thumb) !== "";
  const isSound = isKnown && scorePpm <= whole && Buffer.byteLength(comment) <= commentBytesMax;
  return isSound ? undefined : "impossible feedback";
}

/** First millisecond of a period "2026-04" and of the next one. */
function boundsOf(periodId: string): readonly [number, number] {
  const [year, month] = [Number(periodId.slice(0, 4)), Number(periodId.slice(5))];
  return [Date.UTC(year, month - 1), Date.UTC(year, month)];
}

function findAmountFlaw(event: UsageEvent): string | undefined {
  const { creditsMicro, kind } = event;
  const least = kind === EventKind.ADJUSTMENT ? -creditsMicroMax : 0n;
  if (creditsMicro < least || creditsMicro > creditsMicroMax) return "impossible charge";
  const isCharge = kind === EventKind.REQUEST || kind === EventKind.ADJUSTMENT;
  if (!isCharge && creditsMicro !== 0n) return "charge for a refusal";
  if (creditsMicro !== 0n && event.tier === Tier.UNSPECIFIED) return "charge without a tier";
  const { promptTokens, cachedTokens, completionTokens, reasoningTokens } = event;
  // Whatever is part of a count is not more than the whole.
  if (promptTokens > tokensMax || cachedTokens > promptTokens) return "impossible tokens";
  const whole = completionTokens <= tokensMax && reasoningTokens <= completionTokens;
  return whole ? undefined : "impossible tokens";
}

function findTextFlaw(event: UsageEvent): string | undefined {
  const { keyJti, requestedModel, servedModel, provider, gatewayId, requestId, route } = event;
  const { tag, rootKeyJti, budgets, traceId, spanId } = event;
  if (!tracePattern.test(traceId + spanId)) return "no trace";
  if (budgets.length > budgetsMax) return "too many budgets";
  const own =
    keyJti.length + requestedModel.length + servedModel.length + provider.length + gatewayId.length;
  const attempts = event.attempts.reduce(
    (sum, one) => sum + one.model.length + one.provider.length + one.errorClass.length,
    0,
  );
  const names = [event.decision, event.shadow].flatMap((one) => one?.ranked ?? []);
  const ranked = names.reduce((sum, { model }) => sum + model.length, event.baselineModel.length);
  const spending = budgets.reduce((sum, { id }) => sum + id.length, tag.length + rootKeyJti.length);
  const said = event.feedback?.comment.length ?? 0;
  const chars = said + own + requestId.length + route.length + attempts + spending + ranked;
  return chars > textCharsMax ? "texts are too long" : undefined;
}
