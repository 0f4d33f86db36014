// The ports of the forwarder: the log on the gateway's own disk.
import type { UsageLog, UsageLogReader } from "../usage-log.ts";

/** A gateway's own log, which keeps events until they are in Kafka. */
export interface Outbox extends UsageLog, Pick<UsageLogReader, "read"> {
  /** Takes note that the events below are in Kafka, and may be trimmed. */
  confirmed(offset: number): Promise<void>;
}
