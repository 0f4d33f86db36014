/** Two gateways on one Redis that fails, with a log that events reach late, and a warehouse that is always right. */
import { setTimeout as wait } from "node:timers/promises";
import type { ConfirmedSums } from "../../src/admission/counters.ts";
import { FleetCounters } from "../../src/admission/fleet-counters.ts";
import { MemoryCounters } from "../../src/admission/memory.ts";
import type { ReadBase } from "../../src/admission/recovery.ts";
import type { RedisConnection, ReplyField } from "../../src/admission/redis/connection.ts";
import { RedisCounters } from "../../src/admission/redis.ts";
import { CountersUnreachable } from "../../src/admission/shared-counters.ts";
import { ManualClock } from "./manual-clock.ts";
import { byTier, credit, emptyBase, request } from "./requests.ts";

/** What happens next; `dice` decides what is left open. */
export type Happening = {
  readonly name:
    | "admit"
    | "settle"
    | "insert"
    | "confirm"
    | "tick"
    | "fail"
    | "mend"
    | "slow"
    | "lose";
  readonly gateway: number;
  readonly dice: number;
};

type Recorded = {
  readonly eventId: string;
  readonly creditsMicro: bigint;
  readonly budgets: readonly string[];
};

const accountId = "account";
const periodId = "2026-04";
const rich = 1_000_000n * credit;
const budgetIds = ["key:one", "tag:two"] as const;

/** The account, and its budgets. */
export const ledgers: readonly (string | undefined)[] = [undefined, ...budgetIds];
const leaseMs = 30_000;
/** How long commands are under way on a slow link: longer than anybody waits. */
const slowMs = 4;
const patience = { silenceMs: 1, slowWaitMs: 0, quickMs: 1_000 };

/** The world of one run. */
export class RebuildWorld {
  readonly #clock = new ManualClock();
  readonly #links: FailingLink[] = [];
  readonly #gateways: FleetCounters[] = [];
  readonly #consumer: RedisCounters;
  readonly #wipe: () => Promise<void>;
  readonly #open: { eventId: string; gateway: number; budgets: readonly string[] }[] = [];
  /** All that has ended, in the order of its end. */
  readonly #log: Recorded[] = [];
  /** What has reached the log that all read, and of that the warehouse. */
  #forwarded = 0;
  #inserted = 0;
  #confirmed = 0;
  #admitted = 0;
  #reads = 0;
  /** Gateways that have not looked since the last loss: of what they know nothing is handed in yet. */
  #unaware = new Set([0, 1]);

  /** `connection` reaches a server that nobody else uses. */
  constructor(connection: RedisConnection, wipe: () => Promise<void>) {
    this.#wipe = wipe;
    const keyPrefix = crypto.randomUUID();
    const clock = this.#clock;
    const toShared = (replicaId?: string) => {
      const link = new FailingLink(connection);
      this.#links.push(link);
      const common = { connection: link, keyPrefix, wallMs: () => clock.wallMs() };
      return new RedisCounters({
        ...common,
        replicaId,
        loadBase: (_account, _period, budgetId) => this.#readBase([], budgetId),
      });
    };
    for (const replicaId of ["one", "other"]) {
      const local = new MemoryCounters({ clock, loadBase: () => emptyBase });
      const readBase: ReadBase = (_account, _period, eventIds, budgetId) =>
        this.#readBase(eventIds, budgetId);
      const shared = toShared(replicaId);
      this.#gateways.push(new FleetCounters({ shared, local, readBase, clock, patience }));
    }
    this.#consumer = toShared();
  }

  /** Lets one thing happen. */
  async happen({ name, gateway, dice }: Happening): Promise<void> {
    switch (name) {
      case "admit":
        return this.#admit(gateway, dice);
      case "settle":
        return this.#settle(dice);
      case "insert":
        this.#forwarded += dice % (this.#log.length - this.#forwarded + 1);
        this.#inserted += (dice >> 8) % (this.#forwarded - this.#inserted + 1);
        return;
      case "confirm":
        return this.#confirm();
      case "tick":
        this.#clock.advance(1_000);
        this.#unaware.delete(gateway % 2);
        return this.#gateways[gateway % 2]?.tick();
      case "fail":
        return this.#links[dice % 3]?.fail(dice);
      case "mend":
        return this.#links[dice % 3]?.mend(dice);
      case "slow":
        return this.#links[dice % 3]?.slow(dice % 2 === 1);
      case "lose":
        await this.#wipe();
        this.#unaware = new Set([0, 1]);
    }
  }

