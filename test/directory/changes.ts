/** Random changes of a small directory, most of them sensible, many void. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import * as fc from "fast-check";
import type { DirectoryChange } from "../../src/directory/directory.ts";
import type { DirectoryView } from "../../src/directory/fold.ts";
import {
  type DirectoryRecord,
  DirectoryRecordSchema,
} from "../../src/gen/optamil/v1/directory_pb.ts";

/** A change with the version that its writer saw. */
export type RandomChange = { readonly change: DirectoryChange; readonly expectedVersion: bigint };

/** Ids that the random accounts and keys have: few, so that changes meet. */
export const accountIds = [1, 2, 3, 4].map((n) => `00000000-0000-7000-8000-00000000000${n}`);
export const keyIds = [1, 2, 3, 4, 5, 6].map((n) => `00000000-0000-7000-9000-00000000000${n}`);

const accountId = fc.constantFrom(...accountIds);
const keyId = fc.constantFrom(...keyIds, "not a uuid");

const accountCreated = fc.record({
  case: fc.constant("accountCreated" as const),
  value: fc.record({
    accountId,
    name: fc.string(),
    email: fc.constantFrom("", "", "ada@example.org", "Ada@example.org", "bob@example.org"),
    plan: fc.constantFrom("free", "pro"),
    passwordHash: fc.constantFrom("", "$scrypt$ln=15,r=8,p=1$salt$hash"),
  }),
});
const creditsGranted = fc.record({
  case: fc.constant("creditsGranted" as const),
  value: fc.record({
    grantId: fc.constantFrom(...keyIds),
    accountId,
    creditsMicro: fc.constantFrom(-1n, 0n, 1n, 2_500_000n, 10n ** 17n),
    periodId: fc.constantFrom("2026-04", "2026-05", "2027-01", "2026-13", ""),
    reason: fc.string(),
  }),
});
const accountPlanChanged = fc.record({
  case: fc.constant("accountPlanChanged" as const),
  value: fc.record({ accountId, plan: fc.constantFrom("", "free", "business") }),
});
const accountRoutingChanged = fc.record({
  case: fc.constant("accountRoutingChanged" as const),
  value: fc.record(
    {
      accountId,
      quality: fc.constantFrom(-0.1, 0, 0.7, 1, Number.NaN),
      baselineModel: fc.constantFrom("", "gpt-5"),
    },
    { requiredKeys: ["accountId"] },
  ),
});
const accountContentChanged = fc.record({
  case: fc.constant("accountContentChanged" as const),
  value: fc.record({ accountId, contentDays: fc.constantFrom(0, 7, 30, 31) }),
});
const keyCreated = fc.record({
  case: fc.constant("keyCreated" as const),
  value: fc.record({
    keyId,
    accountId,
    name: fc.string(),
    scopes: fc.subarray(["chat", "admin"]),
    models: fc.subarray(["auto", "gpt-5"]),
  }),
});
const budgetChanged = fc.record({
  case: fc.constant("budgetChanged" as const),
  value: fc.record(
    {
      accountId,
      budgetId: fc.oneof(
        keyId.map((id) => `key:${id}`),
        fc.constantFrom("tag:team-a", "tag:team-b", "tag:", "team-a"),
      ),
      creditsMicro: fc.constantFrom(-1n, 0n, 5_000_000n, 10n ** 15n + 1n),
    },
    { requiredKeys: ["accountId", "budgetId"] },
  ),
});
const keyRevoked = fc.record({
  case: fc.constant("keyRevoked" as const),
  value: fc.record({ keyId, reason: fc.constantFrom("unused", "leaked") }),
});

/** A history of up to 60 changes. */
export const histories: fc.Arbitrary<RandomChange[]> = fc.array(
  fc.record({
    change: fc.oneof(
      ...[accountCreated, keyCreated, keyRevoked],
      ...[creditsGranted, accountPlanChanged, accountRoutingChanged, budgetChanged],
      accountContentChanged,
    ),
    expectedVersion: fc.constantFrom(0n, 0n, 0n, 1n, 1n, 2n),
  }),
  { maxLength: 60 },
);

/** The change as the record at a place of the log. */
export function toRecord(
  { change, expectedVersion }: RandomChange,
  index: number,
): DirectoryRecord {
  const init: MessageInitShape<typeof DirectoryRecordSchema> = {
    change,
    expectedVersion,
    writtenAtUs: BigInt(index),
  };
  return create(DirectoryRecordSchema, init);
}

/** All that the random changes can have touched. */
export function snapshot(view: Pick<DirectoryView, "account" | "key">): unknown[] {
  return [...accountIds.map((id) => view.account(id)), ...keyIds.map((id) => view.key(id))];
}
