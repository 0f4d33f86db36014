// Records refusals after authentication: one event a second for each key, which counts the others.
import { createRejection } from "../usage/event.ts";
import { toRejection } from "../usage/outcome.ts";
import type { UsageLog } from "../usage/usage-log.ts";
import type { MeteredCall } from "./call.ts";

/** Refusals of one key that wait for their event. */
type Waiting = {
  readonly call: MeteredCall;
  readonly eventId: string;
  readonly status: number;
  readonly atMs: number;
  count: number;
};

/** Keys whose refusals wait at once; those of others go into their own event. */
const keysMax = 10_000;

/** Samples refusals, so that a client that hammers cannot fill the log. */
export class Rejections {
  readonly #usageLog: Pick<UsageLog, "append">;
  readonly #onError: (error: unknown) => void;
  /** By key, status, operation and tag. */
  readonly #waiting = new Map<string, Waiting>();

  /** @param onError is told when an event could not be recorded: a refusal is not worth an error of its own. */
  constructor(usageLog: Pick<UsageLog, "append">, onError: (error: unknown) => void) {
    this.#usageLog = usageLog;
    this.#onError = onError;
  }

  /** Notes a refusal; its event is written at the next `flush`. */
  add(call: MeteredCall, eventId: string, status: number, nowMs: number): void {
    const group = `${call.caller.keyId} ${status} ${call.operation ?? ""} ${call.tag ?? ""}`;
    const waiting = this.#waiting.get(group);
    if (waiting !== undefined) waiting.count++;
    else if (this.#waiting.size < keysMax) {
      this.#waiting.set(group, { call, eventId, status, atMs: nowMs, count: 1 });
    } else void this.#write({ call, eventId, status, atMs: nowMs, count: 1 });
  }

  /** Writes an event for each key and status since the last flush; to be called every second and at the end. */
  async flush(): Promise<void> {
    const all = [...this.#waiting.values()];
    this.#waiting.clear();
    await Promise.all(all.map((waiting) => this.#write(waiting)));
  }

  async #write({ call, eventId, status, atMs, count }: Waiting): Promise<void> {
    const { caller, request, stream, requestId, tag, operation } = call;
    const event = createRejection({
      eventId,
      accountId: caller.accountId,
      keyId: caller.keyId,
      periodId: new Date(atMs).toISOString().slice(0, 7),
      admittedAtMs: atMs,
      requestedModel: request.model,
      stream,
      requestId,
      tag,
      operation,
      trace: call.trail?.trace,
      outcome: toRejection(status),
      httpStatus: status,
      count,
    });
    try {
      await this.#usageLog.append(event);
    } catch (error) {
      this.#onError(error);
    }
  }
}
