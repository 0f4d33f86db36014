/** Clients that never stop asking, and remember each answer that they received whole. */
import { createRandom } from "../admission/traffic.ts";

/** Where a client sends its requests, and with which key. */
export type Address = { readonly url: string; readonly key: string };

/** Settings of the traffic. */
export type TrafficOptions = {
  /** Requests at once. */
  readonly clients: number;
  /** Decides which of them are streams. */
  readonly seed: number;
  /** The gateway that serves; waits for the next one while there is none. */
  readonly address: (client: number) => Promise<Address>;
};

const requestTimeoutMs = 30_000;
const messages = [{ role: "user", content: "Say hello." }];

/** The clients' own log. */
export class Traffic {
  /** `x-request-id` of each answer that was received to its last byte. */
  readonly received = new Set<string>();
  /** Answers that broke off, and requests that found nobody. */
  broken = 0;
  /** Refusals by status. */
  readonly refused = new Map<number, number>();
  readonly #options: TrafficOptions;
  readonly #random: () => number;
  readonly #clients: Promise<void>[];
  #waiting: { readonly count: number; readonly resolve: () => void }[] = [];
  #stopped = false;

  constructor(options: TrafficOptions) {
    this.#options = options;
    this.#random = createRandom(options.seed);
    this.#clients = Array.from({ length: options.clients }, (_, client) => this.#run(client));
  }

  /** Resolves when so many more answers were received. */
  more(count: number): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ count: this.received.size + count, resolve });
    });
  }

  /** Resolves when the last request has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#clients);
  }

  async #run(client: number): Promise<void> {
    while (!this.#stopped) {
      const address = await this.#options.address(client);
      try {
        await this.#ask(address);
      } catch {
        // What a client sees of a gateway that dies: it asks again.
        this.broken++;
      }
    }
  }

  async #ask({ url, key }: Address): Promise<void> {
    const stream = this.#random() < 0.5;
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: JSON.stringify({ model: "chaos-model", messages, stream }),
      signal: AbortSignal.timeout(requestTimeoutMs),
    });
    const text = await response.text();
    if (response.status !== 200) {
      this.refused.set(response.status, (this.refused.get(response.status) ?? 0) + 1);
    } else if (isWhole(text, stream)) {
      this.#note(response.headers.get("x-request-id") ?? "");
    } else {
      this.broken++;
    }
  }

  #note(requestId: string): void {
    this.received.add(requestId);
    const done = this.#waiting.filter(({ count }) => count <= this.received.size);
    this.#waiting = this.#waiting.filter((waiter) => !done.includes(waiter));
    for (const { resolve } of done) resolve();
  }
}

function isWhole(text: string, stream: boolean): boolean {
  if (stream) return text.endsWith("data: [DONE]\n\n");
  return text.endsWith("}") && JSON.parse(text).object === "chat.completion";
}
