/** A usage log that keeps its records in memory; the test decides when a hold is committed. */
import type { UsageEvent } from "../../src/gen/optamil/v1/event_pb.ts";
import { OptamilError } from "../../src/platform/errors.ts";
import type { UsageLog } from "../../src/usage/usage-log.ts";

/** The log and what it was given, in order. */
export type KeptUsageLog = UsageLog & {
  readonly holds: UsageEvent[];
  readonly events: UsageEvent[];
  /** While true, holds wait for `commit`. */
  deferHolds: boolean;
  /** How often somebody waited for them. */
  hurried: number;
  /** While true, everything is refused. */
  full: boolean;
  commit(): void;
};

/** An empty log. */
export function keptUsageLog(): KeptUsageLog {
  let waiting: (() => void)[] = [];
  const refuse = () => Promise.reject(new OptamilError("service_unavailable", "The log is full."));
  const log: KeptUsageLog = {
    holds: [],
    events: [],
    deferHolds: false,
    hurried: 0,
    full: false,
    hold(event) {
      if (log.full) return refuse();
      log.holds.push(event);
      if (!log.deferHolds) return Promise.resolve();
      return new Promise((resolve) => waiting.push(resolve));
    },
    hurry() {
      log.hurried += 1;
    },
    append(event) {
      if (log.full) return refuse();
      log.events.push(event);
      return Promise.resolve();
    },
    commit() {
      for (const resolve of waiting) resolve();
      waiting = [];
    },
    status: () => ({
      endOffset: log.events.length,
      confirmedOffset: 0,
      openHolds: log.holds.length - log.events.length,
      spoolShare: 0,
      refusing: undefined,
    }),
    close: async () => {},
  };
  return log;
}
