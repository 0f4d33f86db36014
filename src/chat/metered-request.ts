// One admitted request, from its hold to its durable end.
import assert from "node:assert/strict";
import type { Admitted, Budget } from "../admission/counters.ts";
import { leaveCounters } from "../admission/leave.ts";
import type { CatalogueModel, Model } from "../catalogue/models.ts";
import type { TierName } from "../catalogue/tiers.ts";
import type { ChatUsage } from "../gen/optamil/v1/chat_pb.ts";
import type { UsageEvent } from "../gen/optamil/v1/event_pb.ts";
import type { Cancellation, CancelReason } from "../platform/cancellation.ts";
import type { Explanation } from "../router/choose.ts";
import type { ShadowDecision } from "../router/shadow.ts";
import { charge } from "../usage/charge.ts";
import { costNanoUsd } from "../usage/cost.ts";
import { countTokens } from "../usage/estimate.ts";
import { type AttemptRecord, createSettlement } from "../usage/event.ts";
import type { DecisionRecord } from "../usage/event-decision.ts";
import { type Ending, toOutcome } from "../usage/outcome.ts";
import { noTokens } from "../usage/tokens.ts";
import type { MeteredCall } from "./call.ts";
import type { MeterParts } from "./meter-parts.ts";

/** What metering needs to know of where a request goes. */
export type MeteredRoute = {
  /** What to try, best first. */
  readonly candidates: readonly { readonly model: Pick<CatalogueModel, "tier"> }[];
  /** Estimated length of the request, and the most tokens of its answer; undefined: the model's own bound. */
  readonly features: {
    readonly promptTokens: number;
    readonly maxOutputTokens: number | undefined;
  };
  /** Tier of the model that the client named; undefined for `auto`. */
  readonly requestedTier: TierName | undefined;
  /** The router's reasons in one line, if it was asked. */
  readonly explanation: string | undefined;
  /** The same, whole. */
  readonly decision?: Explanation | undefined;
};

/** How a request ended. */
export type RequestEnding = {
  readonly by: Ending["by"];
  /** Whether content had reached the client. */
  readonly contentSent: boolean;
  /** The model and provider that answered; undefined if none did. */
  readonly served: { readonly model: CatalogueModel; readonly provider: string } | undefined;
  /** Tokens as the provider counted them. */
  readonly usage: ChatUsage | undefined;
  /** Events with content that were relayed; 0 for an answer in one piece. */
  readonly relayedEvents: number;
  /** The text that was relayed, where the provider gave no usage for an answer in one piece. */
  readonly relayedText?: string | undefined;
  /** Status of the answer; 499 where the client had left. */
  readonly httpStatus: number;
  /** When the first content came, monotonic milliseconds. */
  readonly firstContentAtMs: number | undefined;
};

/** Who ended a request that no provider completed. */
export function endedBy({ reason }: Cancellation): Exclude<Ending["by"], "complete"> {
  if (reason === undefined) return "upstream";
  if (reason === "client_closed") return "client";
  return reason === "deadline" ? "deadline" : "gateway";
}

/** The end of a request that nobody answered. */
export function unserved(by: Ending["by"], httpStatus: number): RequestEnding {
  return {
    by,
    contentSent: false,
    served: undefined,
    usage: undefined,
    relayedEvents: 0,
    httpStatus: by === "client" ? 499 : httpStatus,
    firstContentAtMs: undefined,
  };
}

type Parts = Pick<
  MeterParts,
  "counters" | "usageLog" | "clock" | "schedule" | "baselineOf" | "thresholds"
>;

type Opened = {
  readonly call: MeteredCall;
  readonly route: MeteredRoute;
  readonly eventId: string;
  readonly hold: UsageEvent;
  readonly admitted: Admitted;
  readonly committed: Promise<void>;
  readonly budgets: readonly Budget[] | undefined;
};

/** An admitted request. */
export class MeteredRequest {
  /**
   * Resolves when the admission survives the process: no byte goes out before. Rejects if it cannot. Who waits for it
   * says so by `hurry`; `settle` needs neither.
   */
  readonly committed: Promise<void>;
  readonly eventId: string;
  readonly hold: UsageEvent;
  /** What other weights would have decided; undefined: they are not asked. */
  shadow: ShadowDecision | undefined;
  readonly #parts: Parts;
  /** That of its admission: the configuration may change before its end. */
  readonly #baseline: Model | undefined;
  readonly #opened: Opened;
  readonly #onClosed: () => void;
  readonly #attempts: AttemptRecord[] = [];
  #settled = false;
  #refused = false;

