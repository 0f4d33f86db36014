// Keeps a consumer's progress where its group keeps offsets: in the commit's offset and its metadata.
import type { Admin } from "kafkajs";
import type { GroupSession } from "../../platform/kafka/membership.ts";
import type { Base, ConsumerProgress, ConsumerStore, StoreChange } from "../consumer-store.ts";
import type { Trial } from "../trial.ts";
import type { DeadLetterWriter } from "./dead-letter-writer.ts";

/** A progress with the member of the group who wrote it. */
export type KeptProgress = { readonly progress: ConsumerProgress; readonly member: string };

/** What the store of a partition is made of. */
export type ProgressStoreOptions = {
  readonly session: GroupSession;
  readonly topic: string;
  readonly partition: number;
  readonly epoch: number;
  /** Name of this process in the group, which stays over restarts. */
  readonly member: string;
  readonly kept: KeptProgress | undefined;
  readonly deadLetters: DeadLetterWriter;
  /** Keeps bases of this partition's accounts; undefined: nobody needs them. */
  readonly saveBases: ((bases: readonly Base[]) => Promise<void>) | undefined;
};

/**
 * The store of one partition in one session of the group. A commit of a lost session is refused, here or by
 * the broker; one that slips through puts the group back at most, and all that follows can be done twice.
 */
export function createProgressStore(options: ProgressStoreOptions): ConsumerStore {
  const { topic, partition, epoch, member, deadLetters, saveBases } = options;
  let progress = options.kept?.progress;
  return {
    progress: () => progress,
    async save(change: StoreChange) {
      const { deadLetters: dead = [], bases = [] } = change;
      // Before the progress that passes over them.
      if (dead.length > 0) await deadLetters.write({ topic, partition, epoch }, dead);
      if (bases.length > 0) await saveBases?.(bases);
      if (change.progress === undefined) return;
      await commit(options, { progress: change.progress, member });
      progress = change.progress;
    },
    close: async () => {},
  };
}

async function commit(
  { session, topic, partition }: ProgressStoreOptions,
  kept: KeptProgress,
): Promise<void> {
  const { confirmedOffset, ...rest } = kept.progress;
  const metadata = JSON.stringify({ ...rest, member: kept.member });
  const offset = String(confirmedOffset);
  assertAlive(session);
  await session.consumer.commitOffsets([{ topic, partition, offset, metadata }]);
  // The client drops a commit without a word when it is not running.
  assertAlive(session);
}

function assertAlive({ alive }: GroupSession): void {
  if (!alive) throw new Error("the partition is not assigned any more");
}

/** The progress of a group by partition; undefined where none is, or one that we did not write. */
export async function readProgress(
  admin: Admin,
  groupId: string,
  topic: string,
): Promise<ReadonlyMap<number, KeptProgress | undefined>> {
  const [found] = await admin.fetchOffsets({ groupId, topics: [topic] });
  const partitions = found?.partitions ?? [];
  return new Map(
    partitions.map(({ partition, offset, metadata }) => [
      partition,
      parseProgress(Number(offset), metadata),
    ]),
  );
}

function parseProgress(confirmedOffset: number, metadata: string | null): KeptProgress | undefined {
  if (confirmedOffset < 0 || metadata === null || metadata === "") return undefined;
  const said = parseJson(metadata);
  const { epoch, offset, member, trial, warehouseId } = said;
  if (typeof epoch !== "number" || typeof offset !== "number") return undefined;
  const progress = {
    ...{ epoch, offset, confirmedOffset, trial: parseTrial(trial) },
    warehouseId: typeof warehouseId === "string" ? warehouseId : undefined,
  };
  return { progress, member: typeof member === "string" ? member : "" };
}

function parseTrial(said: unknown): Trial | undefined {
  if (typeof said !== "object" || said === null) return undefined;
  const { firstOffset, untilOffset, events, deaths, cut }: Record<string, unknown> = { ...said };
  const numbers = [firstOffset, untilOffset, events, deaths].map(Number);
  if (!numbers.every(Number.isSafeInteger)) return undefined;
  const [first = 0, until = 0, many = 1, died = 0] = numbers;
  return { firstOffset: first, untilOffset: until, events: many, deaths: died, cut: cut === true };
}

function parseJson(text: string): Record<string, unknown> {
  try {
    const said: unknown = JSON.parse(text);
    return typeof said === "object" && said !== null ? { ...said } : {};
  } catch {
    return {};
  }
}
