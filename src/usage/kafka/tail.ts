// What the counters of a fleet load of an account: its sums, and what its partition holds beyond them.
import { Batched } from "../../platform/batched.ts";
import { type KafkaConnection, openAdmin } from "../../platform/kafka/client.ts";
import { openTopicReader } from "../../platform/kafka/reader.ts";
import { type AccountTail, readTails, type UsageTail } from "../account-tail.ts";
import { type LedgerName, nothingUsed } from "../warehouse.ts";
import { readEpochs } from "./epochs.ts";
import { partitionOf } from "./partition.ts";
import { readProgress } from "./progress-store.ts";
import { type UsageTopics, usageGroupId, usageTopics } from "./topics.ts";

/** What to read. */
export type KafkaTailOptions = {
  readonly connection: KafkaConnection;
  readonly topics?: UsageTopics | undefined;
  /** Default "optamil.usage". */
  readonly groupId?: string | undefined;
};

/** Accounts that one look at the log is for. */
const accountsMax = 10_000;

/** Opens the tails of all accounts; both throw while the brokers cannot be reached or the topics are not made. */
export async function openKafkaTail(options: KafkaTailOptions): Promise<UsageTail> {
  const { connection, topics = usageTopics, groupId = usageGroupId } = options;
  const { usage } = topics;
  const epoch = await findEpoch(connection, topics);
  const admin = openAdmin(connection);
  const reader = openTopicReader(connection, usage);

  /** One look at each partition for all accounts: a reader can be at one place only. */
  async function look(asked: readonly LedgerName[]): Promise<readonly AccountTail[]> {
    const kept = await admin.use((client) => readProgress(client, groupId, usage));
    const partitionsOf = (accountId: string) => partitionOf(accountId, kept.size);
    const byPartition = Map.groupBy(asked, ({ accountId }) => partitionsOf(accountId));
    const read = async ([partition, ofPartition]: [number, LedgerName[]]) => {
      const progress = kept.get(partition)?.progress;
      const offset = progress?.epoch === epoch ? progress.confirmedOffset : 0;
      const accounts = new Set(ofPartition.map(({ accountId }) => accountId));
      const tails = await readTails(reader.partition(partition, epoch), offset, accounts);
      return { partition, offset, tails };
    };
    const looks = await Promise.all([...byPartition].map(read));
    const lookOf = new Map(looks.map((one) => [one.partition, one]));
    return asked.map(({ accountId, periodId, budgetId }) => {
      const { offset = 0, tails } = lookOf.get(partitionsOf(accountId)) ?? {};
      return {
        baseByTierMicro: nothingUsed,
        version: { epoch, offset },
        ...(tails?.of(accountId, periodId, budgetId) ?? { pending: [] }),
      };
    });
  }

  const looks = new Batched(accountsMax, look);
  return {
    read: (accountId, periodId, budgetId) => looks.ask({ accountId, periodId, budgetId }),
    async close() {
      await Promise.all([reader.close(), admin.close()]);
    },
  };
}

async function findEpoch(
  connection: KafkaConnection,
  { usage, meta }: UsageTopics,
): Promise<number> {
  const epoch = (await readEpochs(connection, meta)).get(usage);
  if (epoch === undefined) throw new Error(`${meta} has no epoch of ${usage}: make the topics`);
  return epoch;
}
