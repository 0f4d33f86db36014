// Makes usage events: the record of each admitted request, each sampled refusal and each refund.
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { create, fromBinary } from "@bufbuild/protobuf";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import type { TierName } from "../catalogue/tiers.ts";
import {
  type Attempt,
  AttemptSchema,
  BudgetLimitSchema,
  EventKind,
  Outcome,
  Tier,
  type UsageEvent,
  UsageEventSchema,
} from "../gen/optamil/v1/event_pb.ts";
import { fromUuidText, toUuidText } from "../platform/uuid.ts";
import { type DecisionRecord, tierByName, toDecision } from "./event-decision.ts";
import { type OperationName, toOperation } from "./operation.ts";
import type { TokenCounts } from "./tokens.ts";

/** What is known of a request when it is admitted. */
export type AdmittedRequest = {
  /** UUIDv7 as text; the id of the hold. */
  readonly eventId: string;
  readonly accountId: string;
  readonly keyId: string;
  /** "2026-04". */
  readonly periodId: string;
  /** Unix milliseconds. */
  readonly admittedAtMs: number;
  /** Model asked for, "auto" included. */
  readonly requestedModel: string;
  readonly stream: boolean;
  readonly holdMicro: bigint;
  /** Version of the schedule that prices it. */
  readonly scheduleVersion: number;
  /** As the client sees it in `x-request-id`. */
  readonly requestId: string;
  /** What the client calls the work. Default: nothing. */
  readonly tag?: string | undefined;
  /** First key of the line that rotations have made. Default: the key itself. */
  readonly rootKeyId?: string | undefined;
  /** Budgets that the charge counts against. Default: none. */
  readonly budgets?: readonly BudgetLimit[] | undefined;
  /** What it asks for. Default: a chat. */
  readonly operation?: OperationName | undefined;
  /** The trace that it belongs to, and the gateway's span in it. Default: none. */
  readonly trace?: { readonly traceId: string; readonly spanId: string } | undefined;
};

/** A budget as it is at an admission. */
export type BudgetLimit = {
  /** "key:" and the first key of its line, or "tag:" and the tag. */
  readonly id: string;
  readonly limitMicro: bigint;
};

/** One call to a provider. */
export type AttemptRecord = {
  readonly model: string;
  readonly provider: string;
  /** HTTP status; 0: none came. */
  readonly status: number;
  readonly latencyMs: number;
  /** Kind of failure; empty: none. */
  readonly errorClass: string;
};

/** What is known of a request when it has ended. */
export type RequestEnd = {
  readonly outcome: Outcome;
  /** Unix milliseconds. */
  readonly finishedAtMs: number;
  /** The model that answered, with its tier and provider; undefined if none did. */
  readonly served:
    | { readonly model: string; readonly tier: TierName; readonly provider: string }
    | undefined;
  readonly tokens: TokenCounts;
  readonly creditsMicro: bigint;
  /** List cost at the model that answered, and at the one against which savings are counted. */
  readonly providerCostNanoUsd: bigint;
  readonly baselineCostNanoUsd: bigint;
  /** Name of the latter; default: there is none. */
  readonly baselineModel?: string | undefined;
  /** Calls to providers, in order. */
  readonly attempts: readonly AttemptRecord[];
  /** Status of the answer; 499 where the client had left. */
  readonly httpStatus: number;
  /** Admission to first content; undefined if none came. */
  readonly firstTokenMs: number | undefined;
  /** Why the router chose the model; default: the client named it. */
  readonly route?: string | undefined;
  /** How the router decided; default: it did not. */
  readonly decision?: DecisionRecord | undefined;
  /** How other weights would have; default: they were not asked. */
  readonly shadow?: DecisionRecord | undefined;
  /** Tokens of the prompt by the gateway's own estimate. Default 0. */
  readonly estimatedPromptTokens?: number | undefined;
};

/** A request that was refused after authentication. */
export type RefusedRequest = Omit<AdmittedRequest, "holdMicro" | "scheduleVersion"> & {
  readonly outcome: Outcome;
  readonly httpStatus: number;
  /** Refusals that this one stands for, itself included. */
  readonly count: number;
};

/** The charge that a refund takes back. */
export type ChargedEvent = {
  readonly eventId: string;
  readonly accountId: string;
  readonly periodId: string;
  readonly tier: TierName;
  readonly creditsMicro: bigint;
  /** Whose spending the refund lessens, as in the charged event. */
  readonly keyId: string;
  readonly rootKeyId: string;
  readonly tag: string;
  readonly budgets: readonly BudgetLimit[];
};

const accountIdField = UsageEventSchema.field.accountId.number;
const noBytes = new Uint8Array(0);
const typeName = UsageEventSchema.typeName;

