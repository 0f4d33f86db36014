// Credits that a gateway holds in the shared counters, so that it can admit requests ahead of their answers without overspending.
import type { AdmitRequest, HoldRef } from "./counters.ts";
import { periodAt } from "./period.ts";
import type { ReserveRequest, SharedCounters } from "./shared-counters.ts";

/** What reserves are made of. */
export type ReservesParts = {
  readonly shared: SharedCounters;
  readonly wallMs: () => number;
  readonly monotonicMs: () => number;
  /** Asks the shared counters; undefined where they are out of reach. */
  readonly ask: <Answer>(question: () => Promise<Answer>) => Promise<Answer | undefined>;
};

/** Resolves when the shared counters know all that was admitted ahead of an account. */
type Told = (accountId: string) => Promise<void>;

type Reserve = {
  readonly accountId: string;
  readonly holds: HoldRef[];
  periodId: string;
  micro: bigint;
  isAsking: boolean;
  /** When a request of the account was admitted here last. */
  usedAtMs: number;
  /** How many were in the second before this one, and in this one, which began then. */
  lastSecond: number;
  thisSecond: number;
  secondAtMs: number;
  /** Until when none is asked for ahead of need: the account has too little. */
  refusedUntilMs: number;
};

/** As many requests as a reserve is for that is asked for in need; each time it is too small it is doubled. */
const requestsFirst = 8n;
/** Of what is free at most an eighth, however little it is. */
const inNeed = { share: 8, leastMicro: 1n };
/** As many as one is for, at least, that is asked for ahead of need; a busier account's is for those of so many seconds. */
const requestsAhead = 32;
const secondsAhead = 2;
/** Nobody is to miss it: all or nothing, and of what is free the 32nd part. */
const shareAhead = 32;
/** An account is busy while its requests come so soon after one another; one that has too little is asked about as seldom. */
const busyMs = 10_000;
/** A client with more requests under way at once waits for its answers. */
const requestsMax = 1_024n;
/** Accounts that are busy, or have a reserve, at most; the requests of others wait. */
const accountsMax = 50_000;

/**
 * The reserves of one gateway, each the account's and of one period. Their leases are renewed with those of requests.
 *
 * An account that is busy and has plenty gets one before it is needed, as the first requests of a slow store would wait for
 * it; an account that has not, once a request has to wait.
 */
export class Reserves {
  readonly #parts: ReservesParts;
  readonly #reserves = new Map<string, Reserve>();

  constructor(parts: ReservesParts) {
    this.#parts = parts;
  }

  /** What is held in reserve for an account, micro-credits. */
  of(accountId: string): bigint {
    const reserve = this.#reserves.get(accountId);
    return reserve?.periodId === this.#periodId() ? reserve.micro : 0n;
  }

  /** Makes the reserve of a request's account larger, if it can be; nobody waits for it. Gives what goes wrong. */
  async enlarge({ accountId, holdMicro, totalMicro }: AdmitRequest): Promise<void> {
    const reserve = this.#reserveOf(accountId);
    if (reserve === undefined || reserve.micro >= requestsMax * holdMicro) return;
    const wantedMicro = reserve.micro > 0n ? reserve.micro : requestsFirst * holdMicro;
    await this.#ask(reserve, { totalMicro, wantedMicro, ...inNeed });
  }

  /** To be told of each request that was admitted in time: asks for a reserve of a busy account where it has too little. */
  admitted({ accountId, holdMicro, totalMicro }: AdmitRequest): Promise<void> | undefined {
    const reserve = this.#reserveOf(accountId);
    if (reserve === undefined) return undefined;
    const nowMs = this.#parts.monotonicMs();
    const isBusy = nowMs - reserve.usedAtMs < busyMs;
    const requests = count(reserve, nowMs);
    if (!isBusy || holdMicro === 0n || nowMs < reserve.refusedUntilMs) return undefined;
    const wholeMicro = BigInt(requests) * holdMicro;
    // Doubled at least, so that a busier minute asks a few times, not with each request.
    if (2n * reserve.micro > wholeMicro || reserve.isAsking) return undefined;
    const wantedMicro = wholeMicro - reserve.micro;
    return this.#askAhead(reserve, totalMicro, wantedMicro);
  }

  async #askAhead(reserve: Reserve, totalMicro: bigint, wantedMicro: bigint): Promise<void> {
    const asked = { totalMicro, wantedMicro, leastMicro: wantedMicro, share: shareAhead };
    if (await this.#ask(reserve, asked)) return;
    reserve.refusedUntilMs = this.#parts.monotonicMs() + busyMs;
  }

