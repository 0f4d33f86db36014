// Brings what an embedded gateway has in its usage log alone into a fleet's topics.

import { type KafkaConnection, openAdmin } from "../../platform/kafka/client.ts";
import { openKafkaSender } from "../../platform/kafka/sender.ts";
import { whileNew } from "../../platform/kafka/topic.ts";
import type { DeadLetter } from "../consumer-store.ts";
import { readTailRecords, type TailRecord } from "../move-tail.ts";
import type { UsageLogReader } from "../usage-log.ts";
import { createDeadLetterWriter } from "./dead-letter-writer.ts";
import { openKafkaDeadLetters } from "./dead-letters.ts";
import { toMessage } from "./message.ts";
import { readProgress } from "./progress-store.ts";
import { usageGroupId, usageTopics } from "./topics.ts";

const lettersPerPage = 1_000;

/** Sends the events of a log from an offset on that `isThere` does not know; gives how many. */
export async function sendTail(
  connection: KafkaConnection,
  log: UsageLogReader,
  fromOffset: number,
  isThere: (eventId: string, rev: number) => boolean,
): Promise<number> {
  const partitions = (await readEnds(connection)).size;
  const sender = openKafkaSender(connection);
  let sent = 0;
  try {
    for await (const batch of readTailRecords(log, fromOffset)) {
      const missing = batch.flatMap((one) => (isMissing(one, isThere) ? [one.record.bytes] : []));
      const placed = missing.map((bytes) => toMessage(bytes, partitions));
      for (const [partition, messages] of Map.groupBy(placed, (one) => one.partition)) {
        const values = messages.map(({ message }) => message);
        await whileNew(() => sender.send(usageTopics.usage, partition, values));
      }
      sent += missing.length;
    }
    return sent;
  } finally {
    await sender.close();
  }
}

function isMissing(
  { parsed }: TailRecord,
  isThere: (eventId: string, rev: number) => boolean,
): boolean {
  return typeof parsed !== "string" && !isThere(parsed.eventId, parsed.event.rev);
}

/** Offset of the next record by partition. */
async function readEnds(connection: KafkaConnection): Promise<ReadonlyMap<number, number>> {
  const admin = openAdmin(connection);
  try {
    const ends = await whileNew(() =>
      admin.use((client) => client.fetchTopicOffsets(usageTopics.usage)),
    );
    return new Map(ends.map(({ partition, high }) => [partition, Number(high)]));
  } finally {
    await admin.close();
  }
}

/** How many records wait for the consumers, of those that are in the topic when it is asked for the first time. */
export async function watchConsumers(
  connection: KafkaConnection,
): Promise<{ left(): Promise<number>; close(): Promise<void> }> {
  const ends = await readEnds(connection);
  const admin = openAdmin(connection);
  return {
    async left() {
      const kept = await admin.use((client) =>
        readProgress(client, usageGroupId, usageTopics.usage),
      );
      const waiting = [...ends].map(([partition, end]) =>
        Math.max(0, end - (kept.get(partition)?.progress.offset ?? 0)),
      );
      return waiting.reduce((sum, one) => sum + one, 0);
    },
    close: () => admin.close(),
  };
}

/** Puts the dead letters of a log that are not there among the fleet's; gives how many. */
export async function sendDeadLetters(
  connection: KafkaConnection,
  { name, epoch }: Pick<UsageLogReader, "name" | "epoch">,
  letters: readonly DeadLetter[],
): Promise<number> {
  if (letters.length === 0) return 0;
  const [topic = name, partition = "0"] = name.split("/");
  const there = new Set<number>();
  const known = openKafkaDeadLetters(connection);
  const sender = openKafkaSender(connection);
  try {
    for (let from = 0; ; ) {
      const page = await known.list(from, lettersPerPage);
      for (const letter of page) {
        if (letter.topic === topic && letter.epoch === epoch) there.add(letter.offset);
      }
      const last = page.at(-1);
      if (last === undefined) break;
      from = last.id + 1;
    }
    const missing = letters.filter(({ offset }) => !there.has(offset));
    const place = { topic, partition: Number(partition), epoch };
    await createDeadLetterWriter(sender, usageTopics.deadLetters).write(place, missing);
    return missing.length;
  } finally {
    await Promise.all([known.close(), sender.close()]);
  }
}