/**
 * The hold of a request: rev 0 at no charge, word for word what stays of it if the gateway dies.
 *
 * Written out field by field, here and below: `create` and spreads cost five times as much, twice a request.
 */
export function createHold(admitted: AdmittedRequest): UsageEvent {
  const admittedAtUs = toMicros(admitted.admittedAtMs);
  return {
    $typeName: typeName,
    eventId: fromEventIdText(admitted.eventId),
    rev: 0,
    kind: EventKind.REQUEST,
    accountId: admitted.accountId,
    keyJti: admitted.keyId,
    periodId: admitted.periodId,
    admittedAtUs,
    finishedAtUs: admittedAtUs,
    requestedModel: admitted.requestedModel,
    servedModel: "",
    tier: Tier.UNSPECIFIED,
    provider: "",
    promptTokens: 0n,
    cachedTokens: 0n,
    completionTokens: 0n,
    reasoningTokens: 0n,
    tokensEstimated: false,
    creditsMicro: 0n,
    holdMicro: admitted.holdMicro,
    scheduleVersion: admitted.scheduleVersion,
    providerCostNanousd: 0n,
    outcome: Outcome.GATEWAY_ABORT,
    attempts: [],
    httpStatus: 0,
    stream: admitted.stream,
    ttftMs: 0,
    refEventId: noBytes,
    gatewayId: "",
    bootEpoch: 0n,
    localSeq: 0n,
    baselineCostNanousd: 0n,
    requestId: admitted.requestId,
    route: "",
    requestCount: 0,
    tag: admitted.tag ?? "",
    rootKeyJti: admitted.rootKeyId ?? "",
    budgets: toBudgetLimits(admitted.budgets),
    thresholdPercent: 0,
    operation: toOperation(admitted.operation ?? "chat"),
    feedback: undefined,
    traceId: admitted.trace?.traceId ?? "",
    spanId: admitted.trace?.spanId ?? "",
    decision: undefined,
    shadow: undefined,
    baselineModel: "",
    estimatedPromptTokens: 0,
  };
}

/** The end of a held request: rev 1, which replaces rev 0. */
export function createSettlement(hold: UsageEvent, end: RequestEnd): UsageEvent {
  const { served, tokens } = end;
  return {
    $typeName: typeName,
    eventId: hold.eventId,
    rev: 1,
    kind: hold.kind,
    accountId: hold.accountId,
    keyJti: hold.keyJti,
    periodId: hold.periodId,
    admittedAtUs: hold.admittedAtUs,
    finishedAtUs: toMicros(end.finishedAtMs),
    requestedModel: hold.requestedModel,
    servedModel: served?.model ?? "",
    tier: served === undefined ? Tier.UNSPECIFIED : tierByName[served.tier],
    provider: served?.provider ?? "",
    promptTokens: BigInt(tokens.prompt),
    cachedTokens: BigInt(tokens.cached),
    completionTokens: BigInt(tokens.completion),
    reasoningTokens: BigInt(tokens.reasoning),
    tokensEstimated: tokens.estimated,
    creditsMicro: end.creditsMicro,
    holdMicro: hold.holdMicro,
    scheduleVersion: hold.scheduleVersion,
    providerCostNanousd: end.providerCostNanoUsd,
    outcome: end.outcome,
    attempts: end.attempts.map(toAttempt),
    httpStatus: end.httpStatus,
    stream: hold.stream,
    ttftMs: toWholeMs(end.firstTokenMs ?? 0),
    refEventId: hold.refEventId,
    gatewayId: hold.gatewayId,
    bootEpoch: hold.bootEpoch,
    localSeq: hold.localSeq,
    baselineCostNanousd: end.baselineCostNanoUsd,
    requestId: hold.requestId,
    route: end.route ?? "",
    requestCount: hold.requestCount,
    tag: hold.tag,
    rootKeyJti: hold.rootKeyJti,
    budgets: hold.budgets,
    thresholdPercent: hold.thresholdPercent,
    operation: hold.operation,
    feedback: hold.feedback,
    traceId: hold.traceId,
    spanId: hold.spanId,
    decision: end.decision && toDecision(end.decision),
    shadow: end.shadow && toDecision(end.shadow),
    baselineModel: end.baselineModel ?? "",
    estimatedPromptTokens: end.estimatedPromptTokens ?? 0,
  };
}

function toAttempt(attempt: AttemptRecord): Attempt {
  return create(AttemptSchema, { ...attempt, latencyMs: toWholeMs(attempt.latencyMs) });
}

