// From a credential to the caller: the gate that every request passes.
import { hash, type KeyObject } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import type { KeyLimits } from "../gen/optamil/v1/keys_pb.ts";
import type { Clock } from "../platform/clock.ts";
import { type ParameterPolicy, toParameterPolicy } from "../platform/settings.ts";
import { RecentMap } from "./recent-map.ts";
import type { KeyRegistry, RegisteredKey } from "./registry.ts";
import type { PublicKeys } from "./signing-keys.ts";
import {
  type Claims,
  keyCharactersMax,
  parseToken,
  readDecoyClaims,
  toKeysByHeader,
} from "./token.ts";
import { NotKnownYet, unauthenticated } from "./unauthenticated.ts";

/** Who calls, and what the key allows. Shared between requests. */
export type Caller = {
  readonly accountId: string;
  readonly keyId: string;
  /** Plan that the token was signed for: counts only where the account cannot be read. */
  readonly plan: string;
  readonly scopes: readonly string[];
  /** Models that the key may ask for; undefined: all. */
  readonly models: readonly string[] | undefined;
  /** Unix seconds. */
  readonly expiresAt: number;
  /** Tiers of the models that the key may ask for. Default: all. */
  readonly tiers?: readonly string[] | undefined;
  /** Whether a session calls, whose id `keyId` is. Default: a key does. */
  readonly session?: boolean | undefined;
  /** Limits of the key beside the account's. Default: none. */
  readonly limits?: KeyLimits | undefined;
  /** What becomes of parameters that a model cannot take. Default: the gateway's policy. */
  readonly parameterPolicy?: ParameterPolicy | undefined;
  /** Quality of its requests for `auto` that ask for none, 0 to 1. Default: the account's. */
  readonly quality?: number | undefined;
};

/** What a credential is expected to be. */
export type CredentialKind = "key" | "session";

/** Verifies credentials. */
export interface Verifier {
  /**
   * The caller by a key, or by a session's token. Throws `unauthenticated`, always with the same message, also for one
   * in the place of the other, and what the registry throws.
   */
  verify(credential: string, kind?: CredentialKind): Caller;
}

/** What a verifier stands on. */
export type VerifierParts = {
  /** The keys that may have signed; the cache is dropped when their set changes. */
  readonly jwks: PublicKeys;
  /** Asked on every call, so that a revoked key is refused at once. */
  readonly registry: KeyRegistry;
  readonly clock: Clock;
  /** How long a key may be made before this registry knows it, milliseconds. Default 0: it knows all at once. */
  readonly registryLagMs?: number | undefined;
};

/** A key that is older is known by now, or never was made; seconds, and less than replicas' clocks differ. */
const newForS = 10;
const lookAgainMs = 10;

/** Clocks of two replicas may differ that much, seconds. */
const skewS = 60;

/** About 25 MB when full. */
const cachedTokensMax = 50_000;

/** Bounds what a mistake in this cache can do; a signature costs about 150 µs and the hash 1 µs. */
const cachedForMs = 60_000;

type Verified = {
  readonly digest: string;
  readonly claims: Claims;
  readonly staleAtMs: number;
  /** What the directory said of the key when the caller was made; undefined: no caller was. */
  registered: RegisteredKey | undefined;
  caller: Caller;
};

/**
 * A verifier: length, spelling, header, signature, issuer and audience (all cached by the SHA-256 of
 * the credential), then times and the registry (never cached).
 */
