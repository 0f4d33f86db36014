// Part of the composition root: looks at what the replicas of a fleet share, and changes nothing.
import { connectRedis } from "./admission/redis.ts";
import type { Diagnosis } from "./cli/command.ts";
import { directoryTopic } from "./directory/kafka.ts";
import { toKafkaConnection, toRedis } from "./main-fleet.ts";
import type { FleetSettings } from "./platform/fleet-settings.ts";
import { openAdmin } from "./platform/kafka/client.ts";
import { judgeSchema, type SchemaState } from "./platform/schema.ts";
import { within } from "./platform/within.ts";
import { ClickHouseWarehouse } from "./usage/clickhouse.ts";
import { usageGroupId, usageTopics } from "./usage/kafka/topics.ts";
import { schemaVersion } from "./usage/statement.ts";

const answerTimeoutMs = 10_000;
/** Periods and windows bear so much; events of two replicas are not ordered by their times. */
const skewMsMax = 2_000;
const lagMax = 100_000;

/** Kafka, ClickHouse and Redis, and what it means where one is away. */
export async function diagnoseFleet(fleet: FleetSettings): Promise<Diagnosis[]> {
  const parts = [diagnoseKafka(fleet), diagnoseClickHouse(fleet), diagnoseRedis(fleet)];
  return (await Promise.all(parts)).flat();
}

async function diagnoseKafka(fleet: FleetSettings): Promise<Diagnosis[]> {
  const part = "kafka";
  const admin = openAdmin(toKafkaConnection(fleet, "doctor"));
  try {
    return await admin.use(async (client) => {
      const wanted = [...Object.values(usageTopics), directoryTopic];
      const there = await client.listTopics();
      const missing = wanted.filter((topic) => !there.includes(topic));
      if (missing.length > 0) {
        const message = `topics are missing: ${missing.join(", ")}`;
        return [{ part, status: "error", message, remedy: "optamil migrate" }];
      }
      const ends = await client.fetchTopicOffsets(usageTopics.usage);
      const [group] = await client.fetchOffsets({
        groupId: usageGroupId,
        topics: [usageTopics.usage],
      });
      const taken = new Map(group?.partitions.map(({ partition, offset }) => [partition, offset]));
      const lag = ends.reduce((sum, { partition, low, high }) => {
        const at = Math.max(Number(low), Number(taken.get(partition) ?? -1));
        return sum + Math.max(0, Number(high) - at);
      }, 0);
      const letters = await client.fetchTopicOffsets(usageTopics.deadLetters);
      const dead = letters.reduce((sum, { low, high }) => sum + Number(high) - Number(low), 0);
      const ok: Diagnosis = { part, status: "ok", message: "answers, and has its topics" };
      return [ok, toLag(lag), ...toDead(dead)];
    });
  } catch (error) {
    return [
      away(
        part,
        error,
        "requests go on, events wait in each replica's outbox; accounts and keys cannot be changed, and after five and a half minutes all get 503",
      ),
    ];
  } finally {
    await admin.close();
  }
}

function toLag(lag: number): Diagnosis {
  const message = `${lag} events of Kafka wait for the warehouse`;
  if (lag < lagMax) return { part: "consumers", status: "ok", message };
  return {
    ...{ part: "consumers", status: "error", message },
    meaning: "the warehouse shows less than was used; /v1/usage is exact",
    remedy: "see whether consumers run, and start more of them, up to kafka.partitions",
  };
}

function toDead(dead: number): Diagnosis[] {
  if (dead === 0) return [];
  const message = `${dead} events that no warehouse can take`;
  const meaning = "they are in no sum of the warehouse";
  const remedy = "'optamil dlq list' says why";
  return [{ part: "dead letters", status: "notice", message, meaning, remedy }];
}

async function diagnoseClickHouse({ clickhouse }: FleetSettings): Promise<Diagnosis[]> {
  const part = "clickhouse";
  const warehouse = new ClickHouseWarehouse(clickhouse);
  const meaning =
    "requests and /v1/usage go on; sql and audit get 503, and Kafka keeps events for 14 days";
  try {
    const askedAtMs = Date.now();
    const asked = warehouse.wallMs();
    const wallMs = await within(answerTimeoutMs, asked);
    if (wallMs === undefined) throw new Error("no answer in time");
    const skewMs = Math.round(wallMs - (askedAtMs + Date.now()) / 2);
    return [diagnoseSchema(await warehouse.schema()), toSkew(skewMs)];
  } catch (error) {
    return [away(part, error, meaning)];
  } finally {
    await warehouse.close();
  }
}

function diagnoseSchema(found: SchemaState): Diagnosis {
  const part = "clickhouse";
  const verdict = judgeSchema("ClickHouse", found, schemaVersion);
  if (verdict.fits) {
    const message = `answers, and has schema version ${found.version} of its tables`;
    return { part, status: "ok", message };
  }
  const meaning = "gateways and consumers of this release do not start";
  const remedy = "optamil migrate, of the newest release that runs here";
  return { part, status: "error", message: verdict.problem, meaning, remedy };
}

function toSkew(skewMs: number): Diagnosis {
  const part = "clock";
  const message = `ClickHouse's differs from this machine's by ${skewMs} ms`;
  if (Math.abs(skewMs) <= skewMsMax) return { part, status: "ok", message };
  return {
    ...{ part, status: "error", message },
    meaning: "months, days and windows of limits begin at different times on different machines",
    remedy: "run a time service (NTP) on both",
  };
}

async function diagnoseRedis(fleet: FleetSettings): Promise<Diagnosis[]> {
  const part = "redis";
  const redis = connectRedis(toRedis(fleet));
  try {
    await redis.ready();
    return [{ part, status: "ok", message: "answers" }];
  } catch (error) {
    const meaning =
      "accounts with an overdraft go on within it, others get 503; /v1/usage gets 503; each replica has its share of the limits";
    return [away(part, error, meaning)];
  } finally {
    redis.close();
  }
}

function away(part: string, error: unknown, meaning: string): Diagnosis {
  const message = error instanceof Error ? error.message : String(error);
  const remedy = `start it, or mend its address in the configuration; 'optamil migrate' once where it is new`;
  return { part, status: "error", message, meaning, remedy };
}
