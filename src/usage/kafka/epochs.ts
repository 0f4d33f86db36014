// The epochs of topics: when each was made, kept in a compacted topic, as the client cannot read topic ids.
import { Buffer } from "node:buffer";
import type { KafkaConnection } from "../../platform/kafka/client.ts";
import { openTopicReader } from "../../platform/kafka/reader.ts";
import { openKafkaSender } from "../../platform/kafka/sender.ts";

const limits = { eventsMax: 1_000, bytesMax: 1024 * 1024 };

/** Unix microseconds by topic. */
export async function readEpochs(
  connection: KafkaConnection,
  metaTopic: string,
): Promise<ReadonlyMap<string, number>> {
  const reader = openTopicReader(connection, metaTopic);
  const epochs = new Map<string, number>();
  try {
    const log = reader.partition(0, 0);
    for (let offset = 0; ; ) {
      const { records, endOffset } = await log.read(offset, limits);
      for (const { bytes } of records) note(bytes, epochs);
      offset = (records.at(-1)?.offset ?? endOffset) + 1;
      if (offset >= endOffset) return epochs;
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
  const sender = openKafkaSender(connection);
  try {
    const value = JSON.stringify({ topic, epoch: Date.now() * 1_000 });
    await sender.send(metaTopic, 0, [{ key: topic, value }]);
  } finally {
    await sender.close();
  }
}

function note(bytes: Uint8Array, epochs: Map<string, number>): void {
  const said: unknown = JSON.parse(Buffer.from(bytes).toString());
  if (typeof said !== "object" || said === null || !("topic" in said) || !("epoch" in said)) return;
  if (typeof said.topic === "string" && typeof said.epoch === "number") {
    epochs.set(said.topic, said.epoch);
  }
}
