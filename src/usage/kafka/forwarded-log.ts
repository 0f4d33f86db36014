// The usage log of a gateway in a fleet: its own disk first, and Kafka as soon as may be.
import type { UsageEvent } from "../../gen/optamil/v1/event_pb.ts";
import { toEventIdText } from "../event.ts";
import type { UsageLog } from "../usage-log.ts";
import type { KafkaForwarder } from "./forwarder.ts";
import type { Outbox } from "./outbox.ts";

/** When an event counts as durable. */
export type Durability =
  /** When it is on this machine's disk: nothing is lost while the disk survives. */
  | "fsync"
  /** When Kafka's replicas have it, or the disk alone if they take too long. */
  | "quorum";

/** What the log is made of. */
export type ForwardedLogOptions = {
  readonly outbox: Outbox;
  readonly forwarder: KafkaForwarder;
  readonly durability: Durability;
  /** How long an event that is on disk waits for Kafka in "quorum", milliseconds. Default 50: some answers' ends. */
  readonly quorumWaitMs?: number | undefined;
};

/** A usage log that says how often it fell back on the disk alone. */
export interface ForwardedLog extends UsageLog {
  /** Events of "quorum" so far that ended on the disk alone. */
  degraded(): number;
}

/** The log; `close` ends the forwarder and the outbox. Refuses what the outbox refuses, and nothing else. */
export function createForwardedLog(options: ForwardedLogOptions): ForwardedLog {
  const { outbox, forwarder, durability, quorumWaitMs = 50 } = options;
  let degraded = 0;

  async function appendFsync(event: UsageEvent): Promise<void> {
    await outbox.append(event);
    forwarder.wake();
  }

  async function appendQuorum(event: UsageEvent): Promise<void> {
    const { promise: acknowledged, resolve } = Promise.withResolvers<boolean>();
    const forget = forwarder.onAcknowledged(toEventIdText(event.eventId), () => resolve(true));
    try {
      await appendFsync(event);
      const timer = setTimeout(() => resolve(false), quorumWaitMs);
      if (!(await acknowledged)) degraded++;
      clearTimeout(timer);
    } finally {
      forget();
    }
  }

  return {
    hold: (event) => outbox.hold(event),
    hurry: () => outbox.hurry(),
    append: durability === "quorum" ? appendQuorum : appendFsync,
    status: () => outbox.status(),
    degraded: () => degraded,
    async close() {
      await forwarder.close();
      await outbox.close();
    },
  };
}
