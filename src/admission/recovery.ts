// Brings a gateway and the shared counters together again, after they were apart or the counters lost what they knew.
import type { Clock } from "../platform/clock.ts";
import type { Entry, Journal } from "./journal.ts";
import {
  CountersUnreachable,
  type KnownRequest,
  type RebuiltBase,
  type SharedCounters,
} from "./shared-counters.ts";

/** Reads a base, and which of the ids it includes; with a deadline of its own. */
export type ReadBase = (
  accountId: string,
  periodId: string,
  eventIds: readonly string[],
  budgetId?: string,
) => Promise<RebuiltBase>;

/** What a recovery works with. */
export type RecoveryParts = {
  readonly shared: SharedCounters;
  readonly journal: Journal;
  readonly readBase: ReadBase;
  readonly clock: Clock;
};

/** How long the other gateways are waited for to hand in what they know. */
const registerWaitMs = 2_000;
/** Tries to hand in requests of an account whose sums are confirmed meanwhile. */
const restoreTriesMax = 5;
/** How long requests wait at most while the last ones before them are handed in. */
const gateMaxMs = 2_000;
/** Accounts that are handed in at the same time; what they read is read as one. */
const ledgersAtOnce = 500;

/** Whether the shared counters can be asked, and what makes it so again. */
export class Recovery {
  readonly #parts: RecoveryParts;
  #state: "up" | "down" | "rebuilding" = "down";
  #generation: string | undefined;
  #replicas = 1;
  #completeSinceMs = Number.POSITIVE_INFINITY;
  #handedInAtMs: number | undefined;
  #gate: Promise<void> | undefined;

  constructor(parts: RecoveryParts) {
    this.#parts = parts;
  }

  get state(): "up" | "down" | "rebuilding" {
    return this.#state;
  }

  /** Names what the shared counters know; another one, if they have lost it. */
  get generation(): string | undefined {
    return this.#generation;
  }

  /** Gateways, as far as is known: 1 or more. */
  get replicas(): number {
    return this.#replicas;
  }

  /** Unix milliseconds; see `FleetCounters.completeSinceMs`. */
  get completeSinceMs(): number {
    return this.#completeSinceMs;
  }

  /** Undefined, or what to wait for before anything is noted in the journal: 2 seconds at most. */
  get gate(): Promise<void> | undefined {
    return this.#gate;
  }

  /** Takes note that a question of a generation was not answered; a late one says nothing of a newer. */
  failed(generation: string | undefined): void {
    if (generation === this.#generation) this.#state = "down";
  }

  /** A sign of life, and the next step of what is to be mended. */
  async step(): Promise<void> {
    try {
      const beat = await this.#parts.shared.beat(this.#state === "up");
      if (this.#state === "up" && beat.generation === this.#generation) {
        this.#replicas = beat.replicas;
        return;
      }
      await this.#recover(beat.generation);
    } catch (error) {
      this.#state = "down";
      this.#handedInAtMs = undefined;
      if (!(error instanceof CountersUnreachable)) throw error;
    }
  }

  async #recover(generation: string): Promise<void> {
    const { shared, journal, clock } = this.#parts;
    this.#state = "rebuilding";
    // Some keys may be gone even where the generation's own is not.
    await shared.open(generation);
    const isAnother = generation !== this.#generation;
    await this.#handIn(isAnother ? journal.all() : journal.unknown());
    if (isAnother) this.#completeSinceMs = clock.wallMs();
    this.#generation = generation;
    this.#handedInAtMs ??= clock.monotonicMs();
    const beat = await shared.beat(true);
    this.#replicas = Math.max(this.#replicas, beat.replicas);
    const waitedMs = clock.monotonicMs() - this.#handedInAtMs;
    if (beat.registered < this.#replicas && waitedMs < registerWaitMs) return;
    if (!(await this.#handInLast())) return;
    this.#replicas = beat.replicas;
    this.#handedInAtMs = undefined;
  }

  /** Hands in what came meanwhile; while new requests wait, so that there is an end to it. */
  async #handInLast(): Promise<boolean> {
    const { journal } = this.#parts;
    const opened = Promise.withResolvers<void>();
    const open = () => {
      this.#gate = undefined;
      opened.resolve();
    };
    this.#gate = opened.promise;
    const timer = setTimeout(open, gateMaxMs);
    try {
      while (this.#gate !== undefined) {
        const unknown = journal.unknown();
        if (unknown.length === 0) {
          this.#state = "up";
          return true;
        }
        await this.#handIn(unknown);
      }
      return false;
    } finally {
      clearTimeout(timer);
      open();
    }
  }

  async #handIn(entries: readonly Entry[]): Promise<void> {
    const { shared, journal } = this.#parts;
    const [released, living] = split(entries, ({ isReleased }) => isReleased);
    for (const entry of released) {
      const { eventId, accountId, tokens } = entry.request;
      await shared.release(eventId, { accountId, tokens });
      journal.known(entry);
    }
    const ledgers = Map.groupBy(
      living,
      ({ request }) => `${request.periodId}\n${request.accountId}`,
    );
    const waiting = [...ledgers.values()];
    while (waiting.length > 0) {
      const some = waiting.splice(0, ledgersAtOnce);
      await Promise.all(some.map((ofLedger) => this.#handInLedger(ofLedger)));
    }
  }

  async #handInLedger(entries: readonly Entry[]): Promise<void> {
    const requests = entries.map(({ request }) => request);
    // What is settled counts in its budgets before it leaves what is held of them.
    for (const budgetId of new Set(requests.flatMap(({ budgets }) => budgets))) {
      const ofBudget = requests.filter(({ budgets }) => budgets.includes(budgetId));
      await this.#restore(ofBudget, budgetId);
    }
    await this.#restore(requests, undefined);
    for (const entry of entries) this.#parts.journal.known(entry);
  }

  async #restore(requests: readonly KnownRequest[], budgetId: string | undefined): Promise<void> {
    const { shared, readBase } = this.#parts;
    const [first] = requests;
    if (first === undefined) return;
    const { accountId, periodId } = first;
    const eventIds = requests.map(({ eventId }) => eventId);
    const read = () => readBase(accountId, periodId, eventIds, budgetId);
    for (let tries = 0; tries < restoreTriesMax; tries += 1) {
      if (await shared.restore(accountId, periodId, read, requests, budgetId)) return;
    }
    throw new CountersUnreachable("down");
  }
}

function split<Item>(items: readonly Item[], is: (item: Item) => boolean): [Item[], Item[]] {
  return [items.filter(is), items.filter((item) => !is(item))];
}
