/** A gateway of the simulation: the real counters, driven as the chat's use case drives them. */
import {
  type AdmitRequest,
  type Admitted,
  type Counters,
  type LoadedBase,
  renewEveryMs,
} from "../../src/admission/counters.ts";
import { MemoryCounters } from "../../src/admission/memory.ts";
import { periodAt } from "../../src/admission/period.ts";
import type { TierName } from "../../src/catalogue/tiers.ts";
import type { Clock } from "../../src/platform/clock.ts";
import { readAccountTail } from "../../src/usage/account-tail.ts";
import type { Confirmation } from "../../src/usage/consumer-parts.ts";
import type { UsageLogReader } from "../../src/usage/usage-log.ts";
import { type Bug, plantBug } from "./bugs.ts";
import type { ConsumerDisk } from "./consumer.ts";
import { type SimEvent, type SimHold, toAbort, toRefund } from "./events.ts";
import type { Oracle } from "./oracle.ts";
import type { Scheduler, SimProcess } from "./scheduler.ts";
import { createLogReader, type LogDisk, SimUsageLog } from "./usage-log.ts";

/** One request, and what will become of it. */
export type Call = {
  readonly request: AdmitRequest;
  readonly tier: TierName;
  /** Until the answer is complete. */
  readonly upstreamMs: number;
  /** Charged: the lowest price, up to all that may be charged, by this share. Free: nothing. */
  readonly charge: "free" | number;
  readonly tokensUsed: number;
  /** Its handler dies without a word. */
  readonly vanishes: boolean;
  /** Its lease is never renewed. */
  readonly forgotten: boolean;
  /** Between the durable event and the settlement. */
  readonly settleDelayMs: number;
  /** How often its end is told again. */
  readonly repeats: number;
  /** How often its charge is taken back. */
  readonly refunds: number;
};

/** What a gateway is made of. */
export type GatewayParts = {
  readonly process: SimProcess;
  readonly clock: Clock;
  readonly logDisk: LogDisk;
  readonly consumerDisk: ConsumerDisk;
  readonly oracle: Oracle;
  readonly bug: Bug | undefined;
  /** Whether reading a base takes long, and fails now and then. */
  readonly slowLoads: boolean;
  /** Whether confirmed records leave the log after a while. */
  readonly trims: boolean;
};

/** Days, in a world that lasts a minute. */
const trimAfterMs = 30_000;

/** One life of the gateway, from a start to its end. */
export class Gateway {
  readonly counters: Counters;
  readonly process: SimProcess;
  serving = false;
  callsInFlight = 0;
  /** Events below were named to these counters, or are in the bases with which they begin. */
  deliveredOffset: number;
  readonly #parts: GatewayParts;
  readonly #scheduler: Scheduler;
  readonly #log: SimUsageLog;
  readonly #logReader: UsageLogReader;
  readonly #alive = new Map<string, string>();

  constructor(parts: GatewayParts) {
    this.#parts = parts;
    this.process = parts.process;
    this.#scheduler = parts.process.scheduler;
    this.deliveredOffset = parts.consumerDisk.lastProgress?.confirmedOffset ?? 0;
    const flushless = parts.bug === "the log acknowledges before it has flushed";
    this.#log = new SimUsageLog(parts.logDisk, parts.process, flushless);
    this.#logReader = createLogReader(parts.logDisk, parts.process);
    const counters = new MemoryCounters({
      clock: parts.clock,
      loadBase: (accountId, periodId) => this.#loadBase(accountId, periodId),
      accountsMax: 2,
    });
    this.counters = plantBug(parts.bug, counters, (ms) => this.process.sleep(ms));
  }

  async run(): Promise<void> {
    this.#parts.oracle.gatewayStarted();
    await this.#log.recover();
    this.serving = true;
    let renewedAtMs = this.#scheduler.nowMs;
    for (;;) {
      await this.process.sleep(1_000);
      if (this.#scheduler.nowMs - renewedAtMs >= renewEveryMs) {
        renewedAtMs = this.#scheduler.nowMs;
        const alive = [...this.#alive];
        await this.counters.renew(alive.map(([eventId, accountId]) => ({ eventId, accountId })));
      }
      await this.#sweep();
    }
  }

  /** Takes what the consumer has confirmed; resolves when it is in the counters. */
  async confirm({ confirmedOffset, sums }: Confirmation): Promise<void> {
    for (const one of sums) await this.counters.confirm(one);
    this.deliveredOffset = Math.max(this.deliveredOffset, confirmedOffset);
    const { trims, logDisk } = this.#parts;
    if (trims) this.process.later(trimAfterMs, () => logDisk.trim(confirmedOffset));
    this.#scheduler.trace(`confirm ${confirmedOffset}`);
  }

  async serve(call: Call): Promise<void> {
    this.callsInFlight += 1;
    const admitted = await this.#admit(call.request);
    if (admitted) await this.#answer(call, admitted);
    this.callsInFlight -= 1;
  }

  async #admit(request: AdmitRequest): Promise<Admitted | undefined> {
    try {
      const admission = await this.counters.admit(request);
      const outcome = admission.admitted ? "admitted" : admission.reason;
      this.#scheduler.trace(`${request.eventId} ${outcome}`);
      this.#parts.oracle.admissionDecided(request, admission, this.#scheduler.nowMs);
      return admission.admitted ? admission : undefined;
    } catch (error) {
      if (error instanceof LoadFailed) return undefined;
      throw error;
    }
  }

