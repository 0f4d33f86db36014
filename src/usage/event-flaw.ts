// Tells which events cannot be: decodable, but no gateway of ours could have meant them.
import { EventKind, Tier, type UsageEvent } from "../gen/optamil/v1/event_pb.ts";
import { toMicros, toTierName } from "./event.ts";
import { outcomeName } from "./outcome.ts";

const accountIdCharsMax = 128;
const textCharsMax = 4_096;
const revMax = 1_000;
/** A charge above this is a mistake: a million credits for one request. */
const creditsMicroMax = 1_000_000_000_000n;
const tokensMax = 1_000_000_000n;
const earliestUs = toMicros(Date.UTC(2020, 0));
const latestUs = toMicros(Date.UTC(2100, 0));
// Control characters, and halves of characters, have no place in an id.
const idPattern = /^[^\p{C}]+$/u;

/** Why an event is impossible, in a few words; undefined if it is not. */
export function findFlaw(event: UsageEvent): string | undefined {
  return findIdFlaw(event) ?? findKindFlaw(event) ?? findAmountFlaw(event) ?? findTextFlaw(event);
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
  if (tier !== Tier.UNSPECIFIED && toTierName(tier) === undefined) return "unknown tier";
  if (kind === EventKind.ADJUSTMENT) {
    return event.refEventId.length === 16 ? undefined : "adjusts no event";
  }
  if (kind !== EventKind.REQUEST && kind !== EventKind.REJECTED) return "unknown kind";
  const admittedAt = new Date(Number(event.admittedAtUs / 1_000n)).toISOString();
  return admittedAt.startsWith(event.periodId) ? undefined : "period is not that of the admission";
}

function findAmountFlaw(event: UsageEvent): string | undefined {
  const { creditsMicro, kind } = event;
  const least = kind === EventKind.ADJUSTMENT ? -creditsMicroMax : 0n;
  if (creditsMicro < least || creditsMicro > creditsMicroMax) return "impossible charge";
  if (kind === EventKind.REJECTED && creditsMicro !== 0n) return "charge for a refusal";
  if (creditsMicro !== 0n && event.tier === Tier.UNSPECIFIED) return "charge without a tier";
  const counts = [event.promptTokens, event.completionTokens, event.cachedTokens];
  const most = [...counts, event.reasoningTokens].find((count) => count > tokensMax);
  if (most !== undefined) return "impossible tokens";
  return undefined;
}

function findTextFlaw(event: UsageEvent): string | undefined {
  const { keyJti, requestedModel, servedModel, provider, gatewayId, requestId, route } = event;
  const texts = [keyJti, requestedModel, servedModel, provider, gatewayId, requestId, route];
  const attempts = event.attempts.flatMap((one) => [one.model, one.provider, one.errorClass]);
  const long = [...texts, ...attempts].some((text) => text.length > textCharsMax);
  return long ? "text is too long" : undefined;
}