/** A refusal after authentication, free of charge. */
export function createRejection(refused: RefusedRequest): UsageEvent {
  const hold = createHold({ ...refused, holdMicro: 0n, scheduleVersion: 0 });
  return create(UsageEventSchema, {
    ...hold,
    rev: 1,
    kind: EventKind.REJECTED,
    outcome: refused.outcome,
    httpStatus: refused.httpStatus,
    requestCount: refused.count,
  });
}

/**
 * Takes back the whole charge of an event, in its own tier and period.
 *
 * The id follows from the charged event's, so that a second refund is the same event: no tier of a
 * period can fall below 0.
 */
export function createRefund(charged: ChargedEvent, atMs: number): UsageEvent {
  return create(UsageEventSchema, {
    eventId: fromEventIdText(toRefundId(charged.eventId)),
    refEventId: fromEventIdText(charged.eventId),
    rev: 1,
    kind: EventKind.ADJUSTMENT,
    outcome: Outcome.OK,
    accountId: charged.accountId,
    keyJti: charged.keyId,
    rootKeyJti: charged.rootKeyId,
    tag: charged.tag,
    budgets: toBudgetLimits(charged.budgets),
    periodId: charged.periodId,
    tier: tierByName[charged.tier],
    creditsMicro: -charged.creditsMicro,
    admittedAtUs: toMicros(atMs),
    finishedAtUs: toMicros(atMs),
  });
}

/** A part of a budget that is used. */
export type ReachedThreshold = {
  readonly accountId: string;
  readonly periodId: string;
  readonly budget: BudgetLimit;
  /** 50, 80 or 100. */
  readonly percent: number;
};

/**
 * Tells that a part of a budget is used. The id follows from budget, period, limit and part, so that all gateways
 * that see it make one event.
 */
export function createThreshold(reached: ReachedThreshold, atMs: number): UsageEvent {
  const { accountId, periodId, budget, percent } = reached;
  const name = [accountId, periodId, budget.id, budget.limitMicro, percent].join("\n");
  const start = new Uint8Array(new BigUint64Array([BigInt(Date.parse(periodId))]).buffer);
  return create(UsageEventSchema, {
    eventId: toDerivedId("threshold", Buffer.from(name), start.subarray(0, 6).toReversed()),
    rev: 1,
    kind: EventKind.THRESHOLD,
    outcome: Outcome.OK,
    accountId,
    periodId,
    budgets: toBudgetLimits([budget]),
    thresholdPercent: percent,
    admittedAtUs: toMicros(atMs),
    finishedAtUs: toMicros(atMs),
  });
}

/** The id of an event's refund: of the charged event, and with its time. */
export function toRefundId(eventId: string): string {
  const charged = fromEventIdText(eventId);
  return toEventIdText(toDerivedId("refund", charged, charged.subarray(0, 6)));
}

/** An id that follows from what it stands for: UUIDv8 (RFC 9562 §5.8) that begins with a time of 6 bytes. */
function toDerivedId(kind: string, of: Uint8Array, time: Uint8Array): Buffer<ArrayBuffer> {
  const digest = createHash("sha256").update(kind).update(of).digest();
  const id = Buffer.from(digest.subarray(0, 16));
  id.set(time);
  id.writeUInt8(0x80 | (id.readUInt8(6) & 0x0f), 6);
  id.writeUInt8(0x80 | (id.readUInt8(8) & 0x3f), 8);
  return id;
}

/** The event in a record; throws where the bytes are none. Unknown fields stay in it. */
export function decodeEvent(bytes: Uint8Array): UsageEvent {
  return fromBinary(UsageEventSchema, bytes);
}

/** The account of encoded event bytes, for a fraction of the cost of decoding them; undefined for poison. */
export function peekAccountId(bytes: Uint8Array): string | undefined {
  try {
    const reader = new BinaryReader(bytes);
    while (reader.pos < reader.len) {
      const [fieldNumber, wireType] = reader.tag();
      if (fieldNumber === accountIdField) return reader.string();
      reader.skip(wireType, fieldNumber);
    }
  } catch {
    // What cannot be read is told by whoever decodes it.
  }
  return undefined;
}

/** The text of an event id of 16 bytes. */
export function toEventIdText(eventId: Uint8Array): string {
  return toUuidText(eventId);
}

/** The 16 bytes of an event id's text. */
export function fromEventIdText(eventId: string): Uint8Array<ArrayBuffer> {
  return fromUuidText(eventId);
}

/** Milliseconds as whole microseconds. */
export function toMicros(wallMs: number): bigint {
  return BigInt(Math.round(wallMs * 1_000));
}

function toBudgetLimits(budgets: readonly BudgetLimit[] = []) {
  return budgets.map((budget) => create(BudgetLimitSchema, budget));
}

function toWholeMs(durationMs: number): number {
  return Math.max(0, Math.round(durationMs));
}
