/** What every directory adapter must do: run on each of them, over the same sentences. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Directory } from "../../src/directory/directory.ts";
import type { DirectoryRecord } from "../../src/gen/optamil/v1/directory_pb.ts";
import { createUuidSource } from "../../src/platform/uuid.ts";

/** A place where a directory lives, for one test. */
export interface DirectoryHome {
  /** Opens the directory of this place; what an earlier one wrote is there. */
  open(clock: { wallMs(): number; monotonicMs(): number }): Promise<Directory>;
  /** Leaves nothing behind. */
  remove(): Promise<void>;
}

/** Declares the contract's tests for one adapter. */
export function describeDirectory(adapter: string, createHome: () => Promise<DirectoryHome>): void {
  describe(`the directory on ${adapter}`, () => {
    let nowMs = 1_700_000_000_000;
    const clock = { wallMs: () => nowMs, monotonicMs: () => nowMs };
    const uuids = createUuidSource(clock);
    const first = { actor: "test", expectedVersion: 0n };
    let home: DirectoryHome;
    let directory: Directory;

    beforeEach(async () => {
      home = await createHome();
      directory = await home.open(clock);
    });

    afterEach(async () => {
      await directory.close();
      await home.remove();
    });

    async function addAccount(email = ""): Promise<string> {
      const accountId = uuids.text();
      const value = { accountId, name: "Ada", email, plan: "pro" };
      await directory.append({ case: "accountCreated", value }, first);
      return accountId;
    }

    async function addKey(accountId: string): Promise<string> {
      const keyId = uuids.text();
      const value = {
        keyId,
        accountId,
        name: "laptop",
        lastFour: "wxyz",
        scopes: ["chat", "models"],
        models: ["auto"],
        expiresAt: 2_000_000_000n,
      };
      await directory.append({ case: "keyCreated", value }, first);
      return keyId;
    }

    function revoke(keyId: string, expectedVersion: bigint, reason = "leaked"): Promise<void> {
      const value = { keyId, reason };
      return directory.append({ case: "keyRevoked", value }, { actor: "test", expectedVersion });
    }

    it("shows an account as soon as its append has resolved", async () => {
      const id = await addAccount("Ada@Example.org");
      expect(directory.account(id)).toMatchObject({
        id,
        name: "Ada",
        email: "Ada@Example.org",
        plan: "pro",
        createdAtUs: BigInt(nowMs) * 1_000n,
        version: 1n,
      });
    });

    it("shows a key with all that is kept of it", async () => {
      const accountId = await addAccount();
      const id = await addKey(accountId);
      expect(directory.key(id)).toMatchObject({
        id,
        accountId,
        name: "laptop",
        lastFour: "wxyz",
        scopes: ["chat", "models"],
        models: ["auto"],
        createdAtUs: BigInt(nowMs) * 1_000n,
        expiresAt: 2_000_000_000n,
        version: 1n,
      });
      expect(directory.key(id)?.revokedAtUs).toBeUndefined();
    });

    it("knows neither an account nor a key that nobody made", () => {
      expect(directory.account(uuids.text())).toBeUndefined();
      expect(directory.key(uuids.text())).toBeUndefined();
      expect(directory.keysOf(uuids.text())).toEqual([]);
    });

    it.each(["", "no id at all", "x".repeat(10_000)])("takes %.20s for nobody's id", (id) => {
      expect(directory.account(id)).toBeUndefined();
      expect(directory.key(id)).toBeUndefined();
      expect(directory.keysOf(id)).toEqual([]);
      const page = () => directory.accounts({ limit: 1, after: id });
      expect(page).toThrow(expect.objectContaining({ code: "invalid_request", param: "after" }));
    });

    it("shows a key as revoked although it was read before", async () => {
      const id = await addKey(await addAccount());
      expect(directory.key(id)?.revokedAtUs).toBeUndefined();
      nowMs += 5_000;
      await revoke(id, 1n);
      expect(directory.key(id)).toMatchObject({
        revokedAtUs: BigInt(nowMs) * 1_000n,
        revokeReason: "leaked",
        version: 2n,
      });
    });

    it("shows grants and another plan although the account was read before", async () => {
      const id = await addAccount();
      expect(directory.account(id)).toMatchObject({ plan: "pro", grants: [] });
      const value = { grantId: uuids.text(), accountId: id, periodId: "2026-04" };
      const grant = (creditsMicro: bigint, expectedVersion: bigint) =>
        directory.append(
          { case: "creditsGranted", value: { ...value, creditsMicro } },
          { actor: "test", expectedVersion },
        );
      await grant(5n, 1n);
      await grant(7n, 2n);
      await directory.append(
        { case: "accountPlanChanged", value: { accountId: id, plan: "business" } },
        { actor: "test", expectedVersion: 3n },
      );
      await expect(grant(1n, 3n)).rejects.toMatchObject({ code: "conflict" });
      expect(directory.account(id)).toMatchObject({
        plan: "business",
        grants: [{ periodId: "2026-04", creditsMicro: 12n }],
        version: 4n,
      });
    });

    it("refuses a change on top of a version that is not the last one with conflict", async () => {
      const id = await addKey(await addAccount());
      await expect(revoke(id, 2n)).rejects.toMatchObject({ code: "conflict" });
      await expect(revoke(id, 0n)).rejects.toMatchObject({ code: "conflict" });
      expect(directory.key(id)).toMatchObject({ version: 1n });
    });

    it("lets one of two concurrent changes of a key win and tells the other conflict", async () => {
      const id = await addKey(await addAccount());
      const results = await Promise.allSettled([
        revoke(id, 1n, "leaked"),
        revoke(id, 1n, "unused"),
      ]);
      expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
      expect(directory.key(id)).toMatchObject({ revokeReason: "leaked", version: 2n });
    });

    it("keeps the first time and reason when a revoked key is revoked again", async () => {
      const id = await addKey(await addAccount());
      await revoke(id, 1n, "unused");
      await expect(revoke(id, 2n)).rejects.toMatchObject({ code: "conflict" });
      expect(directory.key(id)).toMatchObject({ revokeReason: "unused", version: 2n });
    });

    it("shows the end of a key that is to come, and takes a sooner one but no later one", async () => {
      const id = await addKey(await addAccount());
      const end = (effectiveAtUs: bigint, reason: string, expectedVersion: bigint) =>
        directory.append(
          { case: "keyRevoked", value: { keyId: id, reason, effectiveAtUs } },
          { actor: "test", expectedVersion },
        );
      const inAMinuteUs = BigInt(nowMs + 60_000) * 1_000n;
      await end(inAMinuteUs, "rotated", 1n);
      expect(directory.key(id)).toMatchObject({
        revokedAtUs: inAMinuteUs,
        revokeReason: "rotated",
      });
      await expect(end(inAMinuteUs + 1n, "unused", 2n)).rejects.toMatchObject({ code: "conflict" });
      await end(0n, "leaked", 2n);
      expect(directory.key(id)).toMatchObject({
        revokedAtUs: BigInt(nowMs) * 1_000n,
        revokeReason: "leaked",
        version: 3n,
      });
    });

    it("refuses an e-mail address that is taken, whatever its letter case", async () => {
      await addAccount("ada@example.org");
      await expect(addAccount("ADA@example.org")).rejects.toMatchObject({
        code: "invalid_request",
        param: "email",
      });
      expect(directory.accounts({ limit: 10 }).accounts).toHaveLength(1);
    });

    it("gives an e-mail address to one of many who ask for it at the same time", async () => {
      const asked = Array.from({ length: 20 }, () => addAccount("ada@example.org"));
      const results = await Promise.allSettled(asked);
      expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
      expect(directory.accounts({ limit: 10 }).accounts).toHaveLength(1);
    });

    it("takes any number of accounts without an e-mail address", async () => {
      await Promise.all([addAccount(), addAccount(), addAccount()]);
      expect(directory.accounts({ limit: 10 }).accounts).toHaveLength(3);
    });

    it("refuses a key of an account that does not exist with not_found", async () => {
      await expect(addKey(uuids.text())).rejects.toMatchObject({ code: "not_found" });
    });

    it("refuses to revoke a key that does not exist with not_found", async () => {
      await expect(revoke(uuids.text(), 0n)).rejects.toMatchObject({ code: "not_found" });
    });

    it("lists the keys of one account, newest first, revoked ones included", async () => {
      const [ada, bob] = [await addAccount(), await addAccount()];
      const keys = [await addKey(ada), await addKey(ada), await addKey(ada)];
      await addKey(bob);
      await revoke(keys[1] ?? "", 1n);
      expect(directory.keysOf(ada).map(({ id }) => id)).toEqual(keys.toReversed());
    });

    it("lists accounts oldest first, a page at a time, until there are no more", async () => {
      const ids = [];
      for (let count = 0; count < 5; count += 1) ids.push(await addAccount());
      const seen: string[] = [];
      const sizes: number[] = [];
      for (let hasMore = true; hasMore; ) {
        const page = directory.accounts({ limit: 2, after: seen.at(-1) });
        seen.push(...page.accounts.map(({ id }) => id));
        sizes.push(page.accounts.length);
        hasMore = page.hasMore;
      }
      expect(seen).toEqual(ids);
      expect(sizes).toEqual([2, 2, 1]);
    });

    it("says that there are no more when the last page is exactly full", async () => {
      await Promise.all([addAccount(), addAccount()]);
      expect(directory.accounts({ limit: 2 }).hasMore).toBe(false);
    });

    it("tells listeners of accepted changes only, in log order, until they leave", async () => {
      const heard: DirectoryRecord[] = [];
      const leave = directory.onChange((record) => heard.push(record));
      const accountId = await addAccount("ada@example.org");
      await addAccount("ada@example.org").catch(() => undefined);
      const keyId = await addKey(accountId);
      await revoke(keyId, 1n);
      leave();
      await addAccount();
      const expected = ["accountCreated", "keyCreated", "keyRevoked"];
      expect(heard.map(({ change }) => change.case)).toEqual(expected);
      expect(heard.every(({ actor }) => actor === "test")).toBe(true);
    });

    it("lists who changed what, newest first, with the values before and after", async () => {
      const accountId = await addAccount("ada@example.org");
      const keyId = await addKey(accountId);
      nowMs += 5_000;
      const plan = { case: "accountPlanChanged", value: { accountId, plan: "free" } } as const;
      await directory.append(plan, { actor: "cli", expectedVersion: 1n });
      await revoke(keyId, 1n);
      const { changes, hasMore } = directory.changes({ limit: 10 });
      expect(hasMore).toBe(false);
      expect(changes.map(({ sequence, action }) => [sequence, action])).toEqual([
        [4, "key.revoked"],
        [3, "account.plan_changed"],
        [2, "key.created"],
        [1, "account.created"],
      ]);
      expect(changes[1]).toMatchObject({
        actor: "cli",
        accountId,
        keyId: "",
        writtenAtUs: BigInt(nowMs) * 1_000n,
        fields: [{ field: "plan", before: "pro", after: "free" }],
      });
      expect(changes[0]).toMatchObject({ accountId, keyId });
      expect(changes[0]?.fields.map(({ field, before, after }) => [field, before, after])).toEqual([
        ["revoked_at_us", undefined, String(BigInt(nowMs) * 1_000n)],
        ["revoke_reason", undefined, "leaked"],
      ]);
      expect(changes[2]?.fields).toContainEqual(
        expect.objectContaining({ field: "scopes", after: '["chat","models"]' }),
      );
    });

    it("lists changes a page at a time, of all accounts or of one, and no void ones", async () => {
      const [ada, bob] = [await addAccount("ada@example.org"), await addAccount()];
      await addAccount("ada@example.org").catch(() => undefined);
      for (const account of [ada, bob, ada, bob, ada]) await addKey(account);
      const pages = (accountId?: string) => {
        const seen: number[] = [];
        for (let hasMore = true; hasMore; ) {
          const page = directory.changes({ limit: 2, before: seen.at(-1), accountId });
          seen.push(...page.changes.map(({ sequence }) => sequence));
          hasMore = page.hasMore;
        }
        return seen;
      };
      expect(pages()).toEqual([7, 6, 5, 4, 3, 2, 1]);
      expect(pages(ada)).toEqual([7, 5, 3, 1]);
      expect(pages(bob)).toEqual([6, 4, 2]);
      expect(pages(uuids.text())).toEqual([]);
      expect(directory.changes({ limit: 5, before: 1 })).toEqual({ changes: [], hasMore: false });
    });

    it("says of a password that there is one, and lists the same changes after a restart", async () => {
      const value = {
        accountId: uuids.text(),
        name: "Ada",
        plan: "pro",
        passwordHash: "$scrypt$x",
      };
      await directory.append({ case: "accountCreated", value }, first);
      const before = directory.changes({ limit: 10 });
      expect(before.changes[0]?.fields).toContainEqual(
        expect.objectContaining({ field: "password_hash", after: "(set)" }),
      );
      await directory.close();
      directory = await home.open(clock);
      expect(directory.changes({ limit: 10 })).toEqual(before);
      await addAccount();
      expect(directory.changes({ limit: 1 }).changes[0]?.sequence).toBe(2);
    });

    it("lets a listener read the state that its change made", async () => {
      const versions: (bigint | undefined)[] = [];
      const keyId = await addKey(await addAccount());
      directory.onChange(() => versions.push(directory.key(keyId)?.version));
      await revoke(keyId, 1n);
      expect(versions).toEqual([2n]);
    });

    it("has everything after it was closed and opened again", async () => {
      const accountId = await addAccount("ada@example.org");
      const keyId = await addKey(accountId);
      await revoke(keyId, 1n);
      const before = [directory.account(accountId), directory.key(keyId)];
      await directory.close();
      directory = await home.open(clock);
      expect([directory.account(accountId), directory.key(keyId)]).toEqual(before);
      expect(directory.keysOf(accountId)).toHaveLength(1);
      await expect(addAccount("ada@example.org")).rejects.toMatchObject({
        code: "invalid_request",
      });
    });

    it("writes what was appended before it was closed", async () => {
      const appended = addAccount();
      await directory.close();
      const id = await appended;
      directory = await home.open(clock);
      expect(directory.account(id)).toBeDefined();
    });
  });
}
