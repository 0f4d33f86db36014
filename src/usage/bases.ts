// What counters load of an account or budget by asking the warehouse: its sums, and the events beyond them.
import assert from "node:assert/strict";
import { Batched } from "../platform/batched.ts";
import { OptamilError } from "../platform/errors.ts";
import { within } from "../platform/within.ts";
import type { AccountTail, ChargedRecord, UsageTail } from "./account-tail.ts";
import {
  type AskedBase,
  askedIdsMax,
  type BaseSource,
  type LedgerName,
  type MicroByTier,
  type StoredBase,
} from "./warehouse.ts";

/** What a ledger has used by the warehouse, which of the events asked about or in the log that includes, and the rest of the log. */
export type UsageBase = AccountTail & { readonly includedIds: readonly string[] };

/** Reads bases, many at a time as one. */
export interface UsageBases {
  /** Throws `service_unavailable` while the log or the warehouse does not answer, after 10 seconds at the latest. */
  read(
    accountId: string,
    periodId: string,
    eventIds: readonly string[],
    budgetId?: string,
  ): Promise<UsageBase>;
  close(): Promise<void>;
}

/** What they are read from. */
export type UsageBasesOptions = {
  readonly openTail: () => Promise<UsageTail>;
  readonly warehouse: BaseSource;
};

const readTimeoutMs = 10_000;
const accountsMax = 1_000;

/** Opens the log when it is asked for the first time. */
export function openUsageBases({ openTail, warehouse }: UsageBasesOptions): UsageBases {
  let opening: Promise<UsageTail> | undefined;
  const tail = () => {
    opening ??= openTail().catch((error: unknown) => {
      opening = undefined;
      throw error;
    });
    return opening;
  };
  const bases = new Batched<AskedBase, StoredBase>(accountsMax, (asked) =>
    readStored(warehouse, asked),
  );
  const read = async (ledger: LedgerName, eventIds: readonly string[]) => {
    const { accountId, periodId, budgetId } = ledger;
    // First the tail: what the consumers take meanwhile is then in the sums, and said to be.
    const found = await (await tail()).read(accountId, periodId, budgetId);
    const { version, pending, strays = [] } = found;
    const named = new Set([...eventIds, ...pending.map(({ eventId }) => eventId)]);
    const asked = [...new Set([...named, ...strays.map(({ eventId }) => eventId)])];
    const stored = await bases.ask({ ...ledger, eventIds: asked });
    const included = new Set(stored.includedIds);
    const isOpen = ({ eventId }: ChargedRecord) => !included.has(eventId);
    return {
      baseByTierMicro: addAll(stored.microByTier, strays.filter(isOpen)),
      version,
      pending: pending.filter(isOpen),
      includedIds: stored.includedIds.filter((eventId) => named.has(eventId)),
    };
  };
  return {
    async read(accountId, periodId, eventIds, budgetId) {
      try {
        const ledger = { accountId, periodId, budgetId };
        const base = await within(readTimeoutMs, read(ledger, eventIds));
        if (base === undefined) throw new Error("no answer in time");
        return base;
      } catch (cause) {
        const message = "What the account has used cannot be read at the moment.";
        throw new OptamilError("service_unavailable", message, { cause, retryAfterMs: 2_000 });
      }
    },
    close: async () => (await opening)?.close(),
  };
}

/** Sums with the charges that nobody will name: the next ones of the warehouse include them. */
function addAll(sums: MicroByTier, strays: readonly ChargedRecord[]): MicroByTier {
  const added = { ...sums };
  for (const { tier, creditsMicro } of strays) added[tier] += creditsMicro;
  return added;
}

/**
 * Asks in pieces that the warehouse takes. Of an account with more events than fit, the sums are the last
 * piece's: what came between two pieces counts twice until it is confirmed, and never not at all.
 */
async function readStored(
  warehouse: BaseSource,
  asked: readonly AskedBase[],
): Promise<readonly StoredBase[]> {
  const found = new Map<AskedBase, StoredBase>();
  for (const piece of toPieces(asked)) {
    const stored = await warehouse.bases(piece);
    for (const [at, { whole }] of piece.entries()) {
      const part = stored[at];
      assert(part !== undefined, "the warehouse left out an account");
      const includedIds = [...(found.get(whole)?.includedIds ?? []), ...part.includedIds];
      found.set(whole, { microByTier: part.microByTier, includedIds });
    }
  }
  return asked.flatMap((one) => found.get(one) ?? []);
}

/** Of the events of one question as many as fit. */
type Part = AskedBase & { readonly whole: AskedBase };

function toPieces(asked: readonly AskedBase[]): Part[][] {
  const pieces: Part[][] = [];
  let piece: Part[] = [];
  let room = askedIdsMax;
  for (const one of asked) {
    let rest = one.eventIds;
    do {
      if (room === 0) {
        pieces.push(piece);
        piece = [];
        room = askedIdsMax;
      }
      const eventIds = rest.slice(0, room);
      rest = rest.slice(room);
      room -= eventIds.length;
      piece.push({ ...one, eventIds, whole: one });
    } while (rest.length > 0);
  }
  pieces.push(piece);
  return pieces;
}
