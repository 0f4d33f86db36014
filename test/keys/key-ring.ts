/** A gateway's keys with a directory of their own, and a forger that has its signing key. */
import { Buffer } from "node:buffer";
import { createPrivateKey, type KeyObject, sign } from "node:crypto";
import { createIssuer, type IssuedKey, type KeyRequest } from "../../src/keys/issue.ts";
import type { RegisteredKey } from "../../src/keys/registry.ts";
import {
  createSigningKeys,
  generateSigningJwk,
  type SigningJwk,
  type SigningKeys,
} from "../../src/keys/signing-keys.ts";
import { createVerifier, type Verifier } from "../../src/keys/verify.ts";
import { createUuidSource } from "../../src/platform/uuid.ts";

/** What a test turns. */
export type KeyRing = {
  readonly jwk: SigningJwk;
  readonly clock: { nowMs: number; wallMs(): number; monotonicMs(): number };
  readonly verifier: Verifier;
  /** The keys in use: put others in its place to rotate. */
  signingKeys: SigningKeys;
  /** The directory, by key id. */
  readonly registered: Map<string, RegisteredKey>;
  /** Makes a key and registers it. */
  issue(request?: Partial<KeyRequest>): Promise<IssuedKey>;
};

/** An account that the ring's keys belong to. */
export const accountId = "0190b2c4-0000-7000-8000-000000000001";

/** A ring with one signing key, at a time in 2026. */
export async function createKeyRing(): Promise<KeyRing> {
  const jwk = await generateSigningJwk();
  const clock = {
    nowMs: 1_780_000_000_000,
    wallMs: () => clock.nowMs,
    monotonicMs: () => clock.nowMs,
  };
  const registered = new Map<string, RegisteredKey>();
  const uuids = createUuidSource(clock);
  const ring: KeyRing = {
    jwk,
    clock,
    registered,
    signingKeys: await createSigningKeys({ signing: jwk.kid, keys: [jwk] }),
    verifier: createVerifier({
      jwks: { publicKeys: () => ring.signingKeys.publicKeys() },
      registry: { key: (keyId) => registered.get(keyId) },
      clock,
    }),
    async issue(request = {}) {
      const issuer = createIssuer({ signingKeys: ring.signingKeys, clock, uuids });
      const defaults = { accountId, plan: "pro", name: "laptop" };
      const issued = await issuer.issueKey({ ...defaults, ...request });
      registered.set(issued.jti, { accountId: issued.change.value.accountId });
      return issued;
    },
  };
  return ring;
}

/** The private part of a key, for forgeries. */
export function privateKeyOf({ x, d }: SigningJwk): KeyObject {
  const key = { kty: "OKP", crv: "Ed25519", x, ...(d !== undefined && { d }) };
  return createPrivateKey({ key, format: "jwk" });
}

/** A key with any header and payload, given as text, signed with Ed25519. */
export function forge(header: string, payload: string, privateKey: KeyObject): string {
  const signed = `${toBase64url(header)}.${toBase64url(payload)}`;
  return `sk-optamil-${signed}.${sign(null, Buffer.from(signed), privateKey).toString("base64url")}`;
}

/** The segments of a key: header, payload, signature. */
export function segmentsOf(key: string): [string, string, string] {
  const [header = "", payload = "", signature = ""] = key.slice("sk-optamil-".length).split(".");
  return [header, payload, signature];
}

/** Text of a segment. */
export function decode(segment: string): string {
  return Buffer.from(segment, "base64url").toString("utf8");
}

/** Segment of a text. */
export function toBase64url(text: string): string {
  return Buffer.from(text).toString("base64url");
}
