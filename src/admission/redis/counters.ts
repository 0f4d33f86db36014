// The counters in Redis: one script, and so one atomic step and one round trip, for each operation.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  type AccountUsage,
  type Admission,
  type AdmitRequest,
  type ConfirmedSums,
  type HoldRef,
  type LoadBase,
  type LoadedBase,
  type RateSnapshot,
  type Release,
  type Settlement,
  type SettleResult,
  type SweptHold,
  sweptMax,
} from "../counters.ts";
import { atLeastZero, sumOf, toLedgerName } from "../ledger.ts";
import { periodAt } from "../period.ts";
import {
  type Beat,
  CountersUnreachable,
  type KnownRequest,
  type RebuiltBase,
  type ReserveRequest,
  type SharedCounters,
} from "../shared-counters.ts";
import {
  bounded,
  exact,
  inParts,
  toArguments,
  toBase,
  toBudgets,
  toIdParts,
  toKnown,
  toParts,
  toSettled,
  toTraffic,
} from "./arguments.ts";
import { numberAt, type RedisConnection, type ReplyField, textAt } from "./connection.ts";
import { toAdmission, toMicroByTier, toRate, toSweptHolds } from "./replies.ts";
import { type Script, scripts } from "./scripts.ts";

/** How the counters in Redis are made. */
export type RedisCountersOptions = {
  readonly connection: RedisConnection;
  readonly loadBase: LoadBase;
  /**
   * Tells this gateway from the others; a fresh one for each process. Default none, for a process that only
   * confirms: it gets no share of the limits, and nobody waits for it after a loss.
   */
  readonly replicaId?: string | undefined;
  /** Begins every key. Default "optamil". */
  readonly keyPrefix?: string | undefined;
  /** Unix milliseconds. Default the server's own clock, which all gateways share; tests move it by hand. */
  readonly wallMs?: (() => number) | undefined;
};

/** A running sum, and the sum of its items: the same. */
export type CheckedSum = { readonly sum: bigint; readonly ofItems: bigint };

/** The running sums of an account's period. */
export type LedgerCheck = {
  /** The confirmed base and what has settled since. */
  readonly usedMicro: CheckedSum;
  /** Of open requests. */
  readonly heldMicro: CheckedSum;
  /** Of the overdraft, reserved for open requests. */
  readonly marginMicro: CheckedSum;
};

/** Accounts share so many hash tags: each its index of leases, which one call sweeps. */
const shardCount = 64;
/** A ledger is kept so long after the end of its period. */
const ledgerKeptMs = 48 * 3_600_000;
/** Tries to load an account: a second one is needed when the month has just ended. */
const loadTriesMax = 4;
/** Requests that are handed in with one call. */
const knownMax = sweptMax / 10;
/** Older than any. */
const noVersion = { epoch: -1, offset: -1 };
/** A gateway counts as alive so long after its last sign. */
const aliveMs = 10_000;

type Arguments = readonly (string | number)[];

/** Counters for many gateways. Every method throws `CountersUnreachable` when the server cannot be trusted. */
export class RedisCounters implements SharedCounters {
  readonly #connection: RedisConnection;
  readonly #loadBase: LoadBase;
  readonly #replicaId: string;
  readonly #prefix: string;
  readonly #wallMs: (() => number) | undefined;
  readonly #loading = new Map<string, Promise<void>>();
  #generation = "";
  /** The connection's session in which the generation was seen. */
  #session = -1;
  #beatSession = -1;

  constructor(options: RedisCountersOptions) {
    this.#connection = options.connection;
    this.#loadBase = options.loadBase;
    this.#replicaId = options.replicaId ?? "";
    this.#prefix = options.keyPrefix ?? "optamil";
    this.#wallMs = options.wallMs;
  }

