// The port of counters that several gateways share: what one that is remote adds to the counters.
import type { TierName } from "../catalogue/tiers.ts";
import type { Counters, LoadedBase } from "./counters.ts";

/**
 * The shared counters did not answer, or have lost what they knew ("lost": until `open` is called with what
 * `beat` gives). What was asked for may have been done all the same.
 */
export class CountersUnreachable extends Error {
  readonly reason: "down" | "lost";

  constructor(reason: "down" | "lost", cause?: unknown) {
    super(`the shared counters are ${reason}`, { cause });
    this.name = "CountersUnreachable";
    this.reason = reason;
  }
}

/** What a sign of life brings back. */
export type Beat = {
  /** Changes when what the store knew is gone or cannot be trusted. */
  readonly generation: string;
  /** Gateways that gave a sign of life in the last 10 seconds, this one included: 1 or more. */
  readonly replicas: number;
  /** Those that have handed in what they know since this generation began. */
  readonly registered: number;
};

/** What a gateway itself knows of one of its requests. */
export type KnownRequest = {
  readonly eventId: string;
  readonly accountId: string;
  readonly keyId: string;
  readonly periodId: string;
  readonly admittedAtMs: number;
  readonly tokens: number;
  readonly heldMicro: bigint;
  readonly lowestMicro: bigint;
  readonly marginMicro: bigint;
  /** Ids of the budgets that its charge counts against. */
  readonly budgets: readonly string[];
  /** Its charge, once it has settled. */
  readonly settled: { readonly tier: TierName; readonly creditsMicro: bigint } | undefined;
};

/**
 * A base read anew, and which it includes of the ids asked about and of those in the log; `pending` are the others
 * in the log.
 */
export type RebuiltBase = LoadedBase & { readonly includedIds: readonly string[] };

/** Credits of an account that a gateway wants to hold for requests to come. */
export type ReserveRequest = {
  readonly eventId: string;
  readonly accountId: string;
  /** Granted for the period. */
  readonly totalMicro: bigint;
  readonly wantedMicro: bigint;
  /** The least that is worth it, 1 or more: less is not held at all. */
  readonly leastMicro: bigint;
  /** Of what is free at most this part: 8 is an eighth. */
  readonly share: number;
};

/** Counters in a store that can be out of reach; every operation throws `CountersUnreachable` then. */
export interface SharedCounters extends Counters {
  /** Gives a sign of life of this gateway; `registered`: it has handed in all that it knows. */
  beat(registered: boolean): Promise<Beat>;
  /** Works on a generation from now on. */
  open(generation: string): Promise<void>;
  /**
   * Hands in requests of one account and period, or those of a budget in it: budgets come first, and take over what
   * is settled; what is open holds them with its account. False if sums were confirmed while `readBase` ran: then the
   * base is to be read again, for an event could be counted twice.
   */
  restore(
    accountId: string,
    periodId: string,
    readBase: () => Promise<RebuiltBase>,
    known: readonly KnownRequest[],
    budgetId?: string,
  ): Promise<boolean>;
  /**
   * Holds up to so many credits of an account's current period under an id of its own, 0 where few are free; `release`
   * gives them back. Takes no place in a window.
   */
  reserve(
    asked: ReserveRequest,
  ): Promise<{ readonly periodId: string; readonly heldMicro: bigint }>;
  /**
   * Takes over a request without budgets that its gateway admitted by itself while the answer to `admit` was on its
   * way, as it is by now. Once that answer has come, and before anything else is told of the request.
   */
  adopt(known: KnownRequest): Promise<void>;
  /** Milliseconds that the last answer took; undefined before the first. */
  lastRoundTripMs(): number | undefined;
  /** Milliseconds for which questions have waited and none was answered: a busy store answers, one after the other. */
  silentMs(): number;
}
