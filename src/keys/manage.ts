// What owners do with their keys: create, list, rotate, revoke. The same through every door and on the command line.
import { create } from "@bufbuild/protobuf";
import {
  type DirectoryRecord,
  KeyRevokedSchema,
  type KeyState,
} from "../gen/optamil/v1/directory_pb.ts";
import { type CreateKeyRequest, type Key, KeySchema } from "../gen/optamil/v1/keys_pb.ts";
import type { Clock } from "../platform/clock.ts";
import { invalidRequest, OptamilError } from "../platform/errors.ts";
import type { Issuer, KeyRequest } from "./issue.ts";
import { defaultScopes } from "./scopes.ts";
import { hasEnded } from "./verify.ts";

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
  /** Models that the actor may ask for: a new key may ask for no others. Default: all. */
  readonly models?: readonly string[] | undefined;
  /** The same of tiers. */
  readonly tiers?: readonly string[] | undefined;
  /** Whether the actor has limits of its own: it could multiply them by making keys. Default: it has none. */
  readonly limited?: boolean | undefined;
};

/** A new key and the one that it replaces. */
export type RotatedKey = { readonly key: string; readonly info: Key; readonly previous: Key };

/** The operations on keys. Each throws `not_found` for a key of another account, as for one that never was. */
export interface KeyManager {
  /** A new key; its secret is in the answer and nowhere else. Throws `permission_denied`, `invalid_request`. */
  create(request: CreateKeyRequest, actor: Actor): Promise<{ key: string; info: Key }>;
  /** All keys of the actor's account, newest first. */
  list(actor: Actor): readonly Key[];
  /** Ends a key at once; nothing changes if it has ended. */
  revoke(keyId: string, reason: string, actor: Actor): Promise<Key>;
  /**
   * A new key like another one, which ends `overlapSeconds` (default a day) from now. Throws `permission_denied`,
   * `invalid_request` (it has ended), `conflict` (it was changed meanwhile: the new one is revoked again).
   */
  rotate(keyId: string, overlapSeconds: number | undefined, actor: Actor): Promise<RotatedKey>;
}

/** What the operations stand on. */
export type KeyManagerParts = {
  readonly store: KeyStore;
  readonly issuer: Issuer;
  readonly clock: Pick<Clock, "wallMs">;
};

const overlapSecondsDefault = 86_400;

/** The operations over a store and an issuer. */
export function createKeyManager({ store, issuer, clock }: KeyManagerParts): KeyManager {
  async function make(request: Omit<KeyRequest, "accountId" | "plan">, actor: Actor) {
    const scopes = request.scopes?.length ? request.scopes : defaultScopes;
    checkWithin("scopes", scopes, actor.scopes);
    checkWithin("models", request.models ?? [], actor.models);
    checkWithin("tiers", request.tiers ?? [], actor.tiers);
    const { accountId } = actor;
    const plan = store.account(accountId)?.plan ?? "free";
    const { key, jti, change } = await issuer.issueKey({ ...request, scopes, accountId, plan });
    await store.append(change, { actor: actor.name, expectedVersion: 0n });
    return { key, info: toKey(ownKey(store, jti, actor)) };
  }

  const isLimited = (actor: Actor) => actor.limited || budgetOf(store, actor.name) !== undefined;
  const toKey = (state: Readonly<KeyState>) => toMessage(state, budgetOf(store, state.id));

  async function end(state: Readonly<KeyState>, reason: string, endsAtMs: number, actor: Actor) {
    const effectiveAtUs = BigInt(Math.floor(endsAtMs * 1_000));
    const value = create(KeyRevokedSchema, { keyId: state.id, reason, effectiveAtUs });
    const write = { actor: actor.name, expectedVersion: state.version };
    await store.append({ case: "keyRevoked", value }, write);
    return toKey(ownKey(store, state.id, actor));
  }

  return {
    async create({ expiresAt: end, ...request }, actor) {
      if (isLimited(actor)) throw limitedActor();
      return make({ ...request, expiresAt: end === undefined ? undefined : Number(end) }, actor);
    },
    list: ({ accountId }) => store.keysOf(accountId).map(toKey),
    async revoke(keyId, reason, actor) {
      const state = ownKey(store, keyId, actor);
      if (hasEnded(state, clock.wallMs())) return toKey(state);
      return end(state, reason || "unused", 0, actor);
    },
    async rotate(keyId, overlapSeconds = overlapSecondsDefault, actor) {
      const old = ownKey(store, keyId, actor);
      if (isLimited(actor) && actor.name !== keyId) throw limitedActor();
      const nowMs = clock.wallMs();
      if (old.revokedAtUs !== undefined || Number(old.expiresAt) * 1_000 <= nowMs) throw ended();
      const { name, scopes, models, tiers, limits, parameterPolicy, quality } = old;
      const lifeSeconds = Number(old.expiresAt - old.createdAtUs / microsecondsPerSecond);
      const expiresAt = Math.floor(nowMs / 1_000) + Math.max(1, lifeSeconds);
      const made = await make(
        {
          ...{ name, scopes, models, tiers, limits, parameterPolicy, quality, expiresAt },
          rootKeyId: rootOf(old),
        },
        actor,
      );
      try {
        const previous = await end(old, "rotated", nowMs + overlapSeconds * 1_000, actor);
        return { ...made, previous };
      } catch (error) {
        // Nobody was shown it.
        await end(ownKey(store, made.info.id, actor), "unused", 0, actor);
        throw error;
      }
    },
  };
}

function ownKey(store: KeyStore, keyId: string, { accountId }: Actor): Readonly<KeyState> {
  const state = store.key(keyId);
  if (state !== undefined && state.accountId === accountId) return state;
  throw new OptamilError("not_found", "This account has no key with that id.", { param: "key_id" });
}

function ended(): OptamilError {
  const message =
    "This key has ended or was rotated already: create a new one, or rotate its successor.";
  return invalidRequest(message, "key_id");
}

/** Throws unless everything that is wanted is owned. Of models and tiers, to want none is to want all. */
function checkWithin(
  param: "scopes" | "models" | "tiers",
  wanted: readonly string[],
  owned: readonly string[] | undefined,
): void {
  if (owned === undefined) return;
  const beyond = wanted.length === 0 ? "all" : wanted.find((one) => !owned.includes(one));
  if (beyond === undefined) return;
  const message = `A key can only give ${param} that it has itself: '${beyond}' is not among them.`;
  throw new OptamilError("permission_denied", message, { param });
}

function limitedActor(): OptamilError {
  const message = "A key with limits or a budget of its own makes no other keys: use one without.";
  return new OptamilError("permission_denied", message, { param: "limits" });
}

const microsecondsPerSecond = 1_000_000n;

/** First key of the line that rotations have made. */
function rootOf({ rootKeyId, id }: Readonly<KeyState>): string {
  return rootKeyId || id;
}

/** The budget of a key's line, which its keys could escape by making others, as they could limits. */
function budgetOf(store: KeyStore, keyId: string): bigint | undefined {
  const state = store.key(keyId);
  return state && store.key(rootOf(state))?.budgetMicro;
}

function toMessage(state: Readonly<KeyState>, budgetMicro: bigint | undefined): Key {
  const { revokedAtUs, limits, quality } = state;
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
    tiers: [...state.tiers],
    parameterPolicy: state.parameterPolicy,
    ...(limits !== undefined && { limits }),
    ...(budgetMicro !== undefined && { budgetMicro }),
    ...(quality !== undefined && { quality }),
  });
}
