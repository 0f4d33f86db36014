// Part of the composition root: what one worker has open in the books of its machine, so that its death leaves nothing open.
import type { Admission, AdmitRequest, Counters } from "./admission/counters.ts";
import type { Idempotency, KeyedTry } from "./admission/idempotency.ts";
import { leaveCounters } from "./admission/leave.ts";
import type { Slots } from "./chat/provider-slots.ts";
import type { UsageEvent } from "./gen/optamil/v1/event_pb.ts";
import type { RecordingLog } from "./main-metering.ts";
import { decodeEvent, toEventIdText } from "./usage/event.ts";
import { toTierName } from "./usage/event-decision.ts";

/** The books. */
export type Books = {
  readonly counters: Pick<Counters, "admit" | "settle" | "release">;
  readonly usageLog: RecordingLog;
  readonly idempotency: Idempotency;
  readonly slots: Slots;
};

type Slot = Parameters<Slots["give"]>[0];

/** A request that was admitted and has not left the counters. */
type Open = {
  readonly accountId: string;
  /** As it was recorded at its admission; undefined: it was not. */
  hold?: UsageEvent | undefined;
  /** Why the log refused to record its admission. */
  refusal?: unknown;
};

/** The books as one worker uses them: what it calls, and what becomes of what it leaves. */
export class Desk {
  readonly #books: Books;
  readonly #open = new Map<string, Open>();
  readonly #keyed = new Map<string, KeyedTry>();
  readonly #appending = new Set<Promise<void>>();
  /** Slots that it has, with their providers' names. */
  readonly #slots: Slot[] = [];
  #isClosed = false;

  constructor(books: Books) {
    this.#books = books;
  }

  /** Requests that are recorded as admitted, and what they hold. */
  get held(): { readonly open: number; readonly micro: bigint } {
    const holds = [...this.#open.values()].flatMap(({ hold }) => hold ?? []);
    return {
      open: holds.length,
      micro: holds.reduce((sum, { holdMicro }) => sum + holdMicro, 0n),
    };
  }

  /** What the worker may call of the books that leaves something open. */
  readonly functions = {
    admit: (request: AdmitRequest) => {
      const { eventId, accountId } = request;
      const noted = (admission: Admission) => {
        if (admission.admitted) this.#open.set(eventId, { accountId });
        return admission;
      };
      const decision = this.#books.counters.admit(request);
      return decision instanceof Promise ? decision.then(noted) : noted(decision);
    },
    release: (eventId: string, release: Parameters<Counters["release"]>[1]) => {
      this.#open.delete(eventId);
      return this.#books.counters.release(eventId, release);
    },
    hold: (bytes: Uint8Array) => {
      const event = decodeEvent(bytes);
      const open = this.#open.get(toEventIdText(event.eventId));
      const recorded = this.#books.usageLog.hold(event);
      if (open === undefined) return recorded;
      open.hold = event;
      recorded.catch((refusal: unknown) => {
        open.hold = undefined;
        open.refusal = refusal;
      });
      return recorded;
    },
    hurry: () => this.#books.usageLog.hurry(),
    /** Records an end, and when that is durable has it leave the counters: the worker need not ask for that too. */
    append: (bytes: Uint8Array, isFirst: boolean) => {
      const appending = this.#append(decodeEvent(bytes), isFirst);
      this.#appending.add(appending);
      const done = () => this.#appending.delete(appending);
      appending.then(done, done);
      return appending;
    },
    begin: async (attempt: KeyedTry) => {
      const begun = await this.#books.idempotency.begin(attempt);
      if (begun.kind === "new") this.#keyed.set(attempt.eventId, attempt);
      return begun;
    },
    finish: (attempt: KeyedTry, answer: Uint8Array | undefined) => {
      this.#keyed.delete(attempt.eventId);
      return this.#books.idempotency.finish(attempt, answer);
    },
    forget: (attempt: KeyedTry) => {
      this.#keyed.delete(attempt.eventId);
      return this.#books.idempotency.forget(attempt);
    },
    takeSlot: async (slot: Slot, accountId: string) => {
      const isTaken = await this.#books.slots.take(slot, accountId);
      if (!isTaken) return false;
      if (this.#isClosed) this.#books.slots.give(slot);
      else this.#slots.push(slot);
      return true;
    },
    giveSlot: (slot: Slot) => {
      const at = this.#slots.findIndex(({ provider }) => provider === slot.provider);
      if (at >= 0) this.#slots.splice(at, 1);
      this.#books.slots.give(slot);
    },
  };

  /**
   * The worker is dead: what ran is recorded as it was admitted (GATEWAY_ABORT, free), and its idempotency keys and slots are
   * free: as if a gateway that was alone had been killed.
   */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const slot of this.#slots.splice(0)) this.#books.slots.give(slot);
    await Promise.allSettled(this.#appending);
    await Promise.all([...this.#keyed.values()].map((one) => this.#books.idempotency.forget(one)));
    this.#keyed.clear();
    const left = [...this.#open];
    this.#open.clear();
    await Promise.all(left.map(([eventId, open]) => this.#end(eventId, open)));
  }

  async #append(event: UsageEvent, isFirst: boolean): Promise<void> {
    const eventId = toEventIdText(event.eventId);
    const open = this.#open.get(eventId);
    // The log writes one row for both, if it takes more requests at all.
    const admitted = isFirst ? this.#books.usageLog.hold(event) : undefined;
    admitted?.catch((refusal: unknown) => {
      if (open !== undefined) open.refusal = refusal;
    });
    // It may have been refused just now: what is not recorded does not end well.
    await undefined;
    if (open?.refusal !== undefined) throw open.refusal;
    await this.#books.usageLog.append(event);
    // Of refusals, refunds and the like the counters know nothing.
    if (open === undefined) return;
    this.#open.delete(eventId);
    await leaveCounters(this.#books.counters, eventId, {
      accountId: open.accountId,
      tokens: Number(event.promptTokens + event.completionTokens),
      tier: toTierName(event.tier),
      creditsMicro: event.creditsMicro,
    });
  }

  async #end(eventId: string, { accountId, hold }: Open): Promise<void> {
    const { counters, usageLog } = this.#books;
    if (hold !== undefined) await usageLog.append(hold);
    await counters.release(eventId, { accountId, tokens: 0 });
  }
}