  async #ask(
    reserve: Reserve,
    asked: Omit<ReserveRequest, "eventId" | "accountId">,
  ): Promise<boolean> {
    if (reserve.isAsking) return false;
    reserve.isAsking = true;
    const hold = { eventId: crypto.randomUUID(), accountId: reserve.accountId };
    try {
      const { shared, ask } = this.#parts;
      const given = await ask(() => shared.reserve({ ...hold, ...asked }));
      if (given === undefined || given.heldMicro === 0n) return false;
      if (this.#reserves.get(hold.accountId) !== reserve || given.periodId !== reserve.periodId) {
        await ask(() => this.#release(hold));
        return false;
      }
      reserve.holds.push(hold);
      reserve.micro += given.heldMicro;
      return true;
    } finally {
      reserve.isAsking = false;
    }
  }

  /** The holds whose leases are to be renewed. */
  get holds(): readonly HoldRef[] {
    return [...this.#reserves.values()].flatMap(({ holds }) => holds);
  }

  /** Gives all back, each after what was admitted of it is known to the shared counters. */
  giveBack(told: Told): Promise<void> {
    return this.#giveBack([...this.#reserves.values()], told);
  }

  /** Gives those back whose account is busy no more. */
  async giveBackIdle(told: Told): Promise<void> {
    const idleSinceMs = this.#parts.monotonicMs() - busyMs;
    const idle = [...this.#reserves.values()].filter(({ usedAtMs }) => usedAtMs <= idleSinceMs);
    if (idle.length > 0) await this.#giveBack(idle, told);
  }

  /** Gives an account's back, which needs every credit that it has; false if it has none. */
  async giveBackOf(accountId: string, told: Told): Promise<boolean> {
    const reserve = this.#reserves.get(accountId);
    if (reserve === undefined || reserve.micro === 0n) return false;
    await this.#giveBack([reserve], told);
    const next = this.#reserveOf(accountId);
    if (next) {
      next.usedAtMs = this.#parts.monotonicMs();
      next.refusedUntilMs = next.usedAtMs + busyMs;
    }
    return true;
  }

  async #giveBack(reserves: readonly Reserve[], told: Told): Promise<void> {
    for (const { accountId } of reserves) this.#reserves.delete(accountId);
    for (const { accountId, holds } of reserves) {
      if (holds.length === 0) continue;
      await told(accountId);
      for (const hold of holds) await this.#parts.ask(() => this.#release(hold));
    }
  }

  /** Forgets all: whether the shared counters hold them is not known any more. Their leases end by themselves. */
  drop(): void {
    this.#reserves.clear();
  }

  #reserveOf(accountId: string): Reserve | undefined {
    const periodId = this.#periodId();
    const known = this.#reserves.get(accountId);
    if (known?.periodId === periodId) return known;
    if (this.#reserves.size >= accountsMax) return undefined;
    const reserve: Reserve = {
      ...{ accountId, periodId, holds: [], micro: 0n, isAsking: false },
      ...{ usedAtMs: Number.NEGATIVE_INFINITY, refusedUntilMs: Number.NEGATIVE_INFINITY },
      ...{ lastSecond: 0, thisSecond: 0, secondAtMs: Number.NEGATIVE_INFINITY },
    };
    this.#reserves.set(accountId, reserve);
    return reserve;
  }

  #release({ eventId, accountId }: HoldRef): Promise<unknown> {
    return Promise.resolve(this.#parts.shared.release(eventId, { accountId, tokens: 0 }));
  }

  #periodId(): string {
    return periodAt(this.#parts.wallMs()).id;
  }
}

/** Counts a request of an account; gives for how many it is to have a reserve. */
function count(reserve: Reserve, nowMs: number): number {
  const sinceMs = nowMs - reserve.secondAtMs;
  if (sinceMs >= 1_000) {
    reserve.lastSecond = sinceMs < 2_000 ? reserve.thisSecond : 0;
    reserve.thisSecond = 0;
    reserve.secondAtMs = nowMs;
  }
  reserve.thisSecond += 1;
  reserve.usedAtMs = nowMs;
  const ofTime = secondsAhead * Math.max(reserve.lastSecond, reserve.thisSecond);
  return Math.min(Math.max(requestsAhead, ofTime), Number(requestsMax));
}
