// The first start: one account and one key that may do everything, so that a new gateway can be used.
import { rm } from "node:fs/promises";
import { create } from "@bufbuild/protobuf";
import { AccountCreatedSchema, KeyCreatedSchema } from "../gen/optamil/v1/directory_pb.ts";
import { OptamilError } from "../platform/errors.ts";
import type { UuidSource } from "../platform/uuid.ts";
import type { Issuer } from "./issue.ts";
import type { FirstAccountStore } from "./registry.ts";
import { scopes } from "./scopes.ts";
import { readSecretFile, writeSecretFile } from "./secret-file.ts";
import type { PublicKeys } from "./signing-keys.ts";
import { type Claims, lastFourOf, parseToken, toKeysByHeader } from "./token.ts";

/** What the first start stands on. */
export type BootstrapParts = {
  /** The file for the key: mode 0600, the key alone and a newline. */
  readonly path: string;
  readonly store: FirstAccountStore;
  readonly issuer: Issuer;
  readonly jwks: PublicKeys;
  /** Gives the account its id, unless it has one that all replicas agree on. */
  readonly uuids: UuidSource;
  readonly accountId?: string | undefined;
};

/** What the start found or made. */
export type FirstKey = {
  /** The key of the file, while it works; undefined if there is none any more. */
  readonly firstKey: string | undefined;
  /** Whether this start made it, or finished making it. */
  readonly created: boolean;
};

type Kept = { readonly key: string; readonly claims: Claims };

const actor = "bootstrap";
const firstPlan = "business";
const accountName = "default";
const keyName = "first key";
const expectedVersion = 0n;

/**
 * The first account, named "default", and its key; does nothing once the directory has accounts.
 *
 * The file is durable first, then the account, then the key, and what is missing of the three is
 * made from the file. So a crash anywhere is healed by the next start, and the file never names a key
 * other than the one that works. A file that is gone while there are accounts was taken away by its
 * owner: no new key is made.
 */
export async function bootstrap(parts: BootstrapParts): Promise<FirstKey> {
  const { store } = parts;
  const isEmpty = store.accounts({ limit: 1 }).accounts.length === 0;
  const kept = (await readKept(parts)) ?? (isEmpty ? await makeKept(parts) : undefined);
  if (kept === undefined) return { firstKey: undefined, created: false };
  const { key, claims } = kept;
  if (isEmpty && !(await createAccount(store, claims))) {
    // Somebody else was first, and has the key.
    await rm(parts.path, { force: true });
    return { firstKey: undefined, created: false };
  }
  // Another directory came in the place of the one that the file belongs to.
  if (store.account(claims.accountId) === undefined) return { firstKey: undefined, created: false };
  const registered = store.key(claims.keyId);
  if (registered === undefined) await createKey(store, key, claims);
  const works = registered?.revokedAtUs === undefined;
  return { firstKey: works ? key : undefined, created: registered === undefined };
}

/** The file's key, undefined if there is none or if no key of this gateway signed it. */
async function readKept({ path, jwks }: BootstrapParts): Promise<Kept | undefined> {
  const key = (await readSecretFile(path))?.trimEnd();
  if (key === undefined) return undefined;
  try {
    return { key, claims: parseToken(key, toKeysByHeader(jwks.publicKeys())) };
  } catch {
    // Of signing keys that are gone: nobody can use it, and with an empty directory it is replaced.
    return undefined;
  }
}

async function makeKept(parts: BootstrapParts): Promise<Kept | undefined> {
  const { issuer, uuids, path } = parts;
  const accountId = parts.accountId ?? uuids.text();
  const { key } = await issuer.issueKey({ accountId, plan: firstPlan, name: keyName, scopes });
  await writeSecretFile(path, `${key}\n`);
  return readKept(parts);
}

/** False if it was made by somebody else at the same time. */
async function createAccount(store: FirstAccountStore, { accountId }: Claims): Promise<boolean> {
  const value = create(AccountCreatedSchema, { accountId, name: accountName, plan: firstPlan });
  try {
    await store.append({ case: "accountCreated", value }, { actor, expectedVersion });
    return true;
  } catch (error) {
    if (error instanceof OptamilError && error.code === "conflict") return false;
    throw error;
  }
}

async function createKey(store: FirstAccountStore, key: string, claims: Claims): Promise<void> {
  const { keyId, accountId, scopes, models = [], expiresAt } = claims;
  const value = create(KeyCreatedSchema, {
    keyId,
    accountId,
    name: keyName,
    lastFour: lastFourOf(key),
    scopes: [...scopes],
    models: [...models],
    expiresAt: BigInt(expiresAt),
  });
  await store.append({ case: "keyCreated", value }, { actor, expectedVersion });
}
