// The directory of a fleet: a Kafka topic of one partition, folded into tables of each replica's own.
import { Buffer } from "node:buffer";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type DirectoryRecord, DirectoryRecordSchema } from "../gen/optamil/v1/directory_pb.ts";
import type { Clock } from "../platform/clock.ts";
import { OptamilError } from "../platform/errors.ts";
import { type KafkaConnection, openAdmin } from "../platform/kafka/client.ts";
import type { PartitionReader } from "../platform/kafka/feed.ts";
import { openTopicReader, type TopicReader } from "../platform/kafka/reader.ts";
import { type KafkaSender, type Message, openKafkaSender } from "../platform/kafka/sender.ts";
import {
  ensureTopic,
  safeSettings,
  type TopicFinding,
  type WantedTopic,
} from "../platform/kafka/topic.ts";
import { within } from "../platform/within.ts";
import type { Directory, DirectoryChange, DirectoryWrite } from "./directory.ts";
import { type DirectoryTables, KeptState } from "./kept-state.ts";
import { createRecordSource } from "./record.ts";

/** Name of the topic. */
export const directoryTopic = "optamil.directory.v1";

/** How to open the directory of a replica. */
export type KafkaDirectoryOptions = {
  readonly connection: KafkaConnection;
  /** What this replica has folded so far; its places are the topic's offsets. Closed with the directory. */
  readonly tables: DirectoryTables;
  readonly clock: Clock;
  /** Default "optamil.directory.v1". */
  readonly topic?: string | undefined;
  /** How long a change may take until it is read back, milliseconds. Default 5,000. */
  readonly writeTimeoutMs?: number | undefined;
  /** Something failed and will be tried again, or for `broken` never will. */
  readonly onTrouble: (message: string) => void;
};

/** How far a replica is. */
export type DirectoryStatus = {
  /** Records folded. */
  readonly offset: number;
  /** Records of the topic, as far as is known, that are not. */
  readonly lag: number;
  /** Milliseconds since the replica was known to have everything; Infinity: it never was. */
  readonly staleMs: number;
};

/** The directory, and how far it is. */
export interface KafkaDirectory extends Directory {
  /**
   * Resolves when the replica has all that the topic had; or after 10 seconds if Kafka is silent and an earlier
   * process has folded something: that snapshot serves then, however old. Rejects if there is none after a
   * minute, or if the topic is not the one that was folded.
   */
  ready(): Promise<void>;
  status(): DirectoryStatus;
  /**
   * Resolves when this replica has all that the topic had at the call, or after `timeoutMs`; at once while Kafka is away,
   * as nobody can change anything then.
   */
  catchUp(timeoutMs: number): Promise<void>;
}

const batch = { eventsMax: 1_000, bytesMax: 4 * 1024 * 1024 };
/** The end of the topic is asked for so often, and with every record that comes. */
const lookEveryMs = 500;
/** Longer since the last look that found the end: Kafka does not answer. */
const awayMs = 2_000;
const retryMs = 1_000;
const sendAgainMs = 200;
/** How long a start waits for a Kafka that does not answer, and for one that does. */
const silenceMsMax = 10_000;
const catchUpMsMax = 60_000;
/** Changes of one replica that wait to be read back. */
const waitingMax = 10_000;

/** The topic as it should be: in one partition, and kept for ever. */
export function wantedDirectoryTopic({
  topic = directoryTopic,
  replicationFactor = 3,
} = {}): WantedTopic {
  const kept = { "cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1" };
  const settings = { ...safeSettings(replicationFactor), ...kept };
  return { topic, partitions: 1, replicationFactor, settings };
}

/** Makes the topic, or says in what it differs. */
export async function ensureDirectoryTopic(
  connection: KafkaConnection,
  options: { readonly topic?: string; readonly replicationFactor?: number } = {},
): Promise<TopicFinding> {
  const admin = openAdmin(connection);
  try {
    return await admin.use((client) => ensureTopic(client, wantedDirectoryTopic(options)));
  } finally {
    await admin.close();
  }
}

/** Opens the directory, which begins to read at once; needs no broker to be there. */
export function openKafkaDirectory(options: KafkaDirectoryOptions): KafkaDirectory {
  return new FoldedTopic(options);
}

/** The topic is not the one that was folded: nothing that is read of it can be trusted. */
class WrongTopic extends Error {}

type Unsent = Message & { readonly recordId: string };

type Waiting = {
  readonly outcome: Promise<void>;
  resolve(): void;
  reject(reason: unknown): void;
};

