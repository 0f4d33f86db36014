/** Feeds upstream bytes to a relay as if they were read from a socket. */
import { createRedact } from "../../../src/providers/openai/failure.ts";
import { StreamRelay } from "../../../src/providers/openai/relay.ts";
import type { ProviderFailure } from "../../../src/providers/provider.ts";
import { Delivery, toCall } from "../calls.ts";

/** What the client asked for, and how the provider is configured. */
export type RelayCase = {
  readonly relay?: "verbatim" | "normalised";
  readonly form?: "json" | "messages";
  readonly includeUsage?: boolean;
  readonly n?: number;
  readonly contentType?: string;
  readonly doneEndsStreams?: boolean;
};

/** Unix seconds of the relay's clock. */
export const nowSeconds = 1_800_000_000;

/** What a relay makes of these reads, followed by the end of the body. */
export function relayReads(reads: readonly (string | Uint8Array)[], given: RelayCase = {}) {
  const { relay = "verbatim", form = "json", includeUsage = false, n = 1 } = given;
  const delivery = new Delivery();
  let isOver = false;
  const steer = {
    end: () => {
      const isFirst = !isOver;
      isOver = true;
      return isFirst;
    },
    begun: () => {},
    fail: (failure: ProviderFailure) => {
      if (steer.end()) stream.onFailure(failure);
    },
  };
  const call = toCall(form, { stream: true, n }, { includeUsage });
  const setting = {
    relay,
    redact: createRedact({ baseUrl: new URL("https://up.test/v1"), apiKey: undefined }),
    doneEndsStreams: given.doneEndsStreams ?? false,
    clock: { wallMs: () => nowSeconds * 1000, monotonicMs: () => 0 },
  };
  const stream = new StreamRelay(steer, call, setting, delivery);
  stream.onHead({ "content-type": given.contentType ?? "text/event-stream; charset=utf-8" });
  for (const read of reads) if (!isOver) stream.onBytes(Buffer.from(read));
  if (!isOver) stream.onClose();
  return delivery;
}
