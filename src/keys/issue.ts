// Makes API keys.

import { create } from "@bufbuild/protobuf";
import { SignJWT } from "jose";
import { type KeyCreated, KeyCreatedSchema } from "../gen/optamil/v1/directory_pb.ts";
import type { KeyLimits } from "../gen/optamil/v1/keys_pb.ts";
import type { Clock } from "../platform/clock.ts";
import { invalidRequest } from "../platform/errors.ts";
import type { UuidSource } from "../platform/uuid.ts";
import { defaultScopes, scopes as everyScope } from "./scopes.ts";
import type { SigningKeys } from "./signing-keys.ts";
import {
  audience,
  issuer,
  keyCharactersMax,
  keyPrefix,
  lastFourOf,
  sessionAudience,
} from "./token.ts";

/** The key to make. */
export type KeyRequest = {
  readonly accountId: string;
  /** Id of the account's plan, signed as the fallback for a directory that cannot be read. */
  readonly plan: string;
  /** Name for people. */
  readonly name: string;
  /** What it may do. Default, also for none: chat, models, usage:read. */
  readonly scopes?: readonly string[] | undefined;
  /** Models that it may ask for. Default, also for none: all. */
  readonly models?: readonly string[] | undefined;
  /** Tiers that it may ask for. Default, also for none: all. They and the limits stand in the directory alone. */
  readonly tiers?: readonly string[] | undefined;
  /** Its limits beside the account's. Default: none. */
  readonly limits?: KeyLimits | undefined;
  /** What becomes of parameters that a model cannot take. Default, also for "": the gateway's policy. */
  readonly parameterPolicy?: string | undefined;
  /** What its line may use in a period, micro-credits. Default: what the account may. */
  readonly budgetMicro?: bigint | undefined;
  /** Quality of its requests for `auto` that ask for none, 0 to 1. Default: the account's. */
  readonly quality?: number | undefined;
  /** First key of the line that it goes on by rotation. Default: itself. */
  readonly rootKeyId?: string | undefined;
  /** Whether it is to be a session's. Default false. */
  readonly session?: boolean | undefined;
  /** Unix seconds. Default: 10 years from now, as keys end by revocation. */
  readonly expiresAt?: number | undefined;
};

/** A new key. It works once `change` is in the directory. */
export type IssuedKey = {
  /** The secret: shown once, kept nowhere. */
  readonly key: string;
  /** Id of the key (UUIDv7). */
  readonly jti: string;
  /** Last four characters of the secret. */
  readonly lastFour: string;
  /** Unix seconds. */
  readonly expiresAt: number;
  /** The record to append to the directory, at expected version 0. */
  readonly change: { readonly case: "keyCreated"; readonly value: KeyCreated };
};

/** Makes keys. */
export interface Issuer {
  /** A new key. Throws `invalid_request` for an unknown scope, a past expiry, too long a model list. */
  issueKey(request: KeyRequest): Promise<IssuedKey>;
}

/** What an issuer stands on. */
export type IssuerParts = {
  readonly signingKeys: Pick<SigningKeys, "signing">;
  readonly clock: Clock;
  /** Gives the keys their ids. */
  readonly uuids: UuidSource;
};

const lifeYearsDefault = 10;

/** An issuer that signs with the gateway's key. */
export function createIssuer({ signingKeys, clock, uuids }: IssuerParts): Issuer {
  return {
    async issueKey(request) {
      const nowMs = clock.wallMs();
      const { accountId, plan, name, expiresAt = tenYearsAfter(nowMs) } = request;
      const scopes = parseScopes(request.scopes ?? []);
      const models = request.models ?? [];
      const issuedAt = Math.floor(nowMs / 1_000);
      if (!Number.isSafeInteger(expiresAt) || expiresAt <= issuedAt) {
        throw invalidRequest("expires_at must be a Unix time in the future.", "expires_at");
      }
      const jti = uuids.text();
      const key = await sign(signingKeys.signing, {
        iss: issuer,
        aud: request.session ? sessionAudience : audience,
        sub: accountId,
        jti,
        iat: issuedAt,
        exp: expiresAt,
        plan,
        scope: scopes.join(" "),
        ...(models.length > 0 && { models: [...models] }),
      });
      if (key.length > keyCharactersMax) {
        throw invalidRequest("models: the list is too long for a key.", "models");
      }
      const lastFour = lastFourOf(key);
      const value = create(KeyCreatedSchema, {
        keyId: jti,
        accountId,
        name,
        lastFour,
        scopes: [...scopes],
        models: [...models],
        tiers: [...(request.tiers ?? [])],
        session: request.session ?? false,
        parameterPolicy: request.parameterPolicy ?? "",
        rootKeyId: request.rootKeyId ?? "",
        ...(request.budgetMicro !== undefined && { budgetMicro: request.budgetMicro }),
        ...(request.quality !== undefined && { quality: request.quality }),
        ...(request.limits !== undefined && { limits: request.limits }),
        expiresAt: BigInt(expiresAt),
      });
      return { key, jti, lastFour, expiresAt, change: { case: "keyCreated", value } };
    },
  };
}

/** The header has these two members in this order: see `toHeaderSegment` in token.ts. */
async function sign(
  { kid, privateKey }: SigningKeys["signing"],
  payload: Record<string, unknown>,
): Promise<string> {
  const jwt = new SignJWT(payload).setProtectedHeader({ alg: "EdDSA", kid });
  return `${keyPrefix}${await jwt.sign(privateKey)}`;
}

function parseScopes(scopes: readonly string[]): readonly string[] {
  if (scopes.length === 0) return defaultScopes;
  const known: readonly string[] = everyScope;
  const unknown = scopes.find((scope) => !known.includes(scope));
  if (unknown === undefined) return scopes;
  throw invalidRequest(`scopes: unknown scope. Known: ${known.join(", ")}.`, "scopes");
}

function tenYearsAfter(nowMs: number): number {
  const end = new Date(nowMs);
  end.setUTCFullYear(end.getUTCFullYear() + lifeYearsDefault);
  return Math.floor(end.getTime() / 1_000);
}
