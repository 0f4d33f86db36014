// Times as people say them, and the hours, days and months of a time zone.
import { invalidRequest } from "../platform/errors.ts";

/** How long a bucket is. */
export type Granularity = "hour" | "day" | "month";

/** A time zone. Times are Unix milliseconds. */
export interface TimeZone {
  /** As it was asked for. */
  readonly name: string;
  /** How far its clocks are ahead of UTC at a time, milliseconds. */
  offsetMs(atMs: number): number;
  /** The first moment of a day; month 0 is January, days and months out of range count on. */
  startOfDay(year: number, month: number, day: number): number;
}

/** Consecutive buckets. */
export type Buckets = {
  /** Their starts in order, Unix milliseconds. */
  readonly startsMs: readonly number[];
  readonly endMs: number;
};

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
/** Years that usage can be of. */
const yearMin = 2000;
const yearMax = 2100;

/** The time zone with an IANA name. Throws `invalid_request`. */
export function openTimeZone(name: string): TimeZone {
  if (name === "UTC") return new Zone(name, () => 0);
  try {
    const format = new Intl.DateTimeFormat("en-US", { ...fields, timeZone: name });
    return new Zone(name, (atMs) => localMs(format, atMs) - Math.floor(atMs / 1_000) * 1_000);
  } catch {
    throw invalidRequest("There is no such time zone: use a name as Europe/Berlin.", "time_zone");
  }
}

const fields = {
  calendar: "gregory",
  numberingSystem: "latn",
  hourCycle: "h23",
  year: "numeric",
  month: "numeric",
  day: "numeric",
  hour: "numeric",
  minute: "numeric",
  second: "numeric",
} as const;

/** What the zone's clocks show, as if they were UTC's. */
function localMs(format: Intl.DateTimeFormat, atMs: number): number {
  // "4/15/2026, 14:00:00"
  const [month = 0, day = 0, year = 0, hour = 0, minute = 0, second = 0] = format
    .format(atMs)
    .split(/\D+/)
    .map(Number);
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

class Zone implements TimeZone {
  readonly name: string;
  readonly offsetMs: (atMs: number) => number;

  constructor(name: string, offsetMs: (atMs: number) => number) {
    this.name = name;
    this.offsetMs = offsetMs;
  }

  startOfDay(year: number, month: number, day: number): number {
    const wantedMs = Date.UTC(year, month, day);
    const times = [wantedMs - dayMs, wantedMs + dayMs].map(
      (near) => wantedMs - this.offsetMs(near),
    );
    // Where clocks are put forward at midnight the day begins later; where they are put back, at the first one.
    const real = times.filter((atMs) => atMs + this.offsetMs(atMs) === wantedMs);
    return real.length > 0 ? Math.min(...real) : Math.max(...times);
  }
}

const timePattern = /^(\d{4})-(\d\d)-(\d\d)(T\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d))?$/i;

/** A time in RFC 3339, or the start of a day of the zone. Throws `invalid_request`. */
export function parseTime(text: string, zone: TimeZone, param: string): number {
  const [, year, month, day, time] = timePattern.exec(text) ?? [];
  const date = [Number(year), Number(month) - 1, Number(day)] as const;
  const isDay = new Date(Date.UTC(...date)).toJSON()?.slice(0, 10) === text.slice(0, 10);
  const atMs = time === undefined ? zone.startOfDay(...date) : Date.parse(text);
  if (isDay && date[0] >= yearMin && date[0] < yearMax && Number.isFinite(atMs)) return atMs;
  const forms = "2026-04-01T00:00:00Z or 2026-04-01";
  throw invalidRequest(`This is no time from ${yearMin} to ${yearMax}: write ${forms}.`, param);
}

/** A time in RFC 3339 as the zone's clocks show it, to the second. */
export function formatTime(atMs: number, zone: TimeZone): string {
  return toText(atMs, zone, "");
}

/** The same to the microsecond, from Unix microseconds. */
export function formatMicros(atUs: bigint, zone: TimeZone): string {
  const fraction = String(atUs % 1_000_000n).padStart(6, "0");
  return toText(Number(atUs / 1_000n), zone, `.${fraction}`);
}

function toText(atMs: number, zone: TimeZone, fraction: string): string {
  const offsetMs = zone.offsetMs(atMs);
  const local = new Date(atMs + offsetMs).toISOString().slice(0, 19);
  if (offsetMs === 0) return `${local}${fraction}Z`;
  const minutes = Math.abs(Math.round(offsetMs / 60_000));
  const [hours, rest] = [Math.floor(minutes / 60), minutes % 60].map((part) =>
    String(part).padStart(2, "0"),
  );
  return `${local}${fraction}${offsetMs < 0 ? "-" : "+"}${hours}:${rest}`;
}

/** The buckets from the one with `fromMs` up to the one with the last moment before `toMs`. Throws `invalid_request`. */
export function toBuckets(
  granularity: Granularity,
  { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number },
  zone: TimeZone,
  bucketsMax: number,
): Buckets {
  const first = startOf(granularity, fromMs, zone, 0);
  const startsMs = [first];
  for (let at = 1; ; at++) {
    const nextMs = startOf(granularity, fromMs, zone, at);
    if (nextMs >= toMs) return { startsMs, endMs: nextMs };
    if (startsMs.length === bucketsMax) {
      const message = `There would be more than ${bucketsMax} buckets: ask for less time, or longer buckets.`;
      throw invalidRequest(message, "granularity");
    }
    startsMs.push(nextMs);
  }
}

/** Start of the bucket so many after the one with `atMs`. */
export function startOf(
  granularity: Granularity,
  atMs: number,
  zone: TimeZone,
  after: number,
): number {
  const local = atMs + zone.offsetMs(atMs);
  if (granularity === "hour") return atMs - modulo(local, hourMs) + after * hourMs;
  const date = new Date(local);
  const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()];
  if (granularity === "day") return zone.startOfDay(year, month, date.getUTCDate() + after);
  return zone.startOfDay(year, month + after, 1);
}

function modulo(value: number, divisor: number): number {
  return ((value % divisor) + divisor) % divisor;
}
