// Writes usage events as protobuf, field by field: reflection costs five times as much, for each request.
import { Buffer } from "node:buffer";
import { type DescMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";
import {
  AttemptSchema,
  BudgetLimitSchema,
  FeedbackSchema,
  RouteDecisionSchema,
  type UsageEvent,
  UsageEventSchema,
} from "../gen/optamil/v1/event_pb.ts";

const safeMax = BigInt(Number.MAX_SAFE_INTEGER);
const varint = 0;
const lengthDelimited = 2;

/** What the fields of one event are written to; shared by all, as nothing waits in between. */
let scratch = Buffer.allocUnsafe(4_096);
let at = 0;

/** The value of an event's record in the usage log: the bytes that protobuf-es writes. Source: the encoding guide of Protocol Buffers. */
export function encodeEvent(event: UsageEvent): Uint8Array {
  if (event.$unknown !== undefined || isNegative(event)) return toBinary(UsageEventSchema, event);
  at = 0;
  bytes(1, event.eventId);
  whole(2, event.rev);
  whole(3, event.kind);
  text(4, event.accountId);
  text(5, event.keyJti);
  text(6, event.periodId);
  long(7, event.admittedAtUs);
  long(8, event.finishedAtUs);
  text(9, event.requestedModel);
  text(10, event.servedModel);
  whole(11, event.tier);
  text(12, event.provider);
  long(13, event.promptTokens);
  long(14, event.cachedTokens);
  long(15, event.completionTokens);
  long(16, event.reasoningTokens);
  whole(17, Number(event.tokensEstimated));
  long(18, event.creditsMicro);
  long(19, event.holdMicro);
  whole(20, event.scheduleVersion);
  long(21, event.providerCostNanousd);
  whole(22, event.outcome);
  for (const attempt of event.attempts) message(23, AttemptSchema, attempt);
  whole(24, event.httpStatus);
  whole(25, Number(event.stream));
  whole(26, event.ttftMs);
  bytes(27, event.refEventId);
  text(28, event.gatewayId);
  long(29, event.bootEpoch);
  long(30, event.localSeq);
  long(31, event.baselineCostNanousd);
  text(32, event.requestId);
  text(33, event.route);
  whole(34, event.requestCount);
  text(35, event.tag);
  text(36, event.rootKeyJti);
  for (const budget of event.budgets) message(37, BudgetLimitSchema, budget);
  whole(38, event.thresholdPercent);
  whole(39, event.operation);
  if (event.feedback !== undefined) message(40, FeedbackSchema, event.feedback);
  text(44, event.traceId);
  text(45, event.spanId);
  if (event.decision !== undefined) message(50, RouteDecisionSchema, event.decision);
  if (event.shadow !== undefined) message(51, RouteDecisionSchema, event.shadow);
  text(52, event.baselineModel);
  whole(53, event.estimatedPromptTokens);
  // A copy, of node's pool: the log keeps it until its commit.
  const copy = Buffer.from(scratch.subarray(0, at));
  return new Uint8Array(copy.buffer, copy.byteOffset, at);
}

/** Of refunds, and of nothing else that is in a hurry. */
function isNegative(event: UsageEvent): boolean {
  return (
    event.creditsMicro < 0n ||
    event.holdMicro < 0n ||
    event.providerCostNanousd < 0n ||
    event.baselineCostNanousd < 0n ||
    event.admittedAtUs < 0n ||
    event.finishedAtUs < 0n
  );
}

function ensure(size: number): void {
  if (at + size <= scratch.length) return;
  const larger = Buffer.allocUnsafe(Math.max(2 * scratch.length, at + size));
  scratch.copy(larger, 0, 0, at);
  scratch = larger;
}

/** At most 2^53: seven bits a byte, the lowest first. */
function number(value: number): void {
  let rest = value;
  while (rest > 0x7f) {
    scratch[at++] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  scratch[at++] = rest;
}

/** A field's tag and a number that is not its default. */
function whole(field: number, value: number): void {
  if (value === 0) return;
  ensure(20);
  number(field * 8 + varint);
  number(value);
}

function long(field: number, value: bigint): void {
  if (value === 0n) return;
  ensure(20);
  number(field * 8 + varint);
  let rest = value;
  for (; rest > safeMax; rest >>= 7n) {
    scratch[at++] = Number(rest & 0x7fn) | 0x80;
  }
  number(Number(rest));
}

function bytes(field: number, value: Uint8Array): void {
  if (value.length > 0) piece(field, value);
}

function piece(field: number, value: Uint8Array): void {
  ensure(20 + value.length);
  number(field * 8 + lengthDelimited);
  number(value.length);
  scratch.set(value, at);
  at += value.length;
}

function text(field: number, value: string): void {
  if (value === "") return;
  // A character of UTF-16 takes three bytes at most.
  ensure(20 + 3 * value.length);
  number(field * 8 + lengthDelimited);
  // Short texts are ASCII nearly always: their length takes one byte, written when it is known.
  if (3 * value.length > 0x7f) {
    number(Buffer.byteLength(value));
    at += scratch.write(value, at);
    return;
  }
  const size = scratch.write(value, at + 1);
  scratch[at] = size;
  at += 1 + size;
}

function message<Desc extends DescMessage>(
  field: number,
  schema: Desc,
  value: MessageShape<Desc>,
): void {
  piece(field, toBinary(schema, value));
}
