import { chmod, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  AccountCreatedSchema,
  type DirectoryRecord,
} from "../../src/gen/optamil/v1/directory_pb.ts";
import { bootstrap, type FirstKey } from "../../src/keys/bootstrap.ts";
import { createIssuer } from "../../src/keys/issue.ts";
import type { FirstAccountStore, RegisteredKey } from "../../src/keys/registry.ts";
import { scopes } from "../../src/keys/scopes.ts";
import { openSigningKeys, type SigningKeys } from "../../src/keys/signing-keys.ts";
import { createVerifier } from "../../src/keys/verify.ts";
import { OptamilError } from "../../src/platform/errors.ts";
import { createUuidSource } from "../../src/platform/uuid.ts";

type Change = DirectoryRecord["change"];

const clock = { wallMs: () => 1_780_000_000_000, monotonicMs: () => 0 };
const uuids = createUuidSource(clock);

/** A directory that can lose its power: from the append with that number on, all of them fail. */
class Store implements FirstAccountStore {
  readonly changes: Change[] = [];
  failsFrom = Number.POSITIVE_INFINITY;
  onAppend: () => void = () => {};
  readonly #accounts = new Map<string, unknown>();
  readonly #keys = new Map<string, RegisteredKey>();

  account(id: string): unknown {
    return this.#accounts.get(id);
  }

  accounts(): { accounts: unknown[] } {
    return { accounts: [...this.#accounts.values()] };
  }

  key(id: string): RegisteredKey | undefined {
    return this.#keys.get(id);
  }

  revoke(id: string): void {
    this.#keys.set(id, { accountId: this.#keys.get(id)?.accountId ?? "", revokedAtUs: 1n });
  }

  async append(change: Change, write: { actor: string; expectedVersion: bigint }): Promise<void> {
    if (this.changes.length >= this.failsFrom) throw new Error("power lost");
    this.onAppend();
    expect(write).toEqual({ actor: "bootstrap", expectedVersion: 0n });
    this.changes.push(change);
    if (change.case === "accountCreated") this.#accounts.set(change.value.accountId, change.value);
    if (change.case === "keyCreated") {
      this.#keys.set(change.value.keyId, { accountId: change.value.accountId });
    }
  }
}

let folder: string;
let path: string;
let signingKeys: SigningKeys;
let store: Store;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "optamil-bootstrap-"));
  path = join(folder, "first-key");
  signingKeys = await openSigningKeys(join(folder, "signing-keys.json"));
  store = new Store();
});

afterEach(() => rm(folder, { recursive: true }));

function start(options: { accountId?: string } = {}): Promise<FirstKey> {
  const issuer = createIssuer({ signingKeys, clock, uuids });
  return bootstrap({ path, store, issuer, jwks: signingKeys, uuids, ...options });
}

function callerOf(key: string | undefined) {
  const verifier = createVerifier({ jwks: signingKeys, registry: store, clock });
  return verifier.verify(key ?? "");
}

describe("the first start", () => {
  it("makes one account on plan business and a key that may do everything", async () => {
    const { firstKey, created } = await start();
    expect(created).toBe(true);
    expect(store.changes).toMatchObject([
      { case: "accountCreated", value: { name: "default", plan: "business", email: "" } },
      { case: "keyCreated", value: { scopes: [...scopes], models: [], name: "first key" } },
    ]);
    expect(callerOf(firstKey)).toMatchObject({ plan: "business", scopes });
  });

  it("keeps the key in a file of its own, for its owner only", async () => {
    const { firstKey } = await start();
    expect(await readFile(path, "utf8")).toBe(`${firstKey}\n`);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it.each([0, 1])("is healed by the next one when the power goes before append %i", async (at) => {
    store.failsFrom = at;
    await expect(start()).rejects.toThrow("power lost");
    const text = await readFile(path, "utf8");
    store.failsFrom = Number.POSITIVE_INFINITY;
    const { firstKey, created } = await start();
    expect(created).toBe(true);
    expect(await readFile(path, "utf8")).toBe(text);
    expect(`${firstKey}\n`).toBe(text);
    expect(callerOf(firstKey)).toMatchObject({ scopes });
    expect(store.accounts().accounts).toHaveLength(1);
    expect(store.changes).toHaveLength(2);
  });

  it("makes nothing, and keeps no key, where another one has just made the account of the same id", async () => {
    store.onAppend = () => {
      throw new OptamilError("conflict", "Somebody else changed it.");
    };
    expect(await start({ accountId: uuids.text() })).toEqual({
      firstKey: undefined,
      created: false,
    });
    await expect(stat(path)).rejects.toMatchObject({ code: "ENOENT" });
  });

  it("makes another key when the file's was signed by keys that are gone", async () => {
    store.failsFrom = 0;
    await expect(start()).rejects.toThrow("power lost");
    store.failsFrom = Number.POSITIVE_INFINITY;
    signingKeys = await openSigningKeys(join(folder, "other-signing-keys.json"));
    const { firstKey } = await start();
    expect(callerOf(firstKey)).toMatchObject({ scopes });
    expect(await readFile(path, "utf8")).toBe(`${firstKey}\n`);
  });
});

describe("a later start", () => {
  it("changes nothing and still knows the key", async () => {
    const { firstKey } = await start();
    expect(await start()).toEqual({ firstKey, created: false });
    expect(store.changes).toHaveLength(2);
  });

  it("makes no new key when the owner took the file away", async () => {
    await start();
    await rm(path);
    expect(await start()).toEqual({ firstKey: undefined, created: false });
    expect(store.changes).toHaveLength(2);
  });

  it("does not show a first key that was revoked, and does not make it work again", async () => {
    const { firstKey } = await start();
    store.revoke(callerOf(firstKey).keyId);
    expect(await start()).toEqual({ firstKey: undefined, created: false });
    expect(store.changes).toHaveLength(2);
  });

  it("leaves a directory alone that has accounts but not the file's", async () => {
    await start();
    store = new Store();
    const value = { accountId: uuids.text(), name: "Ada", plan: "free" };
    const other = create(AccountCreatedSchema, value);
    const write = { actor: "bootstrap", expectedVersion: 0n };
    await store.append({ case: "accountCreated", value: other }, write);
    expect(await start()).toEqual({ firstKey: undefined, created: false });
    expect(store.changes).toHaveLength(1);
  });

  it("goes on past a file that holds no key", async () => {
    await start();
    await writeFile(path, "nonsense\n");
    expect(await start()).toEqual({ firstKey: undefined, created: false });
  });

  it("is refused while others can read the file", async () => {
    await start();
    await chmod(path, 0o644);
    await expect(start()).rejects.toThrow("can be read by others");
  });
});
