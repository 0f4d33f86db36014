import { create } from "@bufbuild/protobuf";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { DirectoryView } from "../../src/directory/fold.ts";
import { createOverlay } from "../../src/directory/overlay.ts";
import { DirectoryRecordSchema } from "../../src/gen/optamil/v1/directory_pb.ts";
import { accountIds, histories, keyIds, snapshot, toRecord } from "./changes.ts";

const nothing: DirectoryView = {
  account: () => undefined,
  key: () => undefined,
  accountIdOf: () => undefined,
};

describe("the rule by which records become the directory", () => {
  it("gives the same state whenever the same log is folded", () => {
    return fc.assert(
      fc.property(histories, (history) => {
        const [once, again] = [createOverlay(nothing), createOverlay(nothing)];
        history.map(toRecord).forEach((record) => {
          once.fold(record);
        });
        history.map(toRecord).forEach((record) => {
          again.fold(record);
        });
        expect(snapshot(again)).toEqual(snapshot(once));
      }),
    );
  });

  it("gives the same state when void records are left out of the log", () => {
    return fc.assert(
      fc.property(histories, (history) => {
        const all = createOverlay(nothing);
        const accepted = history.map(toRecord).filter((record) => all.fold(record) === undefined);
        const fewer = createOverlay(nothing);
        expect(accepted.map((record) => fewer.fold(record))).toEqual(accepted.map(() => undefined));
        expect(snapshot(fewer)).toEqual(snapshot(all));
      }),
    );
  });

  it("counts one version for each accepted record of an account or key, and none for a void one", () => {
    return fc.assert(
      fc.property(histories, (history) => {
        const view = createOverlay(nothing);
        history.map(toRecord).forEach((record) => {
          const before = totalOfVersions(view);
          const refusal = view.fold(record);
          expect(totalOfVersions(view) - before).toBe(refusal === undefined ? 1n : 0n);
        });
      }),
    );
  });

  it("never lets two accounts have one e-mail address", () => {
    return fc.assert(
      fc.property(histories, (history) => {
        const view = createOverlay(nothing);
        history.map(toRecord).forEach((record) => {
          view.fold(record);
        });
        const emails = accountIds.flatMap((id) => view.account(id)?.email.toLowerCase() || []);
        expect(new Set(emails).size).toBe(emails.length);
      }),
    );
  });

  it("never lets a revoked key work again", () => {
    return fc.assert(
      fc.property(histories, (history) => {
        const view = createOverlay(nothing);
        const revoked = new Set<string>();
        history.map(toRecord).forEach((record) => {
          view.fold(record);
          for (const id of keyIds) if (view.key(id)?.revokedAtUs !== undefined) revoked.add(id);
        });
        for (const id of revoked) expect(view.key(id)?.revokedAtUs).toBeDefined();
      }),
    );
  });

  it("treats a change that it does not know as void", () => {
    const refusal = createOverlay(nothing).fold(create(DirectoryRecordSchema, {}));
    expect(refusal?.code).toBe("invalid_request");
  });

  it.each([
    ["an account id that is no UUID", { accountId: "x", email: "" }],
    [
      "an e-mail address of 255 characters",
      { accountId: accountIds[0] ?? "", email: "a".repeat(255) },
    ],
  ])("refuses %s with invalid_request", (_, value) => {
    const record = toRecord({ change: { case: "accountCreated", value }, expectedVersion: 0n }, 0);
    expect(createOverlay(nothing).fold(record)?.code).toBe("invalid_request");
  });
});

function totalOfVersions(view: DirectoryView): bigint {
  const subjects = [...accountIds.map(view.account), ...keyIds.map(view.key)];
  return subjects.reduce((total, subject) => total + (subject?.version ?? 0n), 0n);
}
