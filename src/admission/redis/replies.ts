// Reads what the scripts of the counters reply.
import assert from "node:assert/strict";
import type {
  Admission,
  MicroByTier,
  RateSnapshot,
  RefusalReason,
  SweptHold,
  WindowState,
} from "../counters.ts";
import { numberAt, type ReplyField, textAt } from "./connection.ts";

type Reply = readonly ReplyField[];

const reasons: readonly string[] = [
  "requests-minute",
  "requests-day",
  "tokens-minute",
  "running",
  "too-large",
  "credits",
  "credits-held",
] satisfies RefusalReason[];

/** The decision of `admit`. */
export function toAdmission(reply: Reply): Admission {
  if (reply[0] === "admitted") {
    const heldMicro = BigInt(textAt(reply, 3));
    const budgets = numberAt(reply, 5);
    const usedAt = (place: number) => BigInt(textAt(reply, 6 + place));
    return {
      admitted: true,
      periodId: textAt(reply, 1),
      admittedAtMs: numberAt(reply, 2),
      heldMicro,
      chargeMaxMicro: heldMicro + BigInt(textAt(reply, 4)),
      ...(budgets > 0 && {
        budgetsUsedMicro: Array.from({ length: budgets }, (_, place) => usedAt(place)),
      }),
      rate: toRate(reply, 6 + budgets),
    };
  }
  const reason = textAt(reply, 1);
  assert(isReason(reason), "a refusal without a reason");
  const retryAfterMs = numberAt(reply, 3);
  return {
    admitted: false,
    reason,
    scope: reply[2] === "account" ? "account" : "key",
    ...(reply[2] !== "account" && reply[2] !== "key" && { part: textAt(reply, 2) }),
    ...(textAt(reply, 4) !== "" && { budget: textAt(reply, 4) }),
    retryAfterMs: retryAfterMs < 0 ? undefined : retryAfterMs,
    rate: toRate(reply, 5),
  };
}

/** The three windows from a place of the reply on. */
export function toRate(reply: Reply, at: number): RateSnapshot {
  return {
    "requests-minute": toState(reply, at),
    "requests-day": toState(reply, at + 3),
    "tokens-minute": toState(reply, at + 6),
  };
}

/** Five amounts from a place of the reply on. */
export function toMicroByTier(reply: Reply, at: number): MicroByTier {
  return {
    free: BigInt(textAt(reply, at)),
    budget: BigInt(textAt(reply, at + 1)),
    mid: BigInt(textAt(reply, at + 2)),
    premium: BigInt(textAt(reply, at + 3)),
    ultra: BigInt(textAt(reply, at + 4)),
  };
}

/** The holds that `sweep` freed, six fields each. */
export function toSweptHolds(reply: Reply): SweptHold[] {
  const swept: SweptHold[] = [];
  for (let at = 1; at < reply.length; at += 6) {
    swept.push({
      eventId: textAt(reply, at),
      accountId: textAt(reply, at + 1),
      keyId: textAt(reply, at + 2),
      periodId: textAt(reply, at + 3),
      admittedAtMs: numberAt(reply, at + 4),
      heldMicro: BigInt(textAt(reply, at + 5)),
    });
  }
  return swept;
}

function toState(reply: Reply, at: number): WindowState {
  return {
    limit: numberAt(reply, at),
    remaining: numberAt(reply, at + 1),
    resetAfterMs: numberAt(reply, at + 2),
  };
}

function isReason(text: string): text is RefusalReason {
  return reasons.includes(text);
}