  async #answer(call: Call, admitted: Admitted): Promise<void> {
    const { request } = call;
    const { eventId, accountId, keyId, tokens } = request;
    const { periodId, admittedAtMs } = admitted;
    const { oracle } = this.#parts;
    const hold: SimHold = { eventId, accountId, keyId, periodId, admittedAtMs, tokens };
    void this.#log.hold(hold).then(() => oracle.holdDurable(eventId));
    if (call.vanishes) return;
    if (!call.forgotten) this.#alive.set(eventId, accountId);
    // The end may come before the hold is on disk.
    await this.process.sleep(call.upstreamMs);
    const event = this.#toEvent(call, admitted);
    await this.#log.append(event, call.tokensUsed);
    oracle.eventDurable(event, call.tokensUsed);
    if (call.settleDelayMs > 0) await this.process.sleep(call.settleDelayMs);
    await this.#end(call, event);
    this.#alive.delete(eventId);
    this.#scheduler.trace(`${eventId} answered`);
    for (let repeat = 0; repeat < call.repeats; repeat += 1) {
      await this.process.sleep(this.#scheduler.between(0, 2_500));
      await this.#end(call, event);
    }
    for (let refund = 0; refund < call.refunds; refund += 1) await this.#refund(event, refund);
  }

  /** Nobody may know whether the one before was done. */
  async #refund(charged: SimEvent, number: number): Promise<void> {
    const { oracle, bug } = this.#parts;
    await this.process.sleep(this.#scheduler.between(0, 4_000));
    if (charged.creditsMicro === 0n) return;
    const isOwn = bug === "a refund that is asked for again is another event";
    const refund = isOwn
      ? toRefund(charged, toFreshId(charged.eventId, number))
      : toRefund(charged);
    await this.#log.append(refund);
    oracle.refundDurable(refund);
    this.#scheduler.trace(`${charged.eventId} refunded`);
  }

  async #end({ charge, tokensUsed, request }: Call, event: SimEvent): Promise<void> {
    const { eventId, accountId, tier, creditsMicro } = event;
    const { oracle } = this.#parts;
    if (charge === "free") {
      await this.counters.release(eventId, { accountId, tokens: tokensUsed });
      oracle.released(eventId);
    } else {
      const settlement = { accountId, tier, creditsMicro, tokens: tokensUsed };
      oracle.settled(eventId, await this.counters.settle(eventId, settlement));
    }
    oracle.checkUsage(accountId, await this.usage(request));
  }

  /** Reads until the base could be read. */
  async usage({ accountId, totalMicro }: Pick<AdmitRequest, "accountId" | "totalMicro">) {
    for (;;) {
      try {
        return await this.counters.usage(accountId, totalMicro);
      } catch (error) {
        if (!(error instanceof LoadFailed)) throw error;
      }
    }
  }

  #toEvent(call: Call, { chargeMaxMicro, periodId }: Admitted): SimEvent {
    const { eventId, accountId, lowestMicro } = call.request;
    const span = Number(chargeMaxMicro - lowestMicro);
    const above = call.charge === "free" ? 0 : Math.round(span * call.charge);
    return {
      eventId,
      rev: 1,
      accountId,
      periodId:
        this.#parts.bug === "the period is that of the request's end"
          ? periodAt(this.#parts.clock.wallMs()).id
          : periodId,
      tier: call.tier,
      creditsMicro: call.charge === "free" ? 0n : lowestMicro + BigInt(above),
    };
  }

  async #sweep(): Promise<void> {
    for (const swept of await this.counters.sweep()) {
      this.#scheduler.trace(`${swept.eventId} swept`);
      this.#parts.oracle.swept(swept.eventId);
      const abort = toAbort(swept);
      const { tokens } = this.#parts.oracle.truths.get(swept.eventId) ?? { tokens: 0 };
      this.process.spawn(async () => {
        await this.#log.append(abort);
        this.#parts.oracle.eventDurable(abort, tokens);
      });
    }
  }

  async #loadBase(accountId: string, periodId: string): Promise<LoadedBase> {
    const { consumerDisk, slowLoads } = this.#parts;
    if (slowLoads) await this.process.sleep(this.#scheduler.between(0, 30));
    if (slowLoads && this.#scheduler.chance(0.1)) throw new LoadFailed();
    const tail = await readAccountTail(accountId, periodId, {
      log: this.#logReader,
      records: consumerDisk,
    });
    return { ...tail, traffic: this.#readTraffic(accountId) };
  }

  #readTraffic(accountId: string) {
    const nowMs = this.#parts.clock.wallMs();
    const today = Math.floor(nowMs / 86_400_000);
    const holds = [...this.#parts.logDisk.holds.values()].filter(
      (hold) => hold.accountId === accountId,
    );
    const ofToday = holds.filter((hold) => Math.floor(hold.admittedAtMs / 86_400_000) === today);
    const todayByKey = Map.groupBy(ofToday, ({ keyId }) => keyId);
    return {
      requests: holds.filter(({ admittedAtMs }) => admittedAtMs > nowMs - 60_000),
      todayByKey: new Map([...todayByKey].map(([keyId, all]) => [keyId, all.length])),
    };
  }
}

function toFreshId(eventId: string, number: number): string {
  return `${number + 1}${eventId.slice(1)}`;
}

/** A base that could not be read. */
class LoadFailed extends Error {}
