// What is known of the topics themselves, in a compacted topic: when each was made, as the client cannot read topic ids,
// and the version of what is in them.
import { Buffer } from "node:buffer";
import type { KafkaConnection } from "../../platform/kafka/client.ts";
import { openTopicReader } from "../../platform/kafka/reader.ts";
import { openKafkaSender } from "../../platform/kafka/sender.ts";
import type { SchemaState } from "../../platform/schema.ts";

const limits = { eventsMax: 1_000, bytesMax: 1024 * 1024 };

/** What the topic says. */
export type TopicsMeta = {
  /** Unix microseconds by topic. */
  readonly epochs: ReadonlyMap<string, number>;
  /** Version of what is in the topics; undefined: it was never noted. */
  readonly schema: SchemaState | undefined;
};

type Noted = { readonly epochs: Map<string, number>; schema: SchemaState | undefined };

/** Unix microseconds by topic. */
export async function readEpochs(
  connection: KafkaConnection,
  metaTopic: string,
): Promise<ReadonlyMap<string, number>> {
  return (await readMeta(connection, metaTopic)).epochs;
}

/** Reads the whole topic. */
export async function readMeta(
  connection: KafkaConnection,
  metaTopic: string,
): Promise<TopicsMeta> {
  const reader = openTopicReader(connection, metaTopic);
  const noted: Noted = { epochs: new Map(), schema: undefined };
  try {
    const log = reader.partition(0, 0);
    for (let offset = 0; ; ) {
      const { records, endOffset } = await log.read(offset, limits);
      for (const { bytes } of records) note(bytes, noted);
      offset = (records.at(-1)?.offset ?? endOffset) + 1;
      if (offset >= endOffset) return noted;
    }
  } finally {
    await reader.close();
  }
}

/** Gives a topic a new epoch: its offsets are those of another log from now on. */
export async function writeEpoch(
  connection: KafkaConnection,
  metaTopic: string,
  topic: string,
): Promise<void> {
  await write(connection, metaTopic, topic, { topic, epoch: Date.now() * 1_000 });
}

/** Notes the version of what is in the topics. */
export async function writeSchema(
  connection: KafkaConnection,
  metaTopic: string,
  { version, oldest }: SchemaState,
): Promise<void> {
  await write(connection, metaTopic, schemaKey, { version, oldest });
}

const schemaKey = "schema";

async function write(
  connection: KafkaConnection,
  metaTopic: string,
  key: string,
  said: object,
): Promise<void> {
  const sender = openKafkaSender(connection);
  try {
    await sender.send(metaTopic, 0, [{ key, value: JSON.stringify(said) }]);
  } finally {
    await sender.close();
  }
}

/** What says something else is of a later release. */
function note(bytes: Uint8Array, noted: Noted): void {
  const parsed: unknown = JSON.parse(Buffer.from(bytes).toString());
  if (typeof parsed !== "object" || parsed === null) return;
  const said: Record<string, unknown> = { ...parsed };
  const { topic, epoch, version, oldest } = said;
  if (typeof topic === "string" && typeof epoch === "number") noted.epochs.set(topic, epoch);
  if (topic !== undefined || typeof version !== "number" || typeof oldest !== "number") return;
  if (version >= (noted.schema?.version ?? 0)) noted.schema = { version, oldest };
}
