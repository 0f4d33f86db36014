// What owners do with their keys: create, list, revoke. The same through every door and on the command line.
import { create } from "@bufbuild/protobuf";
import {
  type DirectoryRecord,
  KeyRevokedSchema,
  type KeyState,
} from "../gen/optamil/v1/directory_pb.ts";
import { type CreateKeyRequest, type Key, KeySchema } from "../gen/optamil/v1/keys_pb.ts";
import { OptamilError } from "../platform/errors.ts";
import type { Issuer } from "./issue.ts";
import { defaultScopes } from "./scopes.ts";

/** Where keys are kept. */
export interface KeyStore {
  account(accountId: string): { readonly plan: string } | undefined;
  key(keyId: string): Readonly<KeyState> | undefined;
  keysOf(accountId: string): Readonly<KeyState>[];
  append(
    change: DirectoryRecord["change"],
    write: { readonly actor: string; readonly expectedVersion: bigint },
  ): Promise<void>;
}

/** Who acts, and on whose keys. */
export type Actor = {
  readonly accountId: string;
  /** A key id, or "cli". */
  readonly name: string;
  /** Scopes that the actor has: a new key cannot have others. */
  readonly scopes: readonly string[];
};

/** The operations on keys. */
export interface KeyManager {
  /** A new key; its secret is in the answer and nowhere else. Throws `permission_denied`, `invalid_request`. */
  create(request: CreateKeyRequest, actor: Actor): Promise<{ key: string; info: Key }>;
  /** All keys of the actor's account, newest first. */
  list(actor: Actor): readonly Key[];
  /** Ends a key; nothing changes if it has ended. Throws `not_found` for keys of other accounts too. */
  revoke(keyId: string, reason: string, actor: Actor): Promise<Key>;
}

/** The operations over a store and an issuer. */
export function createKeyManager(store: KeyStore, issuer: Issuer): KeyManager {
  return {
    async create({ name, scopes, models, expiresAt }, actor) {
      const wanted = scopes.length > 0 ? scopes : defaultScopes;
      const beyond = wanted.find((scope) => !actor.scopes.includes(scope));
      if (beyond !== undefined) throw scopeBeyond(beyond);
      const { key, jti, change } = await issuer.issueKey({
        accountId: actor.accountId,
        plan: store.account(actor.accountId)?.plan ?? "free",
        name,
        scopes: wanted,
        models,
        expiresAt: expiresAt === undefined ? undefined : Number(expiresAt),
      });
      await store.append(change, { actor: actor.name, expectedVersion: 0n });
      return { key, info: toKey(ownKey(store, jti, actor)) };
    },
    list: ({ accountId }) => store.keysOf(accountId).map(toKey),
    async revoke(keyId, reason, actor) {
      const state = ownKey(store, keyId, actor);
      if (state.revokedAtUs === undefined) {
        const value = create(KeyRevokedSchema, { keyId, reason: reason || "unused" });
        const write = { actor: actor.name, expectedVersion: state.version };
        await store.append({ case: "keyRevoked", value }, write);
      }
      return toKey(ownKey(store, keyId, actor));
    },
  };
}

function ownKey(store: KeyStore, keyId: string, { accountId }: Actor): Readonly<KeyState> {
  const state = store.key(keyId);
  if (state !== undefined && state.accountId === accountId) return state;
  throw new OptamilError("not_found", "This account has no key with that id.", { param: "key_id" });
}

function scopeBeyond(scope: string): OptamilError {
  return new OptamilError(
    "permission_denied",
    `A key can only give scopes that it has itself: '${scope}' is not among them.`,
    { param: "scopes" },
  );
}

const microsecondsPerSecond = 1_000_000n;

function toKey(state: Readonly<KeyState>): Key {
  const { revokedAtUs } = state;
  return create(KeySchema, {
    id: state.id,
    object: "key",
    name: state.name,
    lastFour: state.lastFour,
    scopes: [...state.scopes],
    models: [...state.models],
    created: state.createdAtUs / microsecondsPerSecond,
    expiresAt: state.expiresAt,
    ...(revokedAtUs !== undefined && { revokedAt: revokedAtUs / microsecondsPerSecond }),
  });
}