  constructor(parts: Parts, opened: Opened, onClosed: () => void) {
    this.#parts = parts;
    // Nobody saves anything by vectors: there is no choice.
    const isChat = opened.call.operation !== "embeddings";
    this.#baseline = isChat ? parts.baselineOf(opened.call.caller) : undefined;
    this.#opened = opened;
    this.#onClosed = onClosed;
    this.committed = opened.committed;
    this.eventId = opened.eventId;
    this.hold = opened.hold;
    opened.call.trail?.admitted();
    opened.committed.catch(() => this.#abandon());
  }

  get accountId(): string {
    return this.#opened.call.caller.accountId;
  }

  get keyId(): string {
    return this.#opened.call.caller.keyId;
  }

  /** Tells all parts of the request that it is over. */
  cancel(reason: CancelReason): void {
    this.#opened.call.cancellation.cancel(reason);
  }

  /** What the request may cost at most by its estimate, micro-credits. */
  get heldMicro(): bigint {
    return this.#opened.admitted.heldMicro;
  }

  /** Has the admission recorded now. */
  hurry(): void {
    this.#parts.usageLog.hurry();
  }

  /** Notes a call to a provider. */
  attempted(attempt: AttemptRecord): void {
    this.#attempts.push(attempt);
  }

  /**
   * Makes the end durable, then turns the hold into usage. Resolves with the charge in micro-credits. Throws
   * `service_unavailable` when the admission or the end cannot be recorded: the answer must not end well then.
   */
  async settle(ending: RequestEnding): Promise<bigint> {
    if (this.#refused) await this.committed;
    if (this.#settled) assert.fail("a request ends once");
    this.#settled = true;
    const { counters, usageLog } = this.#parts;
    const { eventId, accountId } = this;
    const { event, tokens } = this.#toEvent(ending);
    let recorded: UsageEvent | undefined;
    try {
      await usageLog.append(event);
      recorded = event;
      const done = leaveCounters(counters, eventId, {
        accountId,
        tokens: tokens.prompt + tokens.completion,
        tier: ending.served?.model.tier,
        creditsMicro: event.creditsMicro,
      });
      if (done instanceof Promise) await done;
      this.#noteBudgets(event.creditsMicro);
    } finally {
      if (recorded === undefined) this.#releaseUnrecorded();
      this.#onClosed();
      this.#opened.call.trail?.ended(recorded);
    }
    return event.creditsMicro;
  }

  /** What the budgets had used at the admission, and this charge: others that ran meanwhile tell of their own. */
  #noteBudgets(creditsMicro: bigint): void {
    const { budgets, admitted } = this.#opened;
    const { accountId } = this;
    const { periodId, budgetsUsedMicro = [] } = admitted;
    for (const [at, budget] of (budgets ?? []).entries()) {
      const usedMicro = (budgetsUsedMicro[at] ?? 0n) + creditsMicro;
      this.#parts.thresholds.note({ accountId, periodId, budget, usedMicro });
    }
  }

  #abandon(): void {
    this.#refused = true;
    // Its end is on its way to the disk, and decides.
    if (this.#settled) return;
    this.#releaseUnrecorded();
    this.#onClosed();
    this.#opened.call.trail?.ended(undefined);
  }

  /** What is not recorded is not served, so it holds nothing either. */
  #releaseUnrecorded(): void {
    void this.#parts.counters.release(this.eventId, { accountId: this.accountId, tokens: 0 });
  }

  #toEvent(ending: RequestEnding) {
    const { schedule, clock } = this.#parts;
    const baseline = this.#baseline;
    const { call, route, hold, admitted } = this.#opened;
    const { served, contentSent } = ending;
    const outcome = toOutcome({ by: ending.by, stream: call.stream, contentSent });
    const relayed = {
      promptTokens: route.features.promptTokens,
      events: ending.relayedEvents,
      text: ending.relayedText,
    };
    const tokens = served === undefined ? noTokens : countTokens(ending.usage, relayed);
    const price = charge(
      {
        outcome,
        servedTier: served?.model.tier,
        requestedTier: route.requestedTier,
        tokens,
        operation: call.operation,
      },
      schedule,
    );
    const event = createSettlement(hold, {
      outcome,
      finishedAtMs: clock.wallMs(),
      served: served && {
        model: served.model.name,
        tier: served.model.tier,
        provider: served.provider,
      },
      tokens,
      creditsMicro: lesser(price, admitted.chargeMaxMicro),
      providerCostNanoUsd: served === undefined ? 0n : costNanoUsd(served.model, tokens),
      baselineCostNanoUsd: baseline === undefined ? 0n : costNanoUsd(baseline, tokens),
      baselineModel: baseline?.name,
      attempts: this.#attempts,
      httpStatus: ending.httpStatus,
      firstTokenMs:
        ending.firstContentAtMs === undefined
          ? undefined
          : ending.firstContentAtMs - call.receivedAtMs,
      route: route.explanation,
      decision: toDecisionRecord(route.decision),
      shadow: toDecisionRecord(this.shadow?.decision()?.explanation),
      estimatedPromptTokens: Math.min(route.features.promptTokens, 4_294_967_295),
    });
    return { event, tokens };
  }
}

function toDecisionRecord(explanation: Explanation | undefined): DecisionRecord | undefined {
  return explanation && { ...explanation, chances: explanation.p };
}

function lesser(one: bigint, other: bigint): bigint {
  if (one < other) return one;
  return other;
}
