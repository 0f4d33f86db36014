// Requests that a gateway has admitted by itself, as the shared counters were slow: brings them to what these answer later.
import type { Admission, AdmitRequest, Admitted, Counters } from "./counters.ts";
import type { Entry, Journal } from "./journal.ts";
import { needsSharedCredits, toLocalRequest } from "./local-share.ts";
import type { Reserves } from "./reserves.ts";
import type { KnownRequest, SharedCounters } from "./shared-counters.ts";

/** What late answers are brought together from. */
export type LateAnswersParts = {
  readonly shared: SharedCounters;
  readonly local: Counters;
  readonly journal: Journal;
  readonly reserves: Reserves;
  readonly monotonicMs: () => number;
  /** Asks the shared counters; undefined where they are out of reach. */
  readonly ask: <Answer>(question: () => Promise<Answer>) => Promise<Answer | undefined>;
  /** Names what the shared counters know now. */
  readonly generation: () => string | undefined;
};

/** A question that is on its way. */
export type AskedAdmission = {
  readonly request: AdmitRequest;
  readonly answer: Promise<Admission | undefined>;
  /** In which it was asked. */
  readonly generation: string | undefined;
};

type Bridged = { readonly accountId: string; readonly done: Promise<void> };

/** An account that was refused waits for its answers for so long: it is at its end. */
const waitsMinMs = 1_000;
const waitsMaxMs = 10_000;
/** Accounts that wait, remembered at most; beyond it the oldest go. */
const waitingMax = 10_000;

/**
 * Bounds, for one account and gateway: what is admitted ahead of its answer is within the gateway's share of the
 * limits, of the overdraft and what it has in reserve. These are free again once the shared counters have admitted the
 * request too; what they refuse keeps its part for the period.
 */
export class LateAnswers {
  readonly #parts: LateAnswersParts;
  readonly #bridged = new Map<string, Bridged>();
  /** Until when, monotonic milliseconds, accounts wait for their answers. */
  readonly #waiting = new Map<string, number>();
  #ticked = Promise.withResolvers<void>();
  #trouble: unknown;

  constructor(parts: LateAnswersParts) {
    this.#parts = parts;
  }

  /** Whether a request's own answer is still on its way: what becomes of it is told with that. */
  has(eventId: string): boolean {
    return this.#bridged.has(eventId);
  }

  /** Resolves when nothing of an account is on its way that was when it was called. */
  async settled(accountId: string): Promise<void> {
    const ofAccount = [...this.#bridged.values()].filter((one) => one.accountId === accountId);
    await Promise.all(ofAccount.map(({ done }) => done));
  }

  /**
   * Admits a request ahead of its answer, within the gateway's share; undefined if it has to wait for it. `note` is to
   * write it into the journal, as not known.
   */
  async admit(
    asked: AskedAdmission,
    replicas: number,
    note: (admitted: Admitted) => void,
  ): Promise<Admitted | undefined> {
    const { request } = asked;
    const { eventId, accountId, budgets = [] } = request;
    // Nobody here knows what is left of a budget, and it is a hard bound.
    if (budgets.length > 0 || this.#waits(accountId)) return;
    const { local, reserves } = this.#parts;
    const reserveMicro = reserves.of(accountId);
    const own = toLocalRequest(request, replicas);
    const lacksCredits = reserveMicro === 0n && needsSharedCredits(request);
    const admission = lacksCredits
      ? undefined
      : await local.admit({ ...own, totalMicro: own.totalMicro + reserveMicro });
    if (!admission?.admitted) {
      const isForCredits = admission?.reason.startsWith("credits") ?? true;
      if (isForCredits) reserves.enlarge(request).catch((error) => this.failed(error));
      return undefined;
    }
    if (!this.#bridged.has(eventId)) {
      note(admission);
      this.#bridged.set(eventId, { accountId, done: this.#carry(asked) });
    }
    return admission;
  }

  /** Tries again what could not be told; throws what went wrong since the last call, other than unreachable counters. */
  tick(): void {
    this.#ticked.resolve();
    this.#ticked = Promise.withResolvers();
    const trouble = this.#trouble;
    this.#trouble = undefined;
    if (trouble !== undefined) throw trouble;
  }

  /** Notes what went wrong where nobody waits for it. */
  failed(error: unknown): void {
    this.#trouble = error;
  }

  /** Waits for the answer, and tells the shared counters of the request until they know how it is. Never rejects. */
  async #carry({ request, answer, generation }: AskedAdmission): Promise<void> {
    const { local, journal } = this.#parts;
    const { eventId, accountId, tokens } = request;
    const admission = await this.#heard(answer);
    if (admission?.admitted === false) this.#wait(accountId, admission.retryAfterMs);
    const isAdmitted = admission?.admitted === true;
    // Its credits are held where they belong.
    if (isAdmitted) await local.release(eventId, { accountId, tokens });
    const isHeldAs = ({ periodId, heldMicro }: KnownRequest) =>
      isAdmitted &&
      generation === this.#parts.generation() &&
      admission.periodId === periodId &&
      admission.heldMicro === heldMicro;
    while (await this.#tell(request, isHeldAs));
    // From here on it is as any other request: what comes next is told by itself.
    this.#bridged.delete(eventId);
    const entry = journal.get(eventId);
    if (isAdmitted || entry === undefined) return;
    const { settled, tokens: used } = entry.request;
    if (settled) await local.settle(eventId, { accountId, tokens: used, ...settled });
    else if (entry.isReleased) await local.release(eventId, { accountId, tokens: used });
  }

  async #heard(answer: Promise<Admission | undefined>): Promise<Admission | undefined> {
    try {
      return await answer;
    } catch (error) {
      this.failed(error);
      return undefined;
    }
  }

  /** Tells how a request is by now; whether there is more to tell. */
  async #tell(request: AdmitRequest, isHeldAs: (known: KnownRequest) => boolean): Promise<boolean> {
    const { ask, journal } = this.#parts;
    const entry = journal.get(request.eventId);
    if (entry?.isKnown) return false;
    try {
      const isTold = await ask(async () => {
        await this.#tellEntry(request, entry, isHeldAs);
        return true;
      });
      // Out of reach: what the journal has not told is handed in when they are back.
      if (!isTold || entry === undefined) return false;
      journal.known(entry);
      return !entry.isReleased;
    } catch (error) {
      this.failed(error);
      await this.#ticked.promise;
      return true;
    }
  }

  async #tellEntry(
    { eventId, accountId, tokens }: AdmitRequest,
    entry: Entry | undefined,
    isHeldAs: (known: KnownRequest) => boolean,
  ): Promise<void> {
    const { shared } = this.#parts;
    if (entry === undefined || entry.isReleased) {
      await shared.release(eventId, { accountId, tokens });
      return;
    }
    if (entry.request.settled || !isHeldAs(entry.request)) await shared.adopt(entry.request);
  }

  #waits(accountId: string): boolean {
    return (this.#waiting.get(accountId) ?? 0) > this.#parts.monotonicMs();
  }

  #wait(accountId: string, retryAfterMs = waitsMaxMs): void {
    const waitMs = Math.min(waitsMaxMs, Math.max(waitsMinMs, retryAfterMs));
    this.#waiting.delete(accountId);
    this.#waiting.set(accountId, this.#parts.monotonicMs() + waitMs);
    const [oldest] = this.#waiting.keys();
    if (this.#waiting.size > waitingMax && oldest !== undefined) this.#waiting.delete(oldest);
  }
}
