// Makes a topic, or says in what one that is there differs.
// Node finds some of this CommonJS module's exports in its default alone.
import kafkajs, { type Admin, type ITopicConfig } from "kafkajs";

/** What became of a topic. */
export type TopicFinding = {
  readonly topic: string;
  readonly made: boolean;
  /** One line each: what differs, and the remedy. Empty: as it should be. */
  readonly differences: readonly string[];
};

/** LMDB takes any record, so Kafka must too. */
const messageBytesMax = 16 * 1024 * 1024;
const knownTimeoutMs = 20_000;
const knownPollMs = 50;

/** How a topic should be. */
export type WantedTopic = {
  readonly topic: string;
  readonly partitions: number;
  readonly replicationFactor: number;
  readonly settings: Readonly<Record<string, string>>;
};

/** Settings with which nothing acknowledged is lost while one of three brokers is. */
export function safeSettings(replicationFactor: number): Readonly<Record<string, string>> {
  return {
    "min.insync.replicas": String(replicationFactor >= 3 ? 2 : 1),
    "unclean.leader.election.enable": "false",
    "max.message.bytes": String(messageBytesMax),
  };
}

/** Makes the topic if it is missing; changes nothing that is there. */
export async function ensureTopic(admin: Admin, wanted: WantedTopic): Promise<TopicFinding> {
  const { topic } = wanted;
  const exists = (await admin.listTopics()).includes(topic);
  if (!exists) {
    await admin.createTopics({ waitForLeaders: false, topics: [toConfig(wanted)] });
    await untilKnown(admin, topic);
  }
  return { topic, made: !exists, differences: await whileNew(() => compare(admin, wanted)) };
}

/** Waits until a topic that was just made has leaders: the client's own wait fails at once. */
function untilKnown(admin: Admin, topic: string): Promise<void> {
  return whileNew(async () => {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    const partitions = topics[0]?.partitions ?? [];
    if (partitions.length > 0 && partitions.every(({ leader }) => leader >= 0)) return;
    throw new NoLeader(`${topic} was made and has no leaders`);
  });
}

class NoLeader extends Error {}

/**
 * Does what may be done again, until it works or 20 seconds have passed: each broker hears of a new topic at a
 * time of its own, and until then says that there is none.
 */
export async function whileNew<Result>(work: () => Promise<Result>): Promise<Result> {
  const endMs = performance.now() + knownTimeoutMs;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!isOfNewTopic(error) || performance.now() > endMs) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, knownPollMs));
  }
}

function isOfNewTopic(error: unknown): boolean {
  if (error instanceof NoLeader) return true;
  const below = error instanceof Error ? error.cause : undefined;
  return [error, below].some(
    (one) => one instanceof kafkajs.KafkaJSProtocolError && one.retriable === true,
  );
}

function toConfig({ topic, partitions, replicationFactor, settings }: WantedTopic): ITopicConfig {
  const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }));
  return { topic, numPartitions: partitions, replicationFactor, configEntries };
}

async function compare(admin: Admin, wanted: WantedTopic): Promise<readonly string[]> {
  const { topic, partitions, replicationFactor, settings } = wanted;
  const metadata = await admin.fetchTopicMetadata({ topics: [topic] });
  const found = metadata.topics[0]?.partitions ?? [];
  const differences: string[] = [];
  if (found.length !== partitions) {
    differences.push(
      `${topic} has ${found.length} partitions, not ${partitions}: set the number in the configuration to ` +
        `${found.length}, as accounts may not change their partition`,
    );
  }
  const copies = Math.min(...found.map(({ replicas }) => replicas.length));
  if (copies < replicationFactor) {
    differences.push(
      `${topic} has ${copies} replicas, not ${replicationFactor}: kafka-reassign-partitions --topics-to-move-json-file`,
    );
  }
  const actual = await describeSettings(admin, topic, Object.keys(settings));
  for (const [name, value] of Object.entries(settings)) {
    const is = actual.get(name) ?? "";
    if (isGoodEnough(name, is, value)) continue;
    differences.push(
      `${topic} has ${name}=${is}, not ${value}: kafka-configs --alter --topic ${topic} --add-config ${name}=${value}`,
    );
  }
  return differences;
}

async function describeSettings(
  admin: Admin,
  name: string,
  configNames: string[],
): Promise<ReadonlyMap<string, string>> {
  const resources = [{ type: kafkajs.ConfigResourceTypes.TOPIC, name, configNames }];
  const described = await admin.describeConfigs({ includeSynonyms: false, resources });
  const entries = described.resources[0]?.configEntries ?? [];
  return new Map(entries.map(({ configName, configValue }) => [configName, configValue]));
}

/** More copies, more room and more time than asked for do no harm. */
function isGoodEnough(name: string, is: string, wanted: string): boolean {
  if (is === wanted) return true;
  // For ever is more than any amount.
  if (wanted === "-1") return false;
  const isAmount = !Number.isNaN(Number(wanted)) && is !== "";
  return isAmount && (Number(is) >= Number(wanted) || (name === "retention.ms" && is === "-1"));
}
