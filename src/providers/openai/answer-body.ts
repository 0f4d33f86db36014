// Collects an upstream's answer in one piece, whatever it answers.

import { Buffer } from "node:buffer";
import { type JsonBody, parseJsonBody } from "../../platform/json-body.ts";
import type { ProviderFailure } from "../provider.ts";
import type { ExchangeReceiver, ExchangeSteer } from "./exchange.ts";
import { toProtocolFailure } from "./failure.ts";

/** Largest answer to a chat request: 32 MiB, as large as the largest request. */
export const chatBytesMax = 32 * 1024 * 1024;

/** How an answer is read, and who is told. */
export type Collecting<Answer> = {
  readonly bytesMax: number;
  /** The answer in the bytes, or why they hold none. */
  readonly read: (bytes: Buffer) => Answer | ProviderFailure;
  readonly settle: (outcome: Answer | ProviderFailure) => void;
};

/** Collects the answer of one exchange and settles it once. */
export class AnswerCollector<Answer extends { readonly ok: true }> implements ExchangeReceiver {
  readonly #steer: ExchangeSteer;
  readonly #collecting: Collecting<Answer>;
  #collected: Buffer[] = [];
  #collectedBytes = 0;

  constructor(steer: ExchangeSteer, collecting: Collecting<Answer>) {
    this.#steer = steer;
    this.#collecting = collecting;
  }

  onHead(): void {}

  onBytes(bytes: Buffer): void {
    const { bytesMax } = this.#collecting;
    this.#collected.push(bytes);
    this.#collectedBytes += bytes.length;
    if (this.#collectedBytes > bytesMax) {
      this.#steer.fail(toProtocolFailure(`an answer of more than ${bytesMax} bytes`));
    }
  }

  onClose(): void {
    const { read, settle } = this.#collecting;
    const [first, ...others] = this.#collected;
    const bytes =
      first !== undefined && others.length === 0 ? first : Buffer.concat(this.#collected);
    const outcome = read(bytes);
    if (outcome.ok && this.#steer.end()) settle(outcome);
    else if (!outcome.ok) this.#steer.fail(outcome);
  }

  onFailure(failure: ProviderFailure): void {
    this.#collecting.settle(failure);
  }
}

/** The JSON object in these bytes, else a failure. */
export function parseAnswerBody(bytes: Buffer): JsonBody | ProviderFailure {
  try {
    return parseJsonBody(bytes);
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    return toProtocolFailure(`an answer that is no JSON object: ${reason}`);
  }
}