  /** Whether all gateways trust a Redis in which nothing can come late any more. */
  get trusted(): boolean {
    return (
      this.#gateways.every((gateway) => /up|slow/.test(gateway.status().state)) &&
      this.#unaware.size === 0 &&
      this.#links.every(({ quiet }) => quiet)
    );
  }

  /** What Redis counts of a ledger, beside what has been charged; undefined if it has just lost it. */
  async usage(
    budgetId: string | undefined,
  ): Promise<{ usedMicro: bigint; chargedMicro: bigint } | undefined> {
    try {
      // Each gateway tells all that has ended there.
      await this.#gateways[1]?.usage(accountId, rich, budgetId);
      const { usedMicro } = (await this.#gateways[0]?.usage(accountId, rich, budgetId)) ?? {};
      const chargedMicro = this.#sumOf(this.#log.length, budgetId);
      return usedMicro === undefined ? undefined : { usedMicro, chargedMicro };
    } catch {
      return undefined;
    }
  }

  /** Mends everything, ends every request, and lets the consumers confirm all. */
  async calmDown() {
    for (const link of this.#links) {
      link.slow(false);
      await link.mend(0);
    }
    await this.#untilUp();
    while (this.#open.length > 0) await this.#settle(0);
    await this.#untilUp();
    this.#forwarded = this.#log.length;
    await this.#consumeAll();
    // What was admitted by a command that came late belongs to nobody, and is swept.
    this.#clock.advance(leaseMs + 1);
    for (const gateway of this.#gateways) await gateway.sweep();
    const found = [];
    for (const budgetId of ledgers) {
      const usage = await this.#gateways[0]?.usage(accountId, rich, budgetId);
      const { usedMicro, heldMicro } = usage ?? {};
      found.push({ usedMicro, heldMicro, chargedMicro: this.#sumOf(this.#log.length, budgetId) });
    }
    return found;
  }

  async #untilUp(): Promise<void> {
    // The first question on a new connection finds out that it is one.
    for (const gateway of this.#gateways) {
      await gateway.usage(accountId, rich).catch(() => undefined);
    }
    for (let round = 0; round < 20; round += 1) {
      this.#clock.advance(1_000);
      for (const gateway of this.#gateways) await gateway.tick();
      this.#unaware.clear();
      if (round > 1 && this.trusted) return;
    }
    throw new Error("the counters did not come back");
  }

  async #admit(gateway: number, dice: number): Promise<void> {
    this.#admitted += 1;
    const eventId = `event-${this.#admitted}`;
    const budgets = budgetIds.filter((_, at) => (dice >> at) % 2 === 1);
    const asked = request({
      eventId,
      totalMicro: rich,
      overdraftMicro: dice % 4 === 0 ? 0n : rich,
      budgets: budgets.map((id) => ({ id, limitMicro: rich })),
    });
    try {
      const admission = await this.#gateways[gateway % 2]?.admit(asked);
      if (admission?.admitted) this.#open.push({ eventId, gateway: gateway % 2, budgets });
    } catch {
      // Refused: nothing has begun.
    }
  }

  /** The log first, then the counters: as a request ends. */
  async #settle(dice: number): Promise<void> {
    const [ended] = this.#open.splice(dice % Math.max(1, this.#open.length), 1);
    if (ended === undefined) return;
    const { eventId, gateway, budgets } = ended;
    const creditsMicro = credit + BigInt(dice % 7);
    const settlement = { accountId, tokens: 10, tier: "mid", creditsMicro } as const;
    this.#log.push({ eventId, creditsMicro, budgets });
    await this.#gateways[gateway]?.settle(eventId, settlement);
  }

  async #confirm(): Promise<void> {
    if (this.#inserted === this.#confirmed) return;
    const offset = this.#inserted;
    const toSums = (budgetId: string | undefined): ConfirmedSums => ({
      ...{ accountId, periodId, budgetId, version: { epoch: 0, offset } },
      baseByTierMicro: byTier({ mid: this.#sumOf(offset, budgetId) }),
      includedIds: this.#log
        .slice(this.#confirmed, offset)
        .filter((recorded) => isOf(recorded, budgetId))
        .map(({ eventId }) => eventId),
    });
    try {
      await this.#consumer.open((await this.#consumer.beat(false)).generation);
      for (const budgetId of ledgers.toReversed()) await this.#consumer.confirm(toSums(budgetId));
      this.#confirmed = offset;
    } catch (error) {
      if (!(error instanceof CountersUnreachable)) throw error;
    }
  }

  /** The log's tail, then the warehouse's sums; now and then the consumers go on between the two, or after them. */
  async #readBase(asked: readonly string[], budgetId: string | undefined) {
    const tail = this.#log
      .slice(this.#confirmed, this.#forwarded)
      .filter((recorded) => isOf(recorded, budgetId));
    const version = { epoch: 0, offset: this.#confirmed };
    this.#reads += 1;
    if (this.#reads % 3 === 1) await this.#consumeAll();
    const inserted = this.#log.slice(0, this.#inserted);
    const ofLedger = inserted.filter((recorded) => isOf(recorded, budgetId));
    const stored = new Set(ofLedger.map(({ eventId }) => eventId));
    const ids = new Set([...asked, ...tail.map(({ eventId }) => eventId)]);
    const base = {
      baseByTierMicro: byTier({ mid: this.#sumOf(this.#inserted, budgetId) }),
      version,
      pending: tail
        .filter(({ eventId }) => !stored.has(eventId))
        .map(({ eventId, creditsMicro }) => ({ eventId, creditsMicro, tier: "mid" as const })),
      includedIds: [...ids].filter((eventId) => stored.has(eventId)),
    };
    if (this.#reads % 3 === 2) await this.#consumeAll();
    return base;
  }

  async #consumeAll(): Promise<void> {
    this.#inserted = this.#forwarded;
    await this.#confirm();
  }

  #sumOf(offset: number, budgetId: string | undefined): bigint {
    return this.#log
      .slice(0, offset)
      .filter((recorded) => isOf(recorded, budgetId))
      .reduce((sum, { creditsMicro }) => sum + creditsMicro, 0n);
  }
}

function isOf({ budgets }: Recorded, budgetId: string | undefined): boolean {
  return budgetId === undefined || budgets.includes(budgetId);
}

/** A connection that is slow, loses commands, or their answers, or carries them out when nobody expects it any more. */
class FailingLink implements RedisConnection {
  readonly #connection: RedisConnection;
  readonly #late: (() => Promise<unknown>)[] = [];
  #failing: number | undefined;
  #sessions = 0;
  #isSlow = false;
  #underWay = 0;
  /** Commands arrive in the order of their sending. */
  #arrived: Promise<unknown> = Promise.resolve();

  constructor(connection: RedisConnection) {
    this.#connection = connection;
  }

  get quiet(): boolean {
    return this.#failing === undefined && this.#late.length === 0;
  }

  fail(dice: number): void {
    this.#failing = dice;
  }

  /** Half of the commands that are late come at once, the others between later ones. */
  async mend(dice: number): Promise<void> {
    this.#failing = undefined;
    if (dice % 2 === 1) this.#sessions += 1;
    const now = dice === 0 ? this.#late.length : Math.ceil(this.#late.length / 2);
    for (const command of this.#late.splice(0, now)) await command();
  }

  slow(isSlow: boolean): void {
    this.#isSlow = isSlow;
  }

  run(...command: Parameters<RedisConnection["run"]>): Promise<readonly ReplyField[]> {
    if (!this.#isSlow && this.#underWay === 0) return this.#arrive(...command);
    const dueMs = performance.now() + (this.#isSlow ? slowMs : 0);
    this.#underWay += 1;
    const answer = this.#arrived.then(async () => {
      await wait(Math.max(0, dueMs - performance.now()));
      return this.#arrive(...command);
    });
    this.#arrived = answer.catch(() => undefined).finally(() => (this.#underWay -= 1));
    return answer;
  }

  async #arrive(...command: Parameters<RedisConnection["run"]>) {
    const carryOut = () => this.#connection.run(...command);
    if (this.#failing === undefined) {
      await this.#late.shift()?.();
      return carryOut();
    }
    // Each command fails in its own way, the same in every run of the same dice.
    this.#failing = (Math.imul(this.#failing, 1_664_525) + 1_013_904_223) >>> 0;
    const way = (this.#failing >>> 16) % 3;
    if (way === 0) this.#late.push(carryOut);
    if (way === 1) await carryOut();
    throw new CountersUnreachable("down");
  }

  async set(key: string, value: string): Promise<void> {
    if (this.#failing !== undefined) throw new CountersUnreachable("down");
    await this.#connection.set(key, value);
  }

  ready(): Promise<void> {
    return this.#connection.ready();
  }

  sessions(): number {
    return this.#sessions;
  }

  lastRoundTripMs(): number | undefined {
    return this.#connection.lastRoundTripMs();
  }

  silentMs(): number {
    if (this.#underWay > 0) return Number.POSITIVE_INFINITY;
    return this.#connection.silentMs();
  }

  close(): void {
    this.#connection.close();
  }
}
