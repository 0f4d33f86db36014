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

describe("the rule for grants and plans", () => {
  const accountId = accountIds[0] ?? "";

  /** A view with one account on plan Free, at version 1. */
  function createAccount() {
    const view = createOverlay(nothing);
    const value = { accountId, name: "Ada", plan: "free" };
    view.fold(toRecord({ change: { case: "accountCreated", value }, expectedVersion: 0n }, 0));
    return view;
  }

  /** Grants on top of the account's version, or of another one; the code of the refusal. */
  function grant(
    view: ReturnType<typeof createAccount>,
    periodId: string,
    creditsMicro: bigint,
    expectedVersion = view.account(accountId)?.version ?? 0n,
  ): string | undefined {
    const value = { grantId: keyIds[0] ?? "", accountId, periodId, creditsMicro };
    return view.fold(toRecord({ change: { case: "creditsGranted", value }, expectedVersion }, 1))
      ?.code;
  }

  function sums(view: ReturnType<typeof createAccount>): [string, bigint][] {
    const grants = view.account(accountId)?.grants ?? [];
    return grants.map(({ periodId, creditsMicro }) => [periodId, creditsMicro]);
  }

  it("adds up the grants of each period, and keeps the periods in order", () => {
    const view = createAccount();
    grant(view, "2026-12", 5n);
    grant(view, "2026-04", 7n);
    grant(view, "2026-12", 2n);
    expect(sums(view)).toEqual([
      ["2026-04", 7n],
      ["2026-12", 7n],
    ]);
    expect(view.account(accountId)?.version).toBe(4n);
  });

  it("counts each accepted grant once, whatever came between", () => {
    return fc.assert(
      fc.property(histories, (history) => {
        const view = createOverlay(nothing);
        const accepted = history
          .filter((change, index) => view.fold(toRecord(change, index)) === undefined)
          .flatMap(({ change }) => (change.case === "creditsGranted" ? [change.value] : []));
        const total = accepted.reduce((sum, { creditsMicro = 0n }) => sum + creditsMicro, 0n);
        const kept = accountIds.flatMap((id) => view.account(id)?.grants ?? []);
        expect(kept.reduce((sum, { creditsMicro }) => sum + creditsMicro, 0n)).toBe(total);
      }),
    );
  });

  it("keeps the latest 24 periods, and refuses a grant for an earlier one", () => {
    const view = createAccount();
    const months = Array.from(
      { length: 30 },
      (_, n) => `${2026 + Math.floor(n / 12)}-${String((n % 12) + 1).padStart(2, "0")}`,
    );
    for (const month of months) expect(grant(view, month, 1n)).toBeUndefined();
    expect(sums(view).map(([month]) => month)).toEqual(months.slice(-24));
    expect(grant(view, "2026-01", 1n)).toBe("invalid_request");
    expect(view.account(accountId)?.version).toBe(31n);
  });

  it.each<[string, string, bigint, string]>([
    ["no month", "2026-13", 1n, "invalid_request"],
    ["an empty period", "", 1n, "invalid_request"],
    ["no credits", "2026-04", 0n, "invalid_request"],
    ["credits below 0", "2026-04", -1n, "invalid_request"],
    ["more than 100 billion credits", "2026-04", 10n ** 17n + 1n, "invalid_request"],
  ])("refuses a grant of %s", (_, periodId, creditsMicro, code) => {
    const view = createAccount();
    expect(grant(view, periodId, creditsMicro)).toBe(code);
    expect(sums(view)).toEqual([]);
  });

  it("refuses a sum of more than 100 billion credits for one period", () => {
    const view = createAccount();
    expect(grant(view, "2026-04", 10n ** 17n)).toBeUndefined();
    expect(grant(view, "2026-04", 1n)).toBe("invalid_request");
    expect(grant(view, "2026-05", 1n)).toBeUndefined();
  });

  it("refuses a grant on top of a version that is not the last one with conflict", () => {
    const view = createAccount();
    expect(grant(view, "2026-04", 1n, 1n)).toBeUndefined();
    expect(grant(view, "2026-04", 1n, 1n)).toBe("conflict");
    expect(sums(view)).toEqual([["2026-04", 1n]]);
  });

  it.each<[string, string, string, bigint, string | undefined]>([
    ["puts an account on another plan", accountId, "pro", 1n, undefined],
    ["refuses another version with conflict", accountId, "pro", 0n, "conflict"],
    ["refuses an empty plan", accountId, "", 1n, "invalid_request"],
    ["refuses an account that does not exist", accountIds[1] ?? "", "pro", 1n, "not_found"],
    ["refuses an account id that is none", "x", "pro", 1n, "not_found"],
  ])("%s", (_, id, plan, expectedVersion, code) => {
    const view = createAccount();
    grant(view, "2026-04", 5n, 1n);
    const change = { case: "accountPlanChanged", value: { accountId: id, plan } } as const;
    const version = expectedVersion === 1n ? 2n : expectedVersion;
    const refusal = view.fold(toRecord({ change, expectedVersion: version }, 2));
    expect(refusal?.code).toBe(code);
    expect(view.account(accountId)?.plan).toBe(code === undefined ? plan : "free");
    expect(sums(view)).toEqual([["2026-04", 5n]]);
  });
});

function totalOfVersions(view: DirectoryView): bigint {
  const subjects = [...accountIds.map(view.account), ...keyIds.map(view.key)];
  return subjects.reduce((total, subject) => total + (subject?.version ?? 0n), 0n);
}
