/** One run of the simulation: a seed becomes a world with its faults, and either holds or breaks an invariant. */
import type { AccountUsage, AdmitRequest, Limits } from "../../src/admission/counters.ts";
import { periodAt } from "../../src/admission/period.ts";
import { tierNames } from "../../src/catalogue/tiers.ts";
import { wideLimits } from "../admission/requests.ts";
import type { Bug } from "./bugs.ts";
import { ConsumerDisk, runConsumer } from "./consumer.ts";
import { Delivery } from "./delivery.ts";
import { toEventId } from "./events.ts";
import { type Call, Gateway } from "./gateway.ts";
import { Oracle, Violation } from "./oracle.ts";
import { Scheduler, SimProcess, SimTime } from "./scheduler.ts";
import { LogDisk } from "./usage-log.ts";
import { SimWarehouse } from "./warehouse.ts";

/** What a run tells. */
export type Outcome = {
  readonly seed: number;
  /** Equal for equal seeds. */
  readonly hash: string;
  readonly admitted: number;
  /** The first invariant that broke. */
  readonly violation: string | undefined;
};

type SimAccount = Pick<AdmitRequest, "accountId" | "totalMicro" | "overdraftMicro" | "limits"> & {
  readonly keyLimits: Partial<Limits> | undefined;
  /** Mean milliseconds between two arrivals. */
  readonly everyMs: number;
};

/** The accounts: one short of credits, one short of requests and tokens, one with a narrow key. */
const accounts: readonly SimAccount[] = [
  {
    accountId: "poor",
    totalMicro: 30n,
    overdraftMicro: 4n,
    limits: wideLimits,
    keyLimits: undefined,
    everyMs: 2_500,
  },
  {
    accountId: "slow",
    totalMicro: 10_000n,
    overdraftMicro: 0n,
    limits: { requestsPerMinute: 12, requestsPerDay: 1_000, tokensPerMinute: 4_000 },
    keyLimits: undefined,
    everyMs: 2_500,
  },
  {
    accountId: "keyed",
    totalMicro: 60n,
    overdraftMicro: 0n,
    limits: { ...wideLimits, requestsPerMinute: 40 },
    keyLimits: { requestsPerMinute: 15 },
    everyMs: 3_000,
  },
];

/** A lease and a sweep: then no hold is left. */
const quietMs = 31_000;
/** For the events of the last sweep. */
const lastLagMs = 3_000;

/** Runs one seed, with a planted bug or without. */
export async function simulate(seed: number, bug?: Bug): Promise<Outcome> {
  const world = new World(seed, bug);
  let violation: string | undefined;
  try {
    await world.run();
  } catch (error) {
    if (!(error instanceof Violation) && bug === undefined) throw new SeedFailed(seed, error);
    violation = error instanceof Error ? error.message : String(error);
  }
  const { hash } = world.scheduler;
  return { seed, hash, admitted: world.oracle.truths.size, violation };
}

/** An error of the program, not of an invariant, with its seed. */
class SeedFailed extends Error {
  constructor(seed: number, cause: unknown) {
    super(`seed ${seed}: ${cause instanceof Error ? cause.message : cause}`, { cause });
  }
}

type Faults = ReturnType<typeof drawFaults>;

/** Each seed has some of the faults: too many at once hide one another. */
function drawFaults(scheduler: Scheduler) {
  const has = (probability: number) => scheduler.chance(probability);
  return {
    gatewayCrash: has(0.5),
    consumerCrash: has(0.5),
    zombie: has(0.25),
    stall: has(0.25),
    ambiguous: has(0.5),
    slowMessages: has(0.5),
    clockJump: has(0.2),
    monthEdge: has(0.4),
    slowLoads: has(0.4),
    requestsGoWrong: has(0.6),
    repeats: has(0.6),
    trims: has(0.5),
    refunds: has(0.4),
    /** One machine: the consumer is the gateway's child, on a pipe. Otherwise each lives for itself. */
    pipe: has(0.5),
  };
}

class World {
  readonly scheduler: Scheduler;
  readonly oracle: Oracle;
  readonly #bug: Bug | undefined;
  readonly #faults: Faults;
  readonly #time: SimTime;
  readonly #logDisk = new LogDisk();
  readonly #consumerDisk = new ConsumerDisk();
  readonly #warehouse: SimWarehouse;
  readonly #activeMs: number;
  #gateway: Gateway | undefined;
  #consumer: SimProcess | undefined;
  #calls = 0;