class FoldedTopic extends KeptState implements KafkaDirectory {
  readonly #options: KafkaDirectoryOptions;
  readonly #topic: string;
  readonly #toRecord: ReturnType<typeof createRecordSource>;
  readonly #reader: TopicReader;
  readonly #log: PartitionReader;
  readonly #sender: KafkaSender;
  /** By record id: who waits to read it back. */
  readonly #waiting = new Map<string, Waiting>();
  readonly #caughtUp = Promise.withResolvers<void>();
  /** Whether an earlier process had folded something. */
  readonly #hadSnapshot: boolean;
  readonly #running: Promise<void>;
  /** Who waits for the end of the topic as it was; the next fold begins with asking for it. */
  #asked = Promise.withResolvers<void>();
  #lookNow = Promise.withResolvers<void>();
  #unsent: Unsent[] = [];
  #sending: Promise<void> | undefined;
  #endOffset = 0;
  #freshAtMs = Number.NEGATIVE_INFINITY;
  #broken: WrongTopic | undefined;
  #checked = false;
  #stopped = false;

  constructor(options: KafkaDirectoryOptions) {
    const { connection, tables, clock, topic = directoryTopic } = options;
    super(tables);
    this.#options = options;
    this.#topic = topic;
    this.#hadSnapshot = tables.applied > 0;
    this.#toRecord = createRecordSource(clock);
    this.#reader = openTopicReader(connection, topic);
    this.#log = this.#reader.partition(0, 0);
    this.#sender = openKafkaSender(connection);
    // Who waits for it hears of it there.
    this.#caughtUp.promise.catch(() => undefined);
    this.#running = this.#run();
  }

