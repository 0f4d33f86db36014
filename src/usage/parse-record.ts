// Reads a record of the usage log, and tells poison from events.
import { decodeEvent, toEventIdText } from "./event.ts";
import { findFlaw } from "./event-flaw.ts";
import type { LogRecord } from "./usage-log.ts";
import type { PlacedEvent } from "./warehouse.ts";

/** The event of a record, or why it is poison. Never throws. */
export function parseRecord({ offset, bytes }: LogRecord): PlacedEvent | string {
  try {
    const event = decodeEvent(bytes);
    return findFlaw(event) ?? { offset, event, eventId: toEventIdText(event.eventId) };
  } catch (error) {
    return `undecodable: ${error instanceof Error ? error.message : String(error)}`;
  }
}