  constructor(seed: number, bug: Bug | undefined) {
    this.scheduler = new Scheduler(seed);
    this.#bug = bug;
    this.#faults = drawFaults(this.scheduler);
    const { zombie, clockJump, gatewayCrash, ambiguous, monthEdge } = this.#faults;
    this.oracle = new Oracle({
      overcount: zombie,
      forgottenWindows: clockJump && gatewayCrash,
    });
    this.#activeMs = this.scheduler.between(30_000, 70_000);
    const monthEndMs = Date.UTC(2026, 4);
    const leadMs = this.scheduler.between(2_000, this.#activeMs);
    this.#time = new SimTime(this.scheduler, monthEndMs - (monthEdge ? leadMs : 86_400_000 * 9));
    this.#warehouse = new SimWarehouse(this.scheduler, ambiguous, bug);
  }

  async run(): Promise<void> {
    this.#startGateway();
    this.#startConsumer();
    for (const account of accounts) this.#arrive(account);
    this.#breakSomething();
    await this.scheduler.runUntil(this.#activeMs);
    this.#warehouse.ambiguous = false;
    // What has begun may end, then everything is quiet.
    for (let waits = 0; waits < 20 && !this.#isQuiet(); waits += 1) {
      await this.scheduler.runUntil(this.scheduler.nowMs + 5_000);
    }
    this.#faults.slowMessages = false;
    await this.scheduler.runUntil(this.scheduler.nowMs + quietMs);
    await this.#checkEach((accountId, usage) => this.oracle.checkQuiet(accountId, usage));
    await this.scheduler.runUntil(this.scheduler.nowMs + lastLagMs);
    await this.#checkAtTheEnd();
  }

  #isActive(): boolean {
    return this.scheduler.nowMs < this.#activeMs;
  }

  #isQuiet(): boolean {
    const gateway = this.#gateway;
    return gateway?.serving === true && !gateway.process.stalled && gateway.callsInFlight === 0;
  }

