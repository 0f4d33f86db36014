// What was admitted in the last minute before a restart, read from the end of the log.
import { EventKind } from "../gen/optamil/v1/event_pb.ts";
import type { Clock } from "../platform/clock.ts";
import { decodeEvent } from "./event.ts";
import type { LogRecord, UsageLogReader } from "./usage-log.ts";

/** One admission, as the limits take it over. */
export type RecentRequest = {
  readonly keyId: string;
  /** Unix milliseconds. */
  readonly admittedAtMs: number;
  /** Used; of one that a crash ended: 0. */
  readonly tokens: number;
};

const windowMs = 60_000;
const batch = { eventsMax: 2_000, bytesMax: 8 * 1024 * 1024 };
/** Records looked at: a minute at 800 requests a second, read in a third of a second. */
const recordsMax = 50_000;

/**
 * The admissions of the last 60 seconds by account, oldest first. Requests that end later stand further back
 * in the log, so the look goes backwards until a whole batch had ended before that minute.
 */
export async function readRecentRequests(
  log: UsageLogReader,
  clock: Clock,
): Promise<ReadonlyMap<string, readonly RecentRequest[]>> {
  const sinceMs = clock.wallMs() - windowMs;
  const { endOffset, firstOffset } = await log.read(0, { eventsMax: 1, bytesMax: 1 });
  const byAccount = new Map<string, RecentRequest[]>();
  const lastOffset = Math.max(firstOffset, endOffset - recordsMax);
  for (let end = endOffset; end > lastOffset; end -= batch.eventsMax) {
    const start = Math.max(lastOffset, end - batch.eventsMax);
    const { records } = await log.read(start, { ...batch, eventsMax: end - start });
    if (!noteAll(records, sinceMs, byAccount)) break;
  }
  for (const requests of byAccount.values()) {
    requests.sort((one, other) => one.admittedAtMs - other.admittedAtMs);
  }
  return byAccount;
}

/** Notes the admissions since an instant; whether any of the requests ended since. */
function noteAll(
  records: readonly LogRecord[],
  sinceMs: number,
  byAccount: Map<string, RecentRequest[]>,
): boolean {
  let someEnded = false;
  for (const { bytes } of records) {
    const event = decodeEvent(bytes);
    if (event.kind !== EventKind.REQUEST) continue;
    if (Number(event.finishedAtUs) / 1_000 >= sinceMs || event.rev === 0) someEnded = true;
    const admittedAtMs = Number(event.admittedAtUs) / 1_000;
    if (admittedAtMs < sinceMs) continue;
    const requests = byAccount.get(event.accountId) ?? [];
    const tokens = Number(event.promptTokens + event.completionTokens);
    requests.push({ keyId: event.keyJti, admittedAtMs, tokens });
    byAccount.set(event.accountId, requests);
  }
  return someEnded;
}
