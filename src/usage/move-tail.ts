// The tail of an embedded usage log: what its warehouse has not taken when the usage moves.
import { toTierName } from "./event-decision.ts";
import type { MoveBooks } from "./move-rows.ts";
import { parseRecord } from "./parse-record.ts";
import type { LogRecord, UsageLogReader } from "./usage-log.ts";
import type { PlacedEvent } from "./warehouse.ts";

/** An event of the tail as far as the sums need it: of several records of one event that with the highest rev. */
export type TailEvent = {
  readonly eventId: string;
  readonly rev: number;
  readonly accountId: string;
  readonly periodId: string;
  /** Empty: none served. */
  readonly tier: string;
  readonly creditsMicro: bigint;
};

/** The tail. */
export type UsageTailBooks = {
  /** By account, then by event id. */
  readonly events: ReadonlyMap<string, ReadonlyMap<string, TailEvent>>;
  readonly records: number;
  /** Records that no warehouse can take, and why. */
  readonly dead: readonly (LogRecord & { readonly reason: string })[];
  /** Boots of the gateways, as `toBootNames` names them. */
  readonly boots: ReadonlySet<string>;
};

const limits = { eventsMax: 1_000, bytesMax: 1024 * 1024 };
const idsPerQuestion = 1_000;
/** Some 300 MB. A consumer that works leaves seconds. */
const tailRecordsMax = 1_000_000;

/** A record of the tail, and its event unless it is poison. */
export type TailRecord = { readonly record: LogRecord; readonly parsed: PlacedEvent | string };

/** The records of a log from an offset on, a batch at a time. Throws if the log does not begin there any more. */
export async function* readTailRecords(
  log: UsageLogReader,
  fromOffset: number,
): AsyncGenerator<readonly TailRecord[]> {
  for (let offset = fromOffset; ; ) {
    const { records } = await log.read(offset, limits);
    const [first] = records;
    const last = records.at(-1);
    if (first === undefined || last === undefined) return;
    if (first.offset !== offset) {
      throw new Error(`the usage log has lost its records from ${offset} to ${first.offset}`);
    }
    yield records.map((record) => ({ record, parsed: parseRecord(record) }));
    offset = last.offset + 1;
  }
}

/** Reads the tail into memory; throws if it is too long for that. */
export async function readTail(log: UsageLogReader, fromOffset: number): Promise<UsageTailBooks> {
  const events = new Map<string, Map<string, TailEvent>>();
  const dead: (LogRecord & { reason: string })[] = [];
  const boots = new Set<string>();
  let records = 0;
  for await (const batch of readTailRecords(log, fromOffset)) {
    records += batch.length;
    if (records > tailRecordsMax) {
      throw new Error(
        `more than ${tailRecordsMax} events wait for the embedded warehouse: start the gateway alone once more, until its consumer has taken them`,
      );
    }
    for (const { record, parsed } of batch) {
      if (typeof parsed === "string") dead.push({ ...record, reason: parsed });
      else note(parsed, events, boots);
    }
  }
  return { events, records, dead, boots };
}

function note(
  { event, eventId }: PlacedEvent,
  events: Map<string, Map<string, TailEvent>>,
  boots: Set<string>,
): void {
  const { rev, accountId, periodId, creditsMicro } = event;
  boots.add(`${event.gatewayId}/${event.bootEpoch}`);
  const ofAccount = events.get(accountId) ?? new Map<string, TailEvent>();
  events.set(accountId, ofAccount);
  if ((ofAccount.get(eventId)?.rev ?? -1) > rev) return;
  const tier = toTierName(event.tier) ?? "";
  ofAccount.set(eventId, { eventId, rev, accountId, periodId, tier, creditsMicro });
}

/** Of events those that a warehouse has with this rev or a later one, and what it has of them, by id. */
export async function findStored(
  books: Pick<MoveBooks, "ask">,
  events: readonly TailEvent[],
): Promise<ReadonlyMap<string, Pick<TailEvent, "rev" | "tier" | "creditsMicro">>> {
  const stored = new Map<string, Pick<TailEvent, "rev" | "tier" | "creditsMicro">>();
  for (let at = 0; at < events.length; at += idsPerQuestion) {
    const some = events.slice(at, at + idsPerQuestion);
    const rows = await books.ask("move-events", {
      accounts: [...new Set(some.map(({ accountId }) => accountId))],
      periods: [...new Set(some.map(({ periodId }) => periodId))],
      events: some.map(({ eventId }) => eventId),
    });
    for (const { id, rev, tier, credits_micro_text: micro } of rows) {
      const creditsMicro = BigInt(micro ?? 0);
      stored.set(String(id), { rev: Number(rev), tier: String(tier), creditsMicro });
    }
  }
  return stored;
}
