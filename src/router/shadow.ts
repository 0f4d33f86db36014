// Asks other weights what they would have decided, beside the requests and after them, changing no answer.

import type { Model } from "../catalogue/models.ts";
import { OptamilError } from "../platform/errors.ts";
import { choose, type Decision } from "./choose.ts";
import type { Features } from "./features.ts";
import type { Network } from "./network.ts";
import type { Preferences } from "./preferences.ts";

/** What a decision was made from. */
export type Question = {
  readonly features: Features;
  /** Those that were live and allowed. */
  readonly models: readonly Model[];
  readonly preferences: Preferences;
};

/** The other decision. */
export interface ShadowDecision {
  /** It, made at once if its turn has not come; undefined: the other weights found none. */
  decision(): Decision | undefined;
}

/** What a shadow stands on. */
export type ShadowParts = {
  readonly network: Network;
  /** Part of the decisions that are looked at, 0 to 1. */
  readonly share: number;
  /** From 0 to below 1, evenly. */
  readonly random: () => number;
  /** Does work when nothing else is to be done. */
  readonly defer: (work: () => void) => void;
  /** Told once that the weights fail. */
  readonly onTrouble: (message: string) => void;
};

/** Questions that wait, at most: each keeps its prompt. What comes above that is not looked at. */
const waitingMax = 64;

/** A second network over live traffic. One decision a turn of the event loop, so that no request waits for two. */
export class Shadow {
  readonly #parts: ShadowParts;
  readonly #waiting: ShadowDecision[] = [];
  #isTroubled = false;

  constructor(parts: ShadowParts) {
    this.#parts = parts;
  }

  /** Notes a question to be looked at soon; undefined if this one is not. */
  consider(question: Question): ShadowDecision | undefined {
    const { share, random } = this.#parts;
    if (this.#waiting.length >= waitingMax || random() >= share) return undefined;
    // The prompt is kept no longer than it takes to look at it.
    let asked: Question | undefined = question;
    let decision: Decision | undefined;
    const view: ShadowDecision = {
      decision: () => {
        if (asked !== undefined) decision = this.#decide(asked);
        asked = undefined;
        return decision;
      },
    };
    this.#waiting.push(view);
    if (this.#waiting.length === 1) this.#parts.defer(() => this.#work());
    return view;
  }

  #work(): void {
    this.#waiting.shift()?.decision();
    if (this.#waiting.length > 0) this.#parts.defer(() => this.#work());
  }

  #decide({ features, models, preferences }: Question): Decision | undefined {
    try {
      return choose(features, models, this.#parts.network, preferences);
    } catch (error) {
      // By its own length of answers it may find that nothing is below the caller's bound on cost.
      if (!(error instanceof OptamilError)) this.#tell(error);
      return undefined;
    }
  }

  #tell(error: unknown): void {
    if (!this.#isTroubled) this.#parts.onTrouble(`the shadow weights fail: ${error}`);
    this.#isTroubled = true;
  }
}