  async admit(request: AdmitRequest): Promise<Admission> {
    const { eventId, keyId, limits, keyLimits, tokens, holdMicro, lowestMicro } = request;
    const least = request.leastHoldMicro ?? holdMicro;
    assert(0n <= lowestMicro && lowestMicro <= least && least <= holdMicro, "prices out of order");
    const args = [
      eventId,
      keyId,
      ...toArguments(limits),
      ...toArguments(keyLimits ?? {}),
      tokens,
      bounded(request.totalMicro),
      bounded(request.overdraftMicro),
      bounded(holdMicro),
      bounded(lowestMicro),
      bounded(least),
      request.keyRunningMax ?? "",
      ...toBudgets(request.budgets),
      ...toParts(request.parts ?? []),
    ];
    return toAdmission(await this.#runLoaded(scripts.admit, request.accountId, args));
  }

  async settle(eventId: string, settlement: Settlement): Promise<SettleResult> {
    const { accountId, tokens, tier, creditsMicro } = settlement;
    const args = [eventId, tokens, tier, exact(creditsMicro)];
    const result = textAt(await this.#run(scripts.end, accountId, args), 0);
    return result === "settled" || result === "settled-late" ? result : "ignored";
  }

  async release(eventId: string, { accountId, tokens }: Release): Promise<void> {
    await this.#run(scripts.end, accountId, [eventId, tokens, "", "0"]);
  }

  async renew(holds: readonly HoldRef[]): Promise<void> {
    const byShard = Map.groupBy(holds, ({ accountId }) => this.#shardOf(accountId));
    const renewals = [...byShard].flatMap(([shard, ofShard]) =>
      inParts(ofShard, sweptMax).map((part) => {
        const names = part.flatMap(({ accountId, eventId }) => [accountId, eventId]);
        return this.#runOnShard(scripts.renew, shard, "", names);
      }),
    );
    await Promise.all(renewals);
  }

  async sweep(): Promise<readonly SweptHold[]> {
    const shards = this.#shards();
    const sweepOf = async (shard: string, countMax: number) =>
      toSweptHolds(await this.#runOnShard(scripts.sweep, shard, "", [countMax]));
    const perShard = Math.floor(sweptMax / shardCount);
    const first = await Promise.all(shards.map((shard) => sweepOf(shard, perShard)));
    const swept = first.flat();
    // A gateway that died with many requests of one account leaves all of them in one shard.
    for (const [at, { length }] of first.entries()) {
      const shard = shards[at];
      if (length < perShard || swept.length >= sweptMax || shard === undefined) continue;
      swept.push(...(await sweepOf(shard, sweptMax - swept.length)));
    }
    return swept;
  }

  async confirm(sums: ConfirmedSums): Promise<void> {
    // The base with the first ids: between two steps an account only seems poorer.
    for (const [at, ids] of toIdParts(sums.includedIds).entries()) {
      await this.#confirm(at === 0 ? sums : { ...sums, version: noVersion }, ids, "");
    }
  }

  async rate(load: Parameters<SharedCounters["rate"]>[0]): Promise<RateSnapshot> {
    const { accountId, keyId, limits, keyLimits } = load;
    const args = [keyId, ...toArguments(limits), ...toArguments(keyLimits ?? {})];
    return toRate(await this.#run(scripts.rate, accountId, args), 1);
  }

  async usage(accountId: string, totalMicro: bigint, budgetId?: string): Promise<AccountUsage> {
    const reply = await this.#runLoaded(scripts.usage, accountId, [budgetId ?? ""]);
    const period = periodAt(numberAt(reply, 2));
    const usedByTierMicro = toMicroByTier(reply, 4);
    const usedMicro = sumOf(usedByTierMicro);
    return {
      periodId: period.id,
      periodStartMs: period.startMs,
      periodEndMs: period.endMs,
      usedByTierMicro,
      usedMicro,
      remainingMicro: atLeastZero(totalMicro - usedMicro),
      totalMicro,
      heldMicro: BigInt(textAt(reply, 3)),
    };
  }

  /**
   * One look at the running sums of a ledger, beside what they are sums of; undefined for one that nobody has used
   * in this generation. For audits: O(open and unconfirmed requests).
   */
  async check(
    accountId: string,
    periodId: string,
    budgetId?: string,
  ): Promise<LedgerCheck | undefined> {
    const reply = await this.#run(scripts.check, accountId, [toLedgerName(periodId, budgetId)]);
    if (reply[0] !== "checked") return undefined;
    const at = (place: number) => BigInt(textAt(reply, place));
    return {
      usedMicro: { sum: at(1), ofItems: at(2) },
      heldMicro: { sum: at(3), ofItems: at(4) },
      marginMicro: { sum: at(5), ofItems: at(6) },
    };
  }

  async beat(registered: boolean): Promise<Beat> {
    this.#beatSession = this.#connection.sessions();
    const args = [this.#replicaId, crypto.randomUUID(), aliveMs, registered ? "1" : ""];
    const reply = await this.#connection.run(scripts.beat, this.#shardName(0), args);
    return {
      generation: textAt(reply, 0),
      replicas: numberAt(reply, 1),
      registered: numberAt(reply, 2),
    };
  }

  /** Makes what the store knows worth nothing, as if it were lost: the next sign of life begins a new generation. */
  async forget(): Promise<void> {
    const shards = this.#shards();
    await Promise.all(shards.map((shard) => this.#connection.set(`${shard}:generation`, "")));
  }

  async open(generation: string): Promise<void> {
    this.#generation = generation;
    this.#session = this.#beatSession;
    const marks = this.#shards().map((shard) =>
      this.#connection.set(`${shard}:generation`, generation),
    );
    await Promise.all(marks);
  }

  async restore(
    accountId: string,
    periodId: string,
    readBase: () => Promise<RebuiltBase>,
    known: readonly KnownRequest[],
    budgetId?: string,
  ): Promise<boolean> {
    const ledger = toLedgerName(periodId, budgetId);
    const [confirms = 0] = await this.#run(scripts.confirms, accountId, [ledger]);
    const base = await readBase();
    await this.#install(accountId, ledger, base, this.#wallMs?.() ?? Date.now());
    const { pending, includedIds } = base;
    const head = [ledger, String(confirms)];
    const included = new Set(includedIds);
    const counted = new Set([...includedIds, ...pending.map(({ eventId }) => eventId)]);
    const missing = known.filter(({ eventId }) => !counted.has(eventId));
    // What is counted first, and what counts it twice after it: between two steps an account only seems poorer.
    const toCount = [...pending.map(toSettled), ...missing.map(toKnown)];
    if (!(await this.#handIn(accountId, head, toCount))) return false;
    for (const ids of toIdParts(includedIds)) {
      const sums = { accountId, periodId, budgetId, ...base };
      const result = await this.#confirm(sums, ids, confirms);
      if (result === "stale") return false;
      if (result === "done") continue;
      const inBase = known.filter(({ eventId }) => included.has(eventId));
      return this.#handIn(accountId, head, inBase.map(toKnown));
    }
    return true;
  }

  /** Whether no sums were confirmed since the ones that `head` begins with. */
  async #handIn(
    accountId: string,
    head: Arguments,
    requests: readonly (string | number)[][],
  ): Promise<boolean> {
    for (const part of inParts(requests, knownMax)) {
      const reply = await this.#run(scripts.restore, accountId, [...head, ...part.flat()]);
      if (textAt(reply, 0) !== "done") return false;
    }
    return true;
  }

  async reserve(asked: ReserveRequest) {
    const { eventId, totalMicro, wantedMicro, leastMicro, share } = asked;
    const amounts = [totalMicro, wantedMicro, leastMicro].map(bounded);
    const args = [eventId, ...amounts, share];
    const reply = await this.#runLoaded(scripts.reserve, asked.accountId, args);
    return { periodId: textAt(reply, 1), heldMicro: BigInt(textAt(reply, 2)) };
  }

  async adopt(known: KnownRequest): Promise<void> {
    const { accountId, periodId, budgets } = known;
    assert(budgets.length === 0, "a request with budgets waits for its answer");
    await this.#runLoaded(scripts.adopt, accountId, [periodId, ...toKnown(known)]);
  }

  lastRoundTripMs(): number | undefined {
    return this.#connection.lastRoundTripMs();
  }

  silentMs(): number {
    return this.#connection.silentMs();
  }

  /** `confirms`: how many there were when these sums were read anew; "" for a confirmation. */
  async #confirm(
    sums: Omit<ConfirmedSums, "includedIds">,
    ids: readonly string[],
    confirms: ReplyField,
  ): Promise<string> {
    const { accountId, periodId, budgetId, baseByTierMicro, version } = sums;
    const { epoch, offset } = version;
    const head = [toLedgerName(periodId, budgetId), String(confirms), epoch, offset];
    const args = [...head, ...toBase(baseByTierMicro), ...ids];
    return textAt(await this.#run(scripts.confirm, accountId, args), 0);
  }

  /** Runs a script that needs the account's ledger, which is loaded where it is absent. */
  async #runLoaded(script: Script, accountId: string, args: Arguments) {
    for (let tries = 1; ; tries += 1) {
      const reply = await this.#run(script, accountId, args);
      if (reply[0] !== "load") return reply;
      assert(tries < loadTriesMax, "an account that was loaded is absent again and again");
      await this.#load(accountId, textAt(reply, 1), numberAt(reply, 2), textAt(reply, 3));
    }
  }

  /** Loads a ledger once, however many wait for it; `budget`: "" for the account's own. */
  #load(accountId: string, periodId: string, nowMs: number, budget: string): Promise<void> {
    const budgetId = budget === "" ? undefined : budget;
    const ledger = toLedgerName(periodId, budgetId);
    const name = `${accountId}\n${ledger}`;
    const running = this.#loading.get(name);
    if (running !== undefined) return running;
    const load = async () => {
      const base = await this.#loadBase(accountId, periodId, budgetId);
      await this.#install(accountId, ledger, base, nowMs);
    };
    const loading = load().finally(() => this.#loading.delete(name));
    this.#loading.set(name, loading);
    return loading;
  }

  async #install(
    accountId: string,
    ledger: string,
    base: LoadedBase,
    nowMs: number,
  ): Promise<void> {
    const [periodId] = ledger.split("\n");
    const endMs = periodAt(Date.parse(`${periodId}-01T00:00:00Z`)).endMs;
    const keptMs = Math.max(1_000, endMs + ledgerKeptMs - nowMs);
    const { version, baseByTierMicro, pending } = base;
    const ids = pending.flatMap(({ eventId, tier, creditsMicro }) => [
      eventId,
      tier,
      exact(creditsMicro),
    ]);
    const head = [ledger, keptMs, version.epoch, version.offset, ...toBase(baseByTierMicro)];
    await this.#run(scripts.install, accountId, [...head, ...toTraffic(base.traffic), ...ids]);
  }

  #run(script: Script, accountId: string, args: Arguments): Promise<readonly ReplyField[]> {
    return this.#runOnShard(script, this.#shardOf(accountId), accountId, args);
  }

  async #runOnShard(script: Script, shard: string, accountId: string, args: Arguments) {
    // A server that came back may have kept all but its last second: only `beat` can tell.
    if (this.#session !== this.#connection.sessions()) throw new CountersUnreachable("lost");
    const all = [this.#generation, this.#wallMs?.() ?? "", accountId, ...args];
    const reply = await this.#connection.run(script, shard, all);
    if (reply[0] === "lost") throw new CountersUnreachable("lost");
    return reply;
  }

  #shardOf(accountId: string): string {
    const digest = createHash("sha1").update(accountId).digest();
    return this.#shardName((digest[0] ?? 0) % shardCount);
  }

  #shards(): string[] {
    return Array.from({ length: shardCount }, (_, number) => this.#shardName(number));
  }

  #shardName(number: number): string {
    return `${this.#prefix}:{${number}}`;
  }
}