  #startGateway(): void {
    const process = new SimProcess(this.scheduler, "gateway");
    const gateway = new Gateway({
      process,
      clock: this.#time.clockOfProcess(),
      logDisk: this.#logDisk,
      consumerDisk: this.#consumerDisk,
      oracle: this.oracle,
      bug: this.#bug,
      slowLoads: this.#faults.slowLoads,
      trims: this.#faults.trims,
    });
    this.#gateway = gateway;
    process.spawn(() => gateway.run());
  }

  #startConsumer(): void {
    const process = new SimProcess(this.scheduler, "consumer");
    this.#consumer = process;
    const { pipe, slowMessages, repeats } = this.#faults;
    const delivery = new Delivery(process, () => this.#gateway, {
      slow: () => slowMessages && this.#faults.slowMessages,
      repeats,
    });
    process.spawn(() =>
      runConsumer({
        process,
        clock: this.#time.clockOfProcess(),
        logDisk: this.#logDisk,
        disk: this.#consumerDisk,
        warehouse: this.#warehouse,
        deliver: (confirmation) =>
          pipe ? delivery.pipe(confirmation) : delivery.acknowledged(confirmation),
        basesLate: this.#bug === "sums are delivered before they are written down",
        deliveredOffset: pipe ? this.#gateway?.deliveredOffset : undefined,
      }),
    );
  }

  #arrive(account: SimAccount): void {
    const { scheduler } = this;
    scheduler.after(-Math.log(1 - scheduler.random()) * account.everyMs, () => {
      if (!this.#isActive()) return;
      const count = scheduler.chance(0.3) ? scheduler.between(2, 6) : 1;
      for (let one = 0; one < count; one += 1) this.#call(account);
      this.#arrive(account);
    });
  }

  #call(account: SimAccount): void {
    const call = this.#drawCall(account);
    const gateway = this.#gateway;
    if (!gateway?.serving || !gateway.process.alive) return;
    gateway.process.later(0, () => gateway.process.spawn(() => gateway.serve(call)));
  }

  #drawCall(account: SimAccount): Call {
    const { scheduler } = this;
    const { everyMs: _, ...ofAccount } = account;
    const wrong = this.#faults.requestsGoWrong;
    const lowest = scheduler.between(0, 2);
    const tokens = scheduler.between(1, 900);
    this.#calls += 1;
    const forgotten = wrong && scheduler.chance(0.04);
    const request = {
      ...ofAccount,
      eventId: toEventId(this.#calls),
      keyId: `${account.accountId}-key`,
      tokens,
      holdMicro: BigInt(lowest + scheduler.between(0, 3)),
      lowestMicro: BigInt(lowest),
    };
    return {
      request,
      tier: tierNames[scheduler.between(0, tierNames.length - 1)] ?? "free",
      upstreamMs: forgotten ? scheduler.between(25_000, 50_000) : this.#upstreamMs(),
      charge: scheduler.chance(0.25) ? "free" : scheduler.random(),
      tokensUsed: scheduler.between(0, tokens),
      vanishes: wrong && scheduler.chance(0.03),
      forgotten,
      settleDelayMs: scheduler.chance(0.08) ? scheduler.between(1, 4_000) : 0,
      repeats: this.#faults.repeats && scheduler.chance(0.15) ? scheduler.between(1, 2) : 0,
      refunds: this.#faults.refunds && scheduler.chance(0.15) ? scheduler.between(1, 3) : 0,
    };
  }

  #upstreamMs(): number {
    return this.scheduler.chance(0.1)
      ? this.scheduler.between(5_000, 45_000)
      : this.scheduler.between(1, 4_000);
  }

  #breakSomething(): void {
    const { scheduler } = this;
    scheduler.after(scheduler.between(500, 12_000), () => {
      if (!this.#isActive()) return;
      this.#breakOne();
      this.#breakSomething();
    });
  }

  #breakOne(): void {
    const { gatewayCrash, consumerCrash, zombie, stall, clockJump } = this.#faults;
    const acts: (() => void)[] = [];
    if (gatewayCrash) acts.push(() => this.#crashGateway());
    if (consumerCrash) acts.push(() => this.#crashConsumer());
    if (zombie && !this.#faults.pipe) acts.push(() => this.#makeZombie());
    if (stall) acts.push(() => this.#gateway?.process.stall(this.scheduler.between(100, 40_000)));
    if (clockJump) acts.push(() => this.#time.jump(this.scheduler.between(-3_600, 3_600) * 1_000));
    acts[this.scheduler.between(0, acts.length - 1)]?.();
  }

  #crashGateway(): void {
    const gateway = this.#gateway;
    if (!gateway?.process.alive) return;
    gateway.process.crash();
    if (this.#faults.pipe) this.#crashConsumer();
    this.scheduler.after(this.scheduler.between(50, 3_000), () => this.#startGateway());
  }

  #crashConsumer(): void {
    if (!this.#consumer?.alive) return;
    this.#consumer.crash();
    this.#restartConsumer();
  }

  /** A child is started by a gateway that serves. */
  #restartConsumer(): void {
    this.scheduler.after(this.scheduler.between(50, 3_000), () => {
      const gateway = this.#gateway;
      const serves = gateway?.serving === true && gateway.process.alive;
      if (!this.#faults.pipe || serves) this.#startConsumer();
      else this.#restartConsumer();
    });
  }

  /** The consumer is thought dead and replaced, yet it goes on later. */
  #makeZombie(): void {
    if (!this.#consumer?.alive) return;
    this.#consumer.stall(this.scheduler.between(500, 15_000));
    this.#startConsumer();
  }

  async #checkAtTheEnd(): Promise<void> {
    const events = this.#logDisk.events.length;
    const { offset = 0 } = this.#consumerDisk.lastProgress ?? {};
    if (offset !== events) throw new Violation(`the lag is not 0: ${offset} of ${events}`);
    this.oracle.checkEvents(this.#warehouse.effective());
    await this.#checkEach((accountId, usage) => {
      this.oracle.checkQuiet(accountId, usage);
      this.#checkSums(accountId, usage.usedByTierMicro);
    });
  }

  /** Checks what the counters show of each account. */
  async #checkEach(check: (accountId: string, usage: AccountUsage) => void): Promise<void> {
    const gateway = this.#gateway;
    if (gateway === undefined) throw new Violation("no gateway is left");
    const checks = accounts.map(async (account) =>
      check(account.accountId, await gateway.usage(account)),
    );
    const done = Promise.all(checks).catch((error: unknown) => this.scheduler.fail(error));
    await this.scheduler.runUntil(this.scheduler.nowMs + 1_000);
    await done;
  }

  /** The counters and the warehouse agree, tier by tier. */
  #checkSums(accountId: string, shown: Readonly<Record<string, bigint>>): void {
    const stored = this.#warehouse.sums({
      accountId,
      periodId: periodAt(this.#time.wallMs()).id,
    });
    for (const [tier, micro] of Object.entries(stored)) {
      if (shown[tier] !== micro)
        throw new Violation(`${accountId} ${tier}: ${shown[tier]}, stored ${micro}`);
    }
  }
}
