/** What really happened, known from outside, and the invariants that must hold at every step and at the end. */
import type {
  AccountUsage,
  Admission,
  AdmitRequest,
  Admitted,
  SettleResult,
} from "../../src/admission/counters.ts";
import type { SimEvent } from "./events.ts";

/** One admitted request. */
type Truth = {
  readonly request: AdmitRequest;
  readonly admission: Admitted;
  readonly atMs: number;
  readonly boot: number;
  /** open: its hold counts; swept: it does not, but it may end; over: settled, released or dead. */
  state: "open" | "swept" | "over";
  holdDurable: boolean;
  tokens: number;
  /** The event that the log has acknowledged. */
  event: SimEvent | undefined;
  /** What took its charge back; the log has acknowledged it. */
  refund: SimEvent | undefined;
  /** Whether the counters must show it. */
  counted: boolean;
  late: boolean;
};

/** What a seed's faults make impossible to promise. */
export type Tolerance = {
  /** A zombie's rows are summed before anybody names their ids: for a moment more may be shown. */
  readonly overcount: boolean;
  /** A wall clock that jumps between two starts hides how old admissions are. */
  readonly forgottenWindows: boolean;
};

/** An invariant that does not hold. */
export class Violation extends Error {}

function violated(what: string, details: unknown): never {
  const text = JSON.stringify(details, (_, value) =>
    typeof value === "bigint" ? `${value}` : value,
  );
  throw new Violation(`${what}: ${text}`);
}

/** The oracle of one run. */
export class Oracle {
  readonly truths = new Map<string, Truth>();
  readonly #tolerance: Tolerance;
  #boot = 0;

  constructor(tolerance: Tolerance) {
    this.#tolerance = tolerance;
  }

  gatewayStarted(): void {
    this.#boot += 1;
    for (const truth of this.truths.values()) {
      truth.state = "over";
      // What is durable is read again at the start.
      truth.counted = truth.event !== undefined;
    }
  }

  admissionDecided(request: AdmitRequest, admission: Admission, atMs: number): void {
    if (!admission.admitted) {
      if (admission.reason === "credits") this.#checkStarvation(request);
      return;
    }
    this.truths.set(request.eventId, {
      request,
      admission,
      atMs,
      boot: this.#boot,
      state: "open",
      holdDurable: false,
      tokens: request.tokens,
      event: undefined,
      refund: undefined,
      counted: false,
      late: false,
    });
    this.#checkLimits(request, atMs);
    this.#checkBudget(request, admission.periodId);
  }

  /** Repeated, it changes nothing. */
  refundDurable(refund: SimEvent): void {
    this.#truth(refund.refundOf ?? "").refund ??= refund;
  }

  holdDurable(eventId: string): void {
    this.#truth(eventId).holdDurable = true;
  }

  eventDurable(event: SimEvent, tokens: number): void {
    const truth = this.#truth(event.eventId);
    // A rev 0 that comes after the settled event changes nothing.
    if (event.rev < (truth.event?.rev ?? 0)) return;
    truth.event = event;
    truth.tokens = tokens;
    this.#checkBudget(truth.request, truth.admission.periodId);
  }

  settled(eventId: string, result: SettleResult): void {
    const truth = this.#truth(eventId);
    truth.late ||= result === "settled-late" || truth.state === "swept";
    truth.state = "over";
    truth.counted = true;
  }

  released(eventId: string): void {
    this.settled(eventId, "ignored");
  }

  swept(eventId: string): void {
    const truth = this.#truth(eventId);
    if (truth.state !== "open") violated("an ended request was swept", { eventId });
    truth.state = "swept";
  }

  /** I2 at any time: all that was settled is shown, and nothing that is not durable. */
  checkUsage(accountId: string, usage: AccountUsage): void {
    const tiers = Object.values(usage.usedByTierMicro).reduce((sum, micro) => sum + micro, 0n);
    if (tiers !== usage.usedMicro) violated("the tiers do not add up", usage);
    const { usedMicro } = usage;
    // A refund shows when it is confirmed, some time after it is durable.
    const refunded = this.#refunded(accountId, usage.periodId);
    const counted = this.#charged(accountId, usage.periodId, (truth) => truth.counted);
    const least = counted - refunded;
    const most = this.#charged(accountId, usage.periodId, () => true);
    if (usedMicro < least) violated("usage lacks what was settled", { usage, least });
    if (usedMicro > most && !this.#tolerance.overcount) {
      violated("usage shows more than is durable", { usage, most });
    }
  }

