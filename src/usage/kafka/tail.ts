// What the counters of a fleet load of an account: its sums, and what its partition holds beyond them.

import { type KafkaConnection, openAdmin } from "../../platform/kafka/client.ts";
import { openTopicReader } from "../../platform/kafka/reader.ts";
import { type AccountTail, readAccountTail } from "../account-tail.ts";
import type { Base } from "../consumer-store.ts";
import { nothingUsed } from "../warehouse.ts";
import { readEpochs } from "./epochs.ts";
import { partitionOf } from "./partition.ts";
import { readProgress } from "./progress-store.ts";
import { type UsageTopics, usageTopics } from "./topics.ts";

/** The tails of all accounts. */
export interface KafkaTail {
  /**
   * The events of an account and period beyond what the group has confirmed, whose offset is the version;
   * the base is nothing: the warehouse has it. Throws while the brokers cannot be reached.
   */
  read(accountId: string, periodId: string): Promise<AccountTail>;
  /** Resolves when the group has taken all that is in the log now. Throws after `timeoutMs`. */
  caughtUp(timeoutMs: number): Promise<void>;
  close(): Promise<void>;
}

/** What to read. */
export type KafkaTailOptions = {
  readonly connection: KafkaConnection;
  readonly topics?: UsageTopics | undefined;
  /** Default "optamil.usage". */
  readonly groupId?: string | undefined;
};

const pollMs = 200;

/** Opens the tail; throws while the brokers cannot be reached or the topics are not made. */
export async function openKafkaTail(options: KafkaTailOptions): Promise<KafkaTail> {
  const { connection, topics = usageTopics, groupId = "optamil.usage" } = options;
  const { usage, meta } = topics;
  const epoch = (await readEpochs(connection, meta)).get(usage);
  if (epoch === undefined) throw new Error(`${meta} has no epoch of ${usage}: make the topics`);
  const admin = openAdmin(connection);
  const reader = openTopicReader(connection, usage);
  return {
    async read(accountId, periodId) {
      const kept = await admin.use((client) => readProgress(client, groupId, usage));
      const partition = partitionOf(accountId, kept.size);
      const progress = kept.get(partition)?.progress;
      const version = { epoch, offset: progress?.epoch === epoch ? progress.confirmedOffset : 0 };
      const base: Base = { accountId, periodId, microByTier: nothingUsed, version };
      const records = { base: () => base, progress: () => progress };
      const log = reader.partition(partition, epoch);
      return readAccountTail(accountId, periodId, { log, records });
    },
    async caughtUp(timeoutMs) {
      const endMs = performance.now() + timeoutMs;
      const ends = await admin.use((client) => client.fetchTopicOffsets(usage));
      for (;;) {
        const kept = await admin.use((client) => readProgress(client, groupId, usage));
        const behind = ends.filter(({ partition, high }) => {
          const progress = kept.get(partition)?.progress;
          return Number(high) > (progress?.epoch === epoch ? progress.offset : 0);
        });
        if (behind.length === 0) return;
        if (performance.now() > endMs) throw new Error(`${behind.length} partitions are behind`);
        await new Promise((resolve) => setTimeout(resolve, pollMs));
      }
    },
    async close() {
      await Promise.all([reader.close(), admin.close()]);
    },
  };
}
