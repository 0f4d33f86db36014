// Makes and checks the topics of the usage log, and tells one making of a topic from the next.
import type { Admin } from "kafkajs";
import { OptamilError } from "../../platform/errors.ts";
import { type KafkaConnection, openAdmin } from "../../platform/kafka/client.ts";
import {
  ensureTopic,
  safeSettings,
  type TopicFinding,
  type WantedTopic,
  whileNew,
} from "../../platform/kafka/topic.ts";
import { judgeSchema, type SchemaState } from "../../platform/schema.ts";
import { readEpochs, readMeta, writeEpoch, writeSchema } from "./epochs.ts";

/** Names of the topics. */
export type UsageTopics = {
  /** Usage events, in partitions by account. */
  readonly usage: string;
  /** Records that no warehouse can take. */
  readonly deadLetters: string;
  /** When each topic was made, as offsets say nothing across makings. Compacted. */
  readonly meta: string;
};

/** The group whose members share the work of a warehouse. */
export const usageGroupId = "optamil.usage";

/** The names that a fleet uses. */
export const usageTopics: UsageTopics = {
  usage: "optamil.usage.v1",
  deadLetters: "optamil.usage.dlq.v1",
  meta: "optamil.meta.v1",
};

/** How to make them. */
export type EnsureTopicsOptions = {
  readonly topics?: UsageTopics | undefined;
  /** Of the usage topic: the most consumers that can share the work. Fixed for its life. Default 24. */
  readonly partitions?: number | undefined;
  /** Copies of each record. Default 3; of three copies two must be in sync. */
  readonly replicationFactor?: number | undefined;
  /** How long usage events are kept, milliseconds. Default and least: 14 days. */
  readonly retentionMs?: number | undefined;
};

/** Version of what is in the topics, and the oldest one whose releases read and write it; as for the tables. */
export const topicsVersion = 1;
const topicsOldest = 1;
/** What the topics of releases have that noted nothing. */
export const unnotedTopics: SchemaState = { version: 1, oldest: 1 };

const dayMs = 86_400_000;
const retentionMsMin = 14 * dayMs;
const deadRetentionMs = 90 * dayMs;

/**
 * Notes the version of what this release puts into the topics, and gives the one that was noted; a newer one stays. Throws
 * if this release does not work with that.
 */
export async function ensureTopicsSchema(
  connection: KafkaConnection,
  topics: UsageTopics = usageTopics,
): Promise<SchemaState> {
  const { schema } = await whileNew(() => readMeta(connection, topics.meta));
  if (schema === undefined || schema.version < topicsVersion) {
    const own = { version: topicsVersion, oldest: topicsOldest };
    await whileNew(() => writeSchema(connection, topics.meta, own));
    return schema ?? unnotedTopics;
  }
  const verdict = judgeSchema("Kafka", schema, topicsVersion);
  if (verdict.fits) return schema;
  throw new OptamilError("service_unavailable", verdict.problem, { shouldRetry: false });
}

/** Makes the topics that are missing and compares the others; changes nothing that is there. */
export async function ensureUsageTopics(
  connection: KafkaConnection,
  options: EnsureTopicsOptions = {},
): Promise<readonly TopicFinding[]> {
  const topics = options.topics ?? usageTopics;
  const admin = openAdmin(connection);
  try {
    return await admin.use(async (client) => {
      const findings: TopicFinding[] = [];
      // The meta topic first: the epoch is written before its topic is made.
      for (const wanted of wantedUsageTopics(options)) {
        findings.push(await ensureWithEpoch(client, connection, topics, wanted));
      }
      return findings;
    });
  } finally {
    await admin.close();
  }
}

/** The topics of the usage log as they should be, in the order in which they are made. */
export function wantedUsageTopics(options: EnsureTopicsOptions = {}): readonly WantedTopic[] {
  const { topics = usageTopics, partitions = 24, replicationFactor = 3 } = options;
  const { retentionMs = retentionMsMin } = options;
  const safe = safeSettings(replicationFactor);
  const kept = (ms: number) => ({ "cleanup.policy": "delete", "retention.ms": String(ms) });
  const compacted = { ...safe, "cleanup.policy": "compact" };
  return [
    { topic: topics.meta, partitions: 1, replicationFactor, settings: compacted },
    {
      topic: topics.deadLetters,
      partitions: 1,
      replicationFactor,
      settings: { ...safe, ...kept(deadRetentionMs) },
    },
    {
      topic: topics.usage,
      partitions,
      replicationFactor,
      settings: { ...safe, ...kept(retentionMs) },
    },
  ];
}

async function ensureWithEpoch(
  admin: Admin,
  connection: KafkaConnection,
  { meta, usage }: UsageTopics,
  wanted: WantedTopic,
): Promise<TopicFinding> {
  const { topic } = wanted;
  const exists = (await admin.listTopics()).includes(topic);
  // Written before: a topic that was made anew must never go by the epoch of the old one.
  if (topic === usage && !exists) await whileNew(() => writeEpoch(connection, meta, topic));
  const finding = await ensureTopic(admin, wanted);
  if (topic !== usage) return finding;
  const epochs = await whileNew(() => readEpochs(connection, meta));
  if (!epochs.has(topic)) await whileNew(() => writeEpoch(connection, meta, topic));
  return finding;
}
