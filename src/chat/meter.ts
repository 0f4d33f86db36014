// Meters requests: limits and credits before the first byte, the durable event before the last.
import type { Admission, Admitted, Limits, Refused, WindowName } from "../admission/counters.ts";
import type { Spending } from "../directory/budgets.ts";
import { priceBounds } from "../usage/charge.ts";
import { createHold } from "../usage/event.ts";
import type { MeteredCall } from "./call.ts";
import { narrowedBy } from "./key-limits.ts";
import type { MeterParts } from "./meter-parts.ts";
import { MeteredRequest, type MeteredRoute } from "./metered-request.ts";
import { toRefusal } from "./refusal.ts";

/** Completion tokens that a request without max_tokens is taken to use at admission. */
const completionTokensAssumed = 512;

/** The meter of a gateway. */
export class Meter {
  readonly #parts: MeterParts;
  readonly #open = new Map<string, MeteredRequest>();

  constructor(parts: MeterParts) {
    this.#parts = parts;
  }

  /**
   * Admits a request and records it, or refuses it.
   *
   * Throws `rate_limit_exceeded`, `insufficient_credits`, `context_length_exceeded` (larger than a whole
   * window), `service_unavailable` (it cannot be recorded).
   */
  async admit(call: MeteredCall, route: MeteredRoute): Promise<MeteredRequest> {
    const { counters, schedule, uuids, entitlementOf, spendingOf } = this.#parts;
    const { caller } = call;
    const { limits, totalMicro, overdraftMicro } = entitlementOf(caller);
    const spending = spendingOf(caller, call.tag);
    const { promptTokens, maxOutputTokens } = route.features;
    const tokens = promptTokens + (maxOutputTokens ?? completionTokensAssumed);
    const tiers = route.candidates.map(({ model }) => model.tier);
    const { lowestMicro, highestMicro } = priceBounds(tiers, tokens, schedule, call.operation);
    const eventId = call.eventId ?? uuids.text();
    const [first] = tiers;
    const asked = { model: call.request.model, tier: first };
    const narrowing = narrowedBy(caller.limits, asked);
    const decision = counters.admit({
      eventId,
      accountId: caller.accountId,
      keyId: caller.keyId,
      limits,
      keyLimits: narrowing.keyLimits,
      keyRunningMax: narrowing.keyRunningMax,
      parts: narrowing.parts,
      tokens,
      totalMicro,
      overdraftMicro,
      holdMicro: highestMicro,
      lowestMicro,
      budgets: spending.budgets,
    });
    const admission = decision instanceof Promise ? await decision : decision;
    call.showRate({ rate: admission.rate, refusedBy: refusedBy(admission) });
    if (!admission.admitted) throw this.#refuse(call, eventId, admission, limits, tokens);
    return this.#record(call, route, eventId, { admission, spending });
  }

  /** The admitted requests that have not ended, and what they hold together. */
  get held(): { readonly open: number; readonly micro: bigint } {
    let micro = 0n;
    for (const { heldMicro } of this.#open.values()) micro += heldMicro;
    return { open: this.#open.size, micro };
  }

  /** Cuts what a key has running: its streams end with an error frame at once. */
  cut(keyId: string): void {
    for (const request of [...this.#open.values()]) {
      if (request.keyId === keyId) request.cancel("revoked");
    }
  }

  /** Ends all that runs: streams end with an error frame, uncharged. For the end of the process. */
  cutAll(): void {
    for (const request of [...this.#open.values()]) request.cancel("shutdown");
  }

  /** To be called every second: renews what lives, frees what died, and writes down sampled refusals. */
  async tick(renew: boolean): Promise<void> {
    const { counters, usageLog, rejections } = this.#parts;
    if (renew) {
      const holds = [...this.#open.values()].map(({ eventId, accountId }) => ({
        eventId,
        accountId,
      }));
      await counters.renew(holds);
    }
    for (const swept of await counters.sweep()) {
      const request = this.#open.get(swept.eventId);
      if (request !== undefined) await usageLog.append(request.hold);
    }
    await rejections.flush();
  }

  #record(
    call: MeteredCall,
    route: MeteredRoute,
    eventId: string,
    { admission: admitted, spending }: { admission: Admitted; spending: Spending },
  ): MeteredRequest {
    const { caller } = call;
    const hold = createHold({
      eventId,
      accountId: caller.accountId,
      keyId: caller.keyId,
      periodId: admitted.periodId,
      admittedAtMs: admitted.admittedAtMs,
      requestedModel: call.request.model,
      stream: call.stream,
      holdMicro: admitted.heldMicro,
      scheduleVersion: this.#parts.schedule.version,
      requestId: call.requestId,
      tag: call.tag,
      operation: call.operation,
      trace: call.trail?.trace,
      rootKeyId: spending.rootKeyId,
      budgets: spending.budgets,
    });
    const committed = this.#parts.usageLog.hold(hold);
    const request = new MeteredRequest(
      this.#parts,
      { call, route, eventId, hold, admitted, committed, budgets: spending.budgets },
      () => this.#open.delete(eventId),
    );
    this.#open.set(eventId, request);
    return request;
  }

  #refuse(
    call: MeteredCall,
    eventId: string,
    refused: Refused,
    limits: Limits,
    tokens: number,
  ): Error {
    const error = toRefusal(refused, limits, tokens);
    this.#parts.rejections.add(call, eventId, error.row.status, this.#parts.clock.wallMs());
    return error;
  }
}

function refusedBy(admission: Admission): WindowName | undefined {
  if (admission.admitted) return undefined;
  const { reason } = admission;
  return reason === "requests-minute" || reason === "requests-day" || reason === "tokens-minute"
    ? reason
    : undefined;
}