  status(): DirectoryStatus {
    const { applied } = this.#options.tables;
    const staleMs = this.#options.clock.monotonicMs() - this.#freshAtMs;
    return { offset: applied, lag: Math.max(0, this.#endOffset - applied), staleMs };
  }

  async ready(): Promise<void> {
    if (await this.#catchesUpWithin(silenceMsMax)) return;
    // Half of a history is no snapshot: a key that was revoked later would work.
    if (this.#hadSnapshot && this.#endOffset === 0) return;
    if (await this.#catchesUpWithin(catchUpMsMax - silenceMsMax)) return;
    const message = `${this.#topic} cannot be read: check kafka.brokers, and run 'optamil migrate' once`;
    throw new OptamilError("service_unavailable", message);
  }

  async catchUp(timeoutMs: number): Promise<void> {
    if (this.status().staleMs > awayMs) return;
    const { promise } = this.#asked;
    this.#lookNow.resolve();
    await within(timeoutMs, promise);
  }

  async #catchesUpWithin(timeoutMs: number): Promise<boolean> {
    const caughtUp = this.#caughtUp.promise.then(() => true);
    return (await within(timeoutMs, caughtUp)) ?? false;
  }

  /**
   * Sends the change and waits until this replica has folded it: only then is it known what became of it.
   * Changes of the same turn of the event loop stand together in the topic, in their order.
   */
  async append(change: DirectoryChange, write: DirectoryWrite): Promise<void> {
    const record = this.#toRecord(change, write);
    if (this.#broken !== undefined) throw notSaved(this.#broken);
    if (this.#waiting.size >= waitingMax) throw notSaved(new Error("too many changes wait"));
    await this.#send(record);
  }

  async close(): Promise<void> {
    // Each has a deadline of its own.
    await Promise.allSettled([...this.#waiting.values()].map(({ outcome }) => outcome));
    this.#stopped = true;
    await this.#reader.close();
    await this.#running;
    await this.#sending;
    await this.#sender.close();
    await this.#options.tables.close();
  }

  async #send(record: DirectoryRecord): Promise<void> {
    const { writeTimeoutMs = 5_000 } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(() => reject(unknownOutcome()), writeTimeoutMs);
    this.#waiting.set(record.recordId, { outcome: promise, resolve, reject });
    const { recordId } = record;
    this.#unsent.push({ recordId, value: Buffer.from(toBinary(DirectoryRecordSchema, record)) });
    this.#sending ??= this.#sendAll();
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(record.recordId);
    }
  }

  /**
   * One request in flight; what failed may be in the log all the same, and is sent again while somebody waits for
   * it: the second one is void. Never throws.
   */
  async #sendAll(): Promise<void> {
    await Promise.resolve();
    while (this.#unsent.length > 0) {
      const first = this.#unsent.splice(0, batch.eventsMax);
      // What nobody waits for any more must not come into effect at some later time.
      const wanted = first.filter(({ recordId }) => this.#waiting.has(recordId));
      if (wanted.length === 0) continue;
      try {
        await this.#sender.send(
          this.#topic,
          0,
          wanted.map(({ value }) => ({ value })),
        );
      } catch (error) {
        this.#options.onTrouble(textOf(error));
        this.#unsent.unshift(...wanted);
        await new Promise((resolve) => setTimeout(resolve, sendAgainMs));
      }
    }
    this.#sending = undefined;
  }

  async #run(): Promise<void> {
    while (!this.#stopped && this.#broken === undefined) {
      try {
        await this.#check();
        const read = await this.#fold();
        if (read === 0) await this.#rest();
      } catch (error) {
        if (this.#stopped) return;
        // The topic may have been made anew meanwhile.
        this.#checked = false;
        this.#options.onTrouble(textOf(error));
        if (error instanceof WrongTopic) this.#break(error);
        else await new Promise((resolve) => setTimeout(resolve, retryMs));
      }
    }
  }

  /** Until something has come, somebody asks for it, or it is time to look. */
  async #rest(): Promise<void> {
    await Promise.race([this.#log.arrival(lookEveryMs), this.#lookNow.promise]);
  }

  /** Folds what has come; gives how many records. */
  async #fold(): Promise<number> {
    const { tables, clock } = this.#options;
    const from = tables.applied;
    // Whoever asks from here on is answered by the next one.
    const asked = this.#asked;
    this.#asked = Promise.withResolvers();
    this.#lookNow = Promise.withResolvers();
    const { records, firstOffset, endOffset } = await this.#log.read(from, batch);
    this.#endOffset = endOffset;
    if (endOffset < from || firstOffset > from) throw this.#wrongTopic(firstOffset, endOffset);
    const found = records.at(0)?.offset ?? from;
    // Whatever the reason: a record that is left out would be missing for ever.
    if (found !== from)
      throw new Error(`${this.#topic} gives ${found} where ${from} was asked for`);
    const parsed = records.map(({ offset, bytes }) => this.#parse(offset, bytes));
    const refusals = await this.apply(parsed, true);
    for (const [at, { recordId }] of parsed.entries()) {
      const waiting = this.#waiting.get(recordId);
      const refusal = refusals[at];
      if (refusal === undefined) waiting?.resolve();
      else waiting?.reject(refusal);
      // A record that was sent twice is void the second time.
      this.#waiting.delete(recordId);
    }
    if (tables.applied >= endOffset) {
      this.#freshAtMs = clock.monotonicMs();
      this.#caughtUp.resolve();
      asked.resolve();
    } else {
      // More came with one look than it takes: the next one goes on.
      void this.#asked.promise.then(asked.resolve);
    }
    return records.length;
  }

  /** Bytes that are no record are a void one, here as on every replica. */
  #parse(offset: number, bytes: Uint8Array): DirectoryRecord {
    try {
      return fromBinary(DirectoryRecordSchema, bytes);
    } catch (error) {
      this.#options.onTrouble(`${this.#topic}: offset ${offset} is no record: ${textOf(error)}`);
      return create(DirectoryRecordSchema, {});
    }
  }

  /** Whether the last record that was folded is where it was: once, before anything is folded. */
  async #check(): Promise<void> {
    const { tables } = this.#options;
    const place = tables.applied - 1;
    if (this.#checked || place < 0) return;
    const { records, firstOffset, endOffset } = await this.#log.read(place, {
      ...batch,
      eventsMax: 1,
    });
    const [found] = records;
    const known = tables.recordAt(place)?.recordId;
    const foundId = found?.offset === place ? this.#parse(place, found.bytes).recordId : undefined;
    if (foundId !== known) throw this.#wrongTopic(firstOffset, endOffset);
    this.#checked = true;
  }

  #wrongTopic(firstOffset: number, endOffset: number): WrongTopic {
    const { applied } = this.#options.tables;
    return new WrongTopic(
      `${this.#topic} has offsets ${firstOffset} to ${endOffset} and is not the topic of which this replica ` +
        `has folded ${applied} records: restore the topic, or start the replica with an empty data folder`,
    );
  }

  #break(error: WrongTopic): void {
    this.#broken = error;
    // Whoever starts the replica is told what to do; its callers are not.
    const reason = new OptamilError("service_unavailable", error.message, { cause: error });
    this.#caughtUp.reject(reason);
    for (const { reject } of this.#waiting.values()) reject(notSaved(error));
  }
}

function notSaved(cause: Error): OptamilError {
  // What it says of the topic is for the log alone.
  const message = "Changes cannot be saved at the moment.";
  return new OptamilError("service_unavailable", message, { cause });
}

function unknownOutcome(): OptamilError {
  const message = "It is not known yet whether the change was saved: look before you repeat it.";
  return new OptamilError("service_unavailable", message, { shouldRetry: false });
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
