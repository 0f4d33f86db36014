// Makes the records of the directory's log.
import { create } from "@bufbuild/protobuf";
import { type DirectoryRecord, DirectoryRecordSchema } from "../gen/optamil/v1/directory_pb.ts";
import type { Clock } from "../platform/clock.ts";
import { createUuidSource } from "../platform/uuid.ts";
import type { DirectoryChange, DirectoryWrite } from "./directory.ts";

/** Makes records that carry an id of their own and the time of their making. */
export function createRecordSource(
  clock: Clock,
): (change: DirectoryChange, write: DirectoryWrite) => DirectoryRecord {
  const uuids = createUuidSource(clock);
  return (change, { actor, expectedVersion }) =>
    create(DirectoryRecordSchema, {
      recordId: uuids.text(),
      writtenAtUs: BigInt(Math.floor(clock.wallMs() * 1_000)),
      actor,
      expectedVersion,
      change,
    });
}