  /** After the quiet: no hold, and exactly what counts. */
  checkQuiet(accountId: string, usage: AccountUsage): void {
    const { periodId } = usage;
    const charged = this.#charged(accountId, periodId, () => true);
    const exactly = charged - this.#refunded(accountId, periodId);
    if (usage.heldMicro !== 0n) violated("holds are left after the quiet", usage);
    if (usage.usedMicro !== exactly) violated("usage is not what was charged", { usage, exactly });
  }

  /** I1 at the end: each admitted request has exactly one effective event, the right one. */
  checkEvents(effective: readonly SimEvent[]): void {
    const byId = Map.groupBy(effective, ({ eventId }) => eventId);
    for (const [eventId, truth] of this.truths) {
      const events = byId.get(eventId) ?? [];
      byId.delete(eventId);
      const [event] = events;
      if (events.length > 1) violated("a request has several effective events", events);
      if (!truth.holdDurable && truth.event === undefined) continue;
      if (event === undefined) violated("a request has no event", { eventId, truth });
      if (event.periodId !== truth.admission.periodId) {
        violated("an event is in another period than its admission", event);
      }
      const expected = truth.event ?? { rev: 0, creditsMicro: 0n };
      if (event.rev !== expected.rev || event.creditsMicro !== expected.creditsMicro) {
        violated("the effective event is not the last one", { event, expected });
      }
    }
    for (const { refund } of this.truths.values()) {
      if (refund === undefined) continue;
      if (byId.get(refund.eventId)?.length !== 1) violated("a refund is not there once", refund);
      byId.delete(refund.eventId);
    }
    if (byId.size > 0) violated("events of requests that were never admitted", [...byId]);
  }

  #truth(eventId: string): Truth {
    return this.truths.get(eventId) ?? violated("an event of an unknown request", { eventId });
  }

  /** Charges of an account and period. */
  #charged(accountId: string, periodId: string, which: (truth: Truth) => boolean): bigint {
    let sum = 0n;
    for (const truth of this.#of(accountId, periodId)) {
      if (truth.event && which(truth)) sum += truth.event.creditsMicro;
    }
    return sum;
  }

  /** What refunds took back of an account and period. */
  #refunded(accountId: string, periodId: string): bigint {
    let sum = 0n;
    for (const { refund } of this.#of(accountId, periodId)) sum -= refund?.creditsMicro ?? 0n;
    return sum;
  }

  *#of(accountId: string, periodId: string): Generator<Truth> {
    for (const truth of this.truths.values()) {
      const { request, admission } = truth;
      if (request.accountId === accountId && admission.periodId === periodId) yield truth;
    }
  }

  /** I3: what is charged and what is held never exceed the total and the overdraft. */
  #checkBudget({ accountId, totalMicro, overdraftMicro }: AdmitRequest, periodId: string): void {
    let sum = 0n;
    for (const truth of this.#of(accountId, periodId)) {
      // A charge whose hold had been swept comes on top: it cannot be refused any more.
      const swept = truth.late || truth.state === "swept";
      const refunded = truth.refund?.creditsMicro ?? 0n;
      if (truth.event && !swept) sum += truth.event.creditsMicro + refunded;
      else if (truth.state === "open") sum += truth.admission.heldMicro;
    }
    if (sum > totalMicro + overdraftMicro) {
      violated("more is charged and held than there is", { accountId, sum, totalMicro });
    }
  }

  /** Nobody is refused for credits that nobody has. */
  #checkStarvation(request: AdmitRequest): void {
    if (this.#tolerance.overcount) return;
    const { accountId, totalMicro, holdMicro } = request;
    const periods = new Set([...this.truths.values()].map((truth) => truth.admission.periodId));
    const refusedSomewhere = [...periods].some((periodId) => {
      let gone = this.#charged(accountId, periodId, () => true);
      for (const truth of this.#of(accountId, periodId)) {
        if (truth.state === "open") gone += truth.request.lowestMicro;
      }
      return totalMicro - gone < holdMicro;
    });
    if (!refusedSomewhere && holdMicro <= totalMicro) {
      violated("a request was refused although there were credits", request);
    }
  }

  /** Never more than the limit in any rolling minute, restarts included. */
  #checkLimits({ accountId, limits }: AdmitRequest, nowMs: number): void {
    if (this.#tolerance.forgottenWindows) return;
    let requests = 0;
    let tokens = 0;
    for (const truth of this.truths.values()) {
      const lost = !truth.holdDurable && truth.boot < this.#boot;
      if (truth.request.accountId !== accountId || truth.atMs <= nowMs - 60_000 || lost) continue;
      requests += 1;
      tokens += truth.tokens;
    }
    if (requests > limits.requestsPerMinute) violated("more requests than the limit", { requests });
    if (tokens > limits.tokensPerMinute) violated("more tokens than the limit", { tokens });
  }
}
