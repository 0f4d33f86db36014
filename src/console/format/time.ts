// Times as people read them.

const dayFormat = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium" });
const minuteFormat = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });
const secondFormat = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });

/** Unix seconds as a day: "3 Nov 2026". */
export function toDay(seconds: bigint): string {
  return dayFormat.format(Number(seconds) * 1_000);
}

/** Unix seconds as a day and time of day in the reader's time zone. */
export function toMinute(seconds: bigint): string {
  return minuteFormat.format(Number(seconds) * 1_000);
}

/** Unix milliseconds as a day and time of day, to the second. */
export function toSecond(milliseconds: number): string {
  return secondFormat.format(milliseconds);
}

/** The first and the last day of a period that RFC 3339 texts name, in UTC: "1 to 30 Nov 2026". */
export function toPeriod(start: string, end: string): string {
  const [first, last] = [new Date(start), new Date(end)];
  const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", timeZone: "UTC" });
  const whole = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeZone: "UTC" });
  return `${day.format(first)} to ${whole.format(last)}`;
}

/** Milliseconds: "840 ms", "2.4 s". */
export function toDuration(milliseconds: number): string {
  if (milliseconds < 10) return `${milliseconds.toFixed(1)} ms`;
  if (milliseconds < 1_000) return `${Math.round(milliseconds)} ms`;
  return `${(milliseconds / 1_000).toFixed(milliseconds < 10_000 ? 2 : 1)} s`;
}

/** A long time in its two greatest units: "3 d 4 h", "5 min 2 s". */
export function toSpan(ms: number): string {
  const units = [
    ["d", 86_400],
    ["h", 3_600],
    ["min", 60],
    ["s", 1],
  ] as const;
  let seconds = Math.max(0, Math.floor(ms / 1_000));
  const parts = units.flatMap(([name, length]) => {
    const count = Math.floor(seconds / length);
    seconds -= count * length;
    return count > 0 ? [`${count} ${name}`] : [];
  });
  return parts.slice(0, 2).join(" ") || "0 s";
}
