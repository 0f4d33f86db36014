// How far the rollups of accounts reach, kept in memory, and the pieces of them that make up a time.
import type { RollupQuestion } from "./statement.ts";
import type { Row } from "./stored-usage.ts";
import type { PlacedEvent } from "./warehouse.ts";

/** Asks the warehouse that is rolled up. */
export type AskRollups = (
  name: RollupQuestion,
  parameters: Record<string, unknown>,
) => Promise<Row[]>;

/** How far the rollups of an account reach. */
export type RollupReach = {
  /** First hour since 1970, of the time in the event ids, that they do not have or have as it was before; 0: they have none. */
  readonly untilHour: number;
  /** Whether anything may have been inserted from that hour on. */
  readonly hasMore: boolean;
  /** All of them are of admissions from here, up to there; Unix seconds, whole hours. */
  readonly firstS: number;
  readonly afterS: number;
};

/** Pieces of time, each with its start, Unix seconds, and its length, seconds; both lists are as long. */
export type Pieces = { readonly starts: readonly number[]; readonly spans: readonly number[] };

const msPerHour = 3_600_000;
const hourS = 3_600;
const dayS = 24 * hourS;
/** Accounts whose reach is kept; beyond, all are asked for anew. */
const accountsMax = 10_000;

/** Keeps what was asked for until an insert or a rollup may have changed it. */
export class RollupReaches {
  readonly #ask: AskRollups;
  readonly #known = new Map<string, RollupReach>();
  /** Grows with each change, so that an answer from before it is not kept. */
  #changes = 0;

  constructor(ask: AskRollups) {
    this.#ask = ask;
  }

  async of(accountId: string): Promise<RollupReach> {
    const known = this.#known.get(accountId);
    if (known !== undefined) return known;
    const changes = this.#changes;
    const [row] = await this.#ask("rollup-until", { account: accountId });
    const reach = {
      untilHour: Number(row?.["until_hour"] ?? 0),
      hasMore: Number(row?.["has_more"] ?? 1) === 1,
      firstS: Number(row?.["first"] ?? 0),
      afterS: Number(row?.["after"] ?? 0),
    };
    if (this.#known.size >= accountsMax) this.#known.clear();
    if (changes === this.#changes) this.#known.set(accountId, reach);
    return reach;
  }

  /** An account has a new rollup. */
  forget(accountId: string): void {
    this.#changes++;
    this.#known.delete(accountId);
  }

  /** Events are inserted: of what they lie behind, nothing changes. */
  forgetOlder(events: readonly PlacedEvent[]): void {
    this.#changes++;
    for (const { event } of events) {
      const known = this.#known.get(event.accountId);
      if (known === undefined || known.untilHour === 0) continue;
      if (!known.hasMore || toHour(event.eventId) < known.untilHour) {
        this.#known.delete(event.accountId);
      }
    }
  }
}

/** The hour of the time in an event id (RFC 9562 §5.7), since 1970. */
function toHour(eventId: Uint8Array): number {
  const atMs = eventId.subarray(0, 6).reduce((sum, byte) => sum * 256 + byte, 0);
  return Math.floor(atMs / msPerHour);
}

/** The least event id of an hour since 1970, in hexadecimal digits: ids begin with their milliseconds (RFC 9562 §5.7). */
export function toFirstId(hour: number): string {
  return (hour * msPerHour).toString(16).padStart(12, "0").padEnd(32, "0");
}

/**
 * The fewest pieces that make up all time between the first and the last of some moments, none of which lies within a piece:
 * what begins or ends with a day of UTC is one, and what does neither is one an hour. The moments are whole hours, Unix
 * seconds in order.
 */
export function toPieces(moments: readonly number[]): Pieces {
  const starts: number[] = [];
  const spans: number[] = [];
  for (const [at, fromS] of moments.entries()) {
    const toS = moments[at + 1] ?? fromS;
    for (let startS = fromS; startS < toS; ) {
      const nextDayS = startS - (startS % dayS) + dayS;
      const isOne = startS % dayS === 0 || nextDayS <= toS;
      const spanS = isOne ? Math.min(nextDayS, toS) - startS : hourS;
      starts.push(startS);
      spans.push(spanS);
      startS += spanS;
    }
  }
  return { starts, spans };
}
