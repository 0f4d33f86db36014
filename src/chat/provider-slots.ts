// Who may ask a provider that takes only so many requests at once: accounts in turn, whatever each of them sends.
import type { Deployment } from "../providers/deployment.ts";

/** Bounds of the wait for a slot. */
export type SlotOptions = {
  /** A request waits so long, milliseconds, then tries another deployment. Default 1,000. */
  readonly waitMsMax?: number | undefined;
  /** Requests that wait for one provider at most. Default 1,000. */
  readonly waitingMax?: number | undefined;
  /** Of these, requests of one account. Default 100: ten that send too much leave room for others. */
  readonly waitingOfAccountMax?: number | undefined;
};

/** What a slot is taken of. */
type Bounded = Pick<Deployment, "provider" | "maxConcurrent">;

/** Whoever hands out slots, this process or another one. */
export type Slots = Pick<ProviderSlots, "take" | "give">;

type Waiting = { readonly decide: (isGiven: boolean) => void };

type Provider = {
  taken: number;
  waiting: number;
  /** By account, the one whose turn is next first. */
  readonly queues: Map<string, Set<Waiting>>;
};

/** The slots of all providers that have a bound; the others cost nothing. */
export class ProviderSlots {
  readonly #options: SlotOptions;
  readonly #providers = new Map<string, Provider>();

  constructor(options: SlotOptions = {}) {
    this.#options = options;
  }

  /**
   * Takes a slot for a request of an account, after a wait if it must be. False: none came free in time, or too many
   * wait already. What was taken is to be given back.
   */
  take({ provider: name, maxConcurrent }: Bounded, accountId: string): boolean | Promise<boolean> {
    if (maxConcurrent === undefined) return true;
    const provider = this.#find(name);
    if (provider.taken < maxConcurrent && provider.waiting === 0) {
      provider.taken += 1;
      return true;
    }
    const { waitingMax = 1_000, waitingOfAccountMax = 100 } = this.#options;
    const queue = provider.queues.get(accountId) ?? new Set();
    if (provider.waiting >= waitingMax || queue.size >= waitingOfAccountMax) return false;
    provider.queues.set(accountId, queue);
    return this.#wait(provider, queue);
  }

  /** Gives a slot back: to the account whose turn it is. */
  give({ provider: name, maxConcurrent }: Bounded): void {
    if (maxConcurrent === undefined) return;
    const provider = this.#find(name);
    provider.taken -= 1;
    // A bound that was lowered meanwhile holds at once.
    while (provider.taken < maxConcurrent && provider.waiting > 0) {
      for (const [accountId, queue] of provider.queues) {
        const [first] = queue;
        // To the end, behind all other accounts.
        provider.queues.delete(accountId);
        if (first === undefined) continue;
        if (queue.size > 1) provider.queues.set(accountId, queue);
        provider.taken += 1;
        first.decide(true);
        break;
      }
    }
    if (provider.taken === 0 && provider.waiting === 0) this.#providers.delete(name);
  }

  #wait(provider: Provider, queue: Set<Waiting>): Promise<boolean> {
    return new Promise((resolve) => {
      const decide = (isGiven: boolean) => {
        clearTimeout(timer);
        queue.delete(waiting);
        provider.waiting -= 1;
        resolve(isGiven);
      };
      const waiting = { decide };
      const timer = setTimeout(() => decide(false), this.#options.waitMsMax ?? 1_000);
      queue.add(waiting);
      provider.waiting += 1;
    });
  }

  #find(name: string): Provider {
    const found = this.#providers.get(name);
    if (found !== undefined) return found;
    const provider = { taken: 0, waiting: 0, queues: new Map() };
    this.#providers.set(name, provider);
    return provider;
  }
}