export function createVerifier(parts: VerifierParts): Verifier {
  const { jwks, registry, clock } = parts;
  const cache = new RecentMap<string, Verified>(cachedTokensMax);
  let publicKeys: ReadonlyMap<string, KeyObject> = new Map();
  let keysByHeader: ReadonlyMap<string, KeyObject> = new Map();

  function followKeySet(): void {
    const latest = jwks.publicKeys();
    if (latest === publicKeys) return;
    publicKeys = latest;
    keysByHeader = toKeysByHeader(latest);
    cache.clear();
  }

  /** What is refused for its signature takes the work of what is refused for its claims or by the directory. */
  function read(credential: string): Claims {
    try {
      return parseToken(credential, keysByHeader);
    } catch (refusal) {
      const { keyId } = toCaller(readDecoyClaims());
      registry.key(keyId);
      throw refusal;
    }
  }

  function parse(credential: string): Verified {
    followKeySet();
    // Of what is too long one character more than a key can have is enough to tell it from all keys.
    const digest = hash("sha256", credential.slice(0, keyCharactersMax + 1), "binary");
    const nowMs = clock.monotonicMs();
    const cached = cache.get(digest);
    if (cached !== undefined && nowMs < cached.staleAtMs) return cached;
    const claims = read(credential);
    const staleAtMs = nowMs + cachedForMs;
    return {
      ...{ digest, claims, staleAtMs },
      registered: undefined,
      caller: toCaller(claims),
    };
  }

  return {
    verify(credential, kind = "key") {
      const verified = parse(credential);
      const { digest, claims } = verified;
      try {
        if (claims.session !== (kind === "session")) throw unauthenticated("another audience");
        const nowMs = clock.wallMs();
        checkTimes(claims, nowMs / 1_000);
        const registered = checkRegistered(claims, parts, nowMs);
        if (registered !== verified.registered) {
          verified.registered = registered;
          verified.caller = toCaller(claims, registered);
        }
        // What is refused is checked whole the next time: a quick refusal would tell that the signature is good.
        cache.set(digest, verified);
        return verified.caller;
      } catch (error) {
        cache.delete(digest);
        throw error;
      }
    },
  };
}

function toCaller(claims: Claims, registered: Partial<RegisteredKey> = {}): Caller {
  const { tiers = [], limits, quality } = registered;
  const parameterPolicy = toParameterPolicy(registered.parameterPolicy);
  const { accountId, keyId, plan, scopes, models, expiresAt } = claims;
  const narrowed = {
    ...(tiers.length > 0 && { tiers }),
    ...(limits !== undefined && { limits }),
    ...(parameterPolicy !== undefined && { parameterPolicy }),
    ...(quality !== undefined && { quality }),
    ...(claims.session && { session: true }),
  };
  return { accountId, keyId, plan, scopes, models, expiresAt, ...narrowed };
}

/** RFC 7519 §4.1.4–4.1.6, with our skew. */
function checkTimes({ issuedAt, expiresAt, notBefore }: Claims, nowS: number): void {
  if (nowS >= expiresAt + skewS) throw unauthenticated("expired");
  if (nowS < (notBefore ?? issuedAt) - skewS) throw unauthenticated("not valid yet");
  if (nowS < issuedAt - skewS) throw unauthenticated("issued in the future");
}

/** What the directory knows of the key, which must work. */
function checkRegistered(
  { keyId, accountId, issuedAt }: Claims,
  parts: VerifierParts,
  nowMs: number,
): RegisteredKey {
  const { registry, registryLagMs = 0 } = parts;
  const registered = registry.key(keyId);
  if (registered === undefined) {
    const isNew = registryLagMs > 0 && nowMs / 1_000 - issuedAt < newForS;
    const wait = () => untilKnown(keyId, parts, registryLagMs);
    throw unauthenticated(isNew ? new NotKnownYet(wait) : "not in the directory");
  }
  if (hasEnded(registered, nowMs)) throw unauthenticated("revoked");
  if (registered.accountId !== accountId) throw unauthenticated("another account's key");
  return registered;
}

async function untilKnown(
  keyId: string,
  { registry, clock }: VerifierParts,
  timeoutMs: number,
): Promise<void> {
  const endMs = clock.monotonicMs() + timeoutMs;
  while (registry.key(keyId) === undefined && clock.monotonicMs() < endMs) await wait(lookAgainMs);
}

/** Throws `unauthenticated` for a caller whose key or session has ended since it was verified, and what the registry throws. */
export function checkStillWorks(
  { keyId }: Caller,
  parts: Pick<VerifierParts, "registry" | "clock">,
): void {
  const registered = parts.registry.key(keyId);
  if (registered === undefined || hasEnded(registered, parts.clock.wallMs())) {
    throw unauthenticated("revoked");
  }
}

/** Whether the end that somebody has set for a key has come, at a time in Unix milliseconds. */
export function hasEnded(
  { revokedAtUs }: Pick<RegisteredKey, "revokedAtUs">,
  nowMs: number,
): boolean {
  return revokedAtUs !== undefined && Number(revokedAtUs) / 1_000 <= nowMs;
}
