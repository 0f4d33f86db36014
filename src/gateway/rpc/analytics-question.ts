// What calls of AnalyticsService have in common: the time, the filters and the cursors that they name.
import { Buffer } from "node:buffer";
import { invalidRequest } from "../../platform/errors.ts";
import {
  type LogPlace,
  type UsageDimension,
  type UsageFilters,
  type UsageOrder,
  usageDimensions,
} from "../../usage/analytics.ts";
import {
  type Granularity,
  openTimeZone,
  parseTime,
  type TimeZone,
} from "../../usage/time-buckets.ts";

const spanDefaultMs = 30 * 86_400_000;

const orders = ["requests", "errors", "tokens", "credits", "provider_cost"] as const;
const granularities = ["hour", "day", "month"] as const;

/** The time zone that a call names. Throws `invalid_request`. */
export function zoneOf({ timeZone }: { readonly timeZone: string }): TimeZone {
  return openTimeZone(timeZone === "" ? "UTC" : timeZone);
}

/** From when until before when, Unix milliseconds. Throws `invalid_request`. */
export function spanOf(
  { from, to }: { readonly from: string; readonly to: string },
  zone: TimeZone,
  nowMs: number,
): { fromMs: number; toMs: number } {
  const toMs = to === "" ? nowMs : parseTime(to, zone, "to");
  const fromMs = from === "" ? toMs - spanDefaultMs : parseTime(from, zone, "from");
  if (fromMs < toMs) return { fromMs, toMs };
  throw invalidRequest("The time must begin before it ends.", "from");
}

/** The values that count. */
export function filtersOf(request: UsageFilters): UsageFilters {
  const { model, tier, provider, key, tag, outcome } = request;
  return { model, tier, provider, key, tag, outcome };
}

/** Words that the validation lets through; empty: the default. */
export function dimensionOf<Default extends UsageDimension | "none">(
  word: string,
  byDefault: Default,
): UsageDimension | Default {
  return usageDimensions.find((dimension) => dimension === word) ?? byDefault;
}

/** The same of orders. */
export function orderOf(word: string): UsageOrder {
  return orders.find((order) => order === word) ?? "credits";
}

/** The same of the lengths of buckets. */
export function granularityOf(word: string): Granularity {
  return granularities.find((granularity) => granularity === word) ?? "day";
}

const placePattern = /^(\d{1,16})\.([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$/;

/** The cursor after a place of the log. */
export function encodeCursor({ admittedAtUs, eventId }: LogPlace): string {
  return Buffer.from(`${admittedAtUs}.${eventId}`).toString("base64url");
}

/** The place of a cursor; undefined for an empty one. Throws `invalid_request`. */
export function parseCursor(cursor: string): LogPlace | undefined {
  if (cursor === "") return undefined;
  const text = Buffer.from(cursor, "base64url").toString("latin1");
  const [, admittedAtUs, eventId] = placePattern.exec(text) ?? [];
  if (admittedAtUs !== undefined && eventId !== undefined) {
    return { admittedAtUs: BigInt(admittedAtUs), eventId };
  }
  throw invalidRequest("This is no cursor: send the `next_cursor` of an answer.", "cursor");
}
