// Makes the Kafka message of a usage event: its bytes, with CloudEvents attributes in the headers.
import { Buffer } from "node:buffer";
import type { Message } from "kafkajs";
import type { UsageEvent } from "../../gen/optamil/v1/event_pb.ts";
import { decodeEvent, toEventIdText } from "../event.ts";
import { partitionOf } from "./partition.ts";

/** A message and where it belongs. */
export type PlacedMessage = {
  readonly partition: number;
  readonly message: Message;
  /** Undefined where the bytes are no event. */
  readonly eventId: string | undefined;
};

/** The message of a record's bytes. Bytes that are no event go to partition 0, where they become a dead letter. */
export function toMessage(bytes: Uint8Array, partitions: number): PlacedMessage {
  const event = decode(bytes);
  const value = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (event === undefined) return { partition: 0, message: { value }, eventId: undefined };
  const eventId = toEventIdText(event.eventId);
  return {
    partition: partitionOf(event.accountId, partitions),
    message: { key: event.accountId, value, headers: toHeaders(event, eventId) },
    eventId,
  };
}

/** CloudEvents 1.0, Kafka protocol binding §3.2: binary content mode. */
function toHeaders(event: UsageEvent, eventId: string): Record<string, string> {
  return {
    ce_specversion: "1.0",
    ce_id: eventId,
    ce_source: `/gateway/${event.gatewayId}`,
    ce_type: "optamil.usage.v1",
    ce_subject: event.accountId,
    ...toTime(event.finishedAtUs),
    "content-type": "application/protobuf",
  };
}

/** The latest moment that a Date can say, in microseconds. */
const latestUs = 8_640_000_000_000_000_000n;

function toTime(atUs: bigint): Record<string, string> {
  // A dead letter that is sent again may say anything.
  if (atUs < 0n || atUs > latestUs) return {};
  return { ce_time: new Date(Number(atUs / 1_000n)).toISOString() };
}

function decode(bytes: Uint8Array): UsageEvent | undefined {
  try {
    return decodeEvent(bytes);
  } catch {
    return undefined;
  }
}
