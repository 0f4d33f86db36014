/** The ways of a confirmation from the consumer to the gateway. */
import type { Confirmation } from "../../src/usage/consumer-parts.ts";
import type { Gateway } from "./gateway.ts";
import type { SimProcess } from "./scheduler.ts";
import { NoAnswer } from "./warehouse.ts";

const answerWaitMs = 600;

/** How messages go wrong. */
export type DeliveryFaults = { readonly slow: () => boolean; readonly repeats: boolean };

/** What one consumer process sends: what is on its way is a copy. */
export class Delivery {
  readonly #sender: SimProcess;
  readonly #gateway: () => Gateway | undefined;
  readonly #faults: DeliveryFaults;
  #lastArrivalMs = 0;
  #broken = false;

  constructor(sender: SimProcess, gateway: () => Gateway | undefined, faults: DeliveryFaults) {
    this.#sender = sender;
    this.#gateway = gateway;
    this.#faults = faults;
  }

  /** A pipe: in order, without an answer; when its writer has died, the rest of what is in it may be lost. */
  async pipe(given: Confirmation): Promise<void> {
    const { scheduler } = this.#sender;
    const confirmation = structuredClone(given);
    this.#lastArrivalMs = Math.max(this.#lastArrivalMs, scheduler.nowMs + this.#delayMs());
    const gateway = this.#gateway();
    scheduler.after(this.#lastArrivalMs - scheduler.nowMs, () => {
      this.#broken ||= !this.#sender.alive && scheduler.chance(0.5);
      if (this.#broken) return;
      if (gateway?.process.alive) this.#handOver(gateway, confirmation, () => {});
    });
  }

  /** A request over a network: late, twice, out of order, and the answer may not come. */
  async acknowledged(given: Confirmation): Promise<void> {
    const { scheduler } = this.#sender;
    const confirmation = structuredClone(given);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const copies = this.#faults.repeats && scheduler.chance(0.2) ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) {
      scheduler.after(this.#delayMs(), () => {
        const gateway = this.#gateway();
        if (!gateway?.process.alive || !gateway.serving) return;
        this.#handOver(gateway, confirmation, () => this.#sender.later(this.#delayMs(), resolve));
      });
    }
    this.#sender.later(answerWaitMs, () => reject(new NoAnswer("the sums were not answered")));
    await promise;
  }

  #handOver(gateway: Gateway, confirmation: Confirmation, then: () => void): void {
    gateway.process.later(0, () =>
      gateway.process.spawn(async () => {
        await gateway.confirm(confirmation);
        then();
      }),
    );
  }

  #delayMs(): number {
    const { scheduler } = this.#sender;
    const slow = this.#faults.slow() && scheduler.chance(0.3);
    return scheduler.between(1, slow ? 3_500 : 20);
  }
}
