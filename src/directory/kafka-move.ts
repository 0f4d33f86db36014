// Brings the directory of one machine into the topic of a fleet, record by record, and checks that it is the same there.
import { Buffer } from "node:buffer";
import { equals, toBinary } from "@bufbuild/protobuf";
import {
  type AccountState,
  AccountStateSchema,
  type DirectoryRecord,
  DirectoryRecordSchema,
  type KeyState,
  KeyStateSchema,
} from "../gen/optamil/v1/directory_pb.ts";
import type { Clock } from "../platform/clock.ts";
import { OptamilError } from "../platform/errors.ts";
import type { KafkaConnection } from "../platform/kafka/client.ts";
import { openKafkaSender } from "../platform/kafka/sender.ts";
import { whileNew } from "../platform/kafka/topic.ts";
import type { DirectoryReader } from "./directory.ts";
import { directoryTopic, type KafkaDirectory, openKafkaDirectory } from "./kafka.ts";
import type { DirectoryTables } from "./kept-state.ts";

/** What is moved. */
export type MoveDirectoryOptions = {
  readonly connection: KafkaConnection;
  /** The machine's own records and state. */
  readonly from: DirectoryTables;
  /** Empty ones, into which the topic is folded. Closed here. */
  readonly scratch: DirectoryTables;
  readonly clock: Clock;
  /** Told of a failure that is tried again. */
  readonly onTrouble: (message: string) => void;
};

/** What came of it. */
export type MovedDirectory = {
  /** Records that were sent, of so many. */
  readonly sent: number;
  readonly records: number;
  readonly accounts: number;
  readonly keys: number;
  /** Accounts and keys that the fleet has changed since they came there. */
  readonly changed: number;
  /** A line for each account or key that is not there as it is here. */
  readonly differences: readonly string[];
};

const recordsPerRequest = 500;
const accountsPerPage = 1_000;
const foldedTimeoutMs = 60_000;

/**
 * Sends the records that the topic has not, in their order, so that they fold to the same accounts and keys. A run that
 * was cut off is gone on with: records have ids, and one that is there twice is void the second time.
 *
 * Throws `conflict`, before anything is sent, when an e-mail address belongs to another account of the fleet.
 */
export async function moveDirectory(options: MoveDirectoryOptions): Promise<MovedDirectory> {
  const { from, scratch, connection, clock, onTrouble } = options;
  const directory = openKafkaDirectory({ connection, tables: scratch, clock, onTrouble });
  try {
    await directory.ready();
    refuseTakenAddresses(from, directory);
    const first = countThere(from, scratch);
    await send(options, first, directory);
    return { sent: from.applied - first, records: from.applied, ...compare(from, directory) };
  } finally {
    await directory.close();
  }
}

/** How many of the records, from the first one on, the topic has. */
function countThere(from: DirectoryTables, there: DirectoryTables): number {
  let found = 0;
  let next = from.recordAt(0)?.recordId;
  for (let place = 0; next !== undefined && place < there.applied; place += 1) {
    if (there.recordAt(place)?.recordId !== next) continue;
    found += 1;
    next = from.recordAt(found)?.recordId;
  }
  return found;
}

async function send(
  { connection, from }: MoveDirectoryOptions,
  first: number,
  directory: KafkaDirectory,
): Promise<void> {
  const folded = Promise.withResolvers<void>();
  const lastId = from.recordAt(from.applied - 1)?.recordId;
  if (first >= from.applied || lastId === undefined) return;
  const leave = directory.onChange(({ recordId }) => {
    if (recordId === lastId) folded.resolve();
  });
  const sender = openKafkaSender(connection);
  const timer = setTimeout(() => folded.resolve(), foldedTimeoutMs);
  try {
    for (let place = first; place < from.applied; place += recordsPerRequest) {
      const values = recordsFrom(from, place).map((record) => ({
        value: Buffer.from(toBinary(DirectoryRecordSchema, record)),
      }));
      await whileNew(() => sender.send(directoryTopic, 0, values));
      timer.refresh();
    }
    // One that is void there shows in what is compared afterwards.
    await folded.promise;
  } finally {
    clearTimeout(timer);
    leave();
    await sender.close();
  }
}

function recordsFrom(tables: DirectoryTables, place: number): readonly DirectoryRecord[] {
  const places = Array.from({ length: recordsPerRequest }, (_, at) => place + at);
  return places.flatMap((one) => tables.recordAt(one) ?? []);
}

function refuseTakenAddresses(from: DirectoryTables, directory: DirectoryReader): void {
  for (const { id, email } of accountsOf(from)) {
    const other = email === "" ? undefined : directory.accountOf(email);
    if (other === undefined || other.id === id) continue;
    const message = `the fleet's account ${other.id} has the e-mail address of account ${id}: close one of them first`;
    throw new OptamilError("conflict", message);
  }
}

function compare(
  from: DirectoryTables,
  directory: DirectoryReader,
): Omit<MovedDirectory, "sent" | "records"> {
  const differences: string[] = [];
  const count = { accounts: 0, keys: 0, changed: 0 };
  const note = (name: string, here: Versioned, there: Versioned | undefined, same: boolean) => {
    if (there !== undefined && there.version > here.version) count.changed += 1;
    else if (!same)
      differences.push(
        `${name}: version ${here.version} here, ${there?.version ?? "none"} in the fleet`,
      );
  };
  for (const account of accountsOf(from)) {
    count.accounts += 1;
    const there = directory.account(account.id);
    const same = there !== undefined && equals(AccountStateSchema, account, there);
    note(`account ${account.id}`, account, there, same);
    for (const key of from.keysOf(account.id)) {
      count.keys += 1;
      const other = directory.key(key.id);
      note(`key ${key.id}`, key, other, other !== undefined && equals(KeyStateSchema, key, other));
    }
  }
  return { ...count, differences };
}

type Versioned = Pick<AccountState | KeyState, "version">;

function* accountsOf(tables: DirectoryTables): Generator<AccountState> {
  for (let after: string | undefined; ; ) {
    const { accounts, hasMore } = tables.accounts({
      limit: accountsPerPage,
      ...(after !== undefined && { after }),
    });
    yield* accounts;
    after = accounts.at(-1)?.id;
    if (!hasMore) return;
  }
}
