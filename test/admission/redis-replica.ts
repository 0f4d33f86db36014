/** One gateway's counters in Redis, open until its test has ended. */
import { onTestFinished } from "vitest";
import type { LoadBase } from "../../src/admission/counters.ts";
import { connectRedis, RedisCounters } from "../../src/admission/redis.ts";
import type { ManualClock } from "./manual-clock.ts";
import { emptyBase } from "./requests.ts";

/** What the replicas of one test share, or not. */
export type ReplicaOptions = {
  readonly clock: ManualClock;
  readonly loadBase?: LoadBase;
  /** Default: keys of its own. */
  readonly keyPrefix?: string;
  /** Whether it only confirms, and so is no gateway. Default false. */
  readonly isConsumer?: boolean;
  /** Default 10,000: a busy machine is no failure. */
  readonly commandTimeoutMs?: number;
};

/** Counters that are not open yet. */
export async function connectReplica(url: string, options: ReplicaOptions): Promise<RedisCounters> {
  const { clock, loadBase = () => emptyBase, keyPrefix = crypto.randomUUID() } = options;
  const connection = connectRedis({ url, commandTimeoutMs: options.commandTimeoutMs ?? 10_000 });
  onTestFinished(() => connection.close());
  await connection.ready();
  return new RedisCounters({
    connection,
    loadBase,
    ...(!options.isConsumer && { replicaId: crypto.randomUUID() }),
    keyPrefix,
    wallMs: () => clock.wallMs(),
  });
}

/** Counters that are open. */
export async function openReplica(url: string, options: ReplicaOptions): Promise<RedisCounters> {
  const counters = await connectReplica(url, options);
  await counters.open((await counters.beat(false)).generation);
  return counters;
}
