// The Ed25519 keys of this gateway: one signs, all of them verify.
import { createPublicKey, type KeyObject } from "node:crypto";
import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK } from "jose";
import { SettingsError } from "../platform/settings.ts";
import { createSecretFile, readSecretFile } from "./secret-file.ts";

/** A public key as `/.well-known/jwks.json` shows it (RFC 7517, RFC 8037 §2). */
export type PublicJwk = {
  readonly kty: "OKP";
  readonly crv: "Ed25519";
  readonly alg: "EdDSA";
  readonly use: "sig";
  /** Two to eight lower-case letters and digits. */
  readonly kid: string;
  /** The key, base64url. */
  readonly x: string;
};

/** The file's form of a key: `d`, the private part, is missing from keys that only verify. */
export type SigningJwk = { readonly kid: string; readonly x: string; readonly d?: string };

/** The content of the file: the key that signs, by its kid, and every key whose tokens still count. */
export type SigningKeySet = { readonly signing: string; readonly keys: readonly SigningJwk[] };

/** The keys that verify tokens. */
export interface PublicKeys {
  /** The keys by kid: a new map whenever the set changes. */
  publicKeys(): ReadonlyMap<string, KeyObject>;
}

/** The keys of this gateway. */
export interface SigningKeys extends PublicKeys {
  /** The key that signs, and its kid. */
  readonly signing: { readonly kid: string; readonly privateKey: CryptoKey };
  /** The public keys as a JWK Set: previous, current and next. */
  jwks(): { keys: PublicJwk[] };
}

const kidCharacters = 3;
const kidPattern = /^[a-z0-9]{2,8}$/;

/** How to open signing keys. */
export type SigningKeysOptions = {
  /** Whether a missing file is made. Default true; replicas that share one must never make another. */
  readonly create?: boolean | undefined;
};

/**
 * The keys of the file; makes the file, mode 0600, with one new key at the first start. Of several who do so at
 * once, all have the key of the first.
 *
 * Throws when others can read the file or when it is not a set of keys, and SettingsError when it is missing
 * and not to be made.
 */
export async function openSigningKeys(
  path: string,
  { create = true }: SigningKeysOptions = {},
): Promise<SigningKeys> {
  const text = await readSecretFile(path);
  if (text !== undefined) return createSigningKeys(parseSigningKeySet(text, path));
  if (!create) {
    const remedy = "mount the secret that all replicas share, or make it with 'optamil migrate'";
    throw new SettingsError([`signingKeys: there is no file ${path}: ${remedy}`]);
  }
  const jwk = await generateSigningJwk();
  const set: SigningKeySet = { signing: jwk.kid, keys: [jwk] };
  const made = await createSecretFile(path, `${JSON.stringify(set)}\n`);
  return made ? createSigningKeys(set) : openSigningKeys(path);
}

/** A new key pair. Its kid comes from the key's thumbprint; that no other key has it is not sure. */
export async function generateSigningJwk(): Promise<SigningJwk> {
  const { privateKey } = await generateKeyPair("EdDSA", { crv: "Ed25519", extractable: true });
  const { kty, crv, x, d } = await exportJWK(privateKey);
  if (crv !== "Ed25519" || kty !== "OKP" || x === undefined || d === undefined) {
    throw new Error("this runtime makes no Ed25519 keys");
  }
  const thumbprint = await calculateJwkThumbprint({ kty, crv, x });
  // Three characters keep the token's header at 36, which older secret scanners know as a JWT's.
  const kid = thumbprint.toLowerCase().replaceAll(/[-_]/g, "").slice(0, kidCharacters);
  return { kid, x, d };
}

/** The keys of a set, ready for use. Throws when the signing key is missing, or two have one kid. */
export async function createSigningKeys(set: SigningKeySet): Promise<SigningKeys> {
  const jwks = set.keys.map(toPublicJwk);
  const publicKeys = new Map(
    jwks.map((jwk) => [jwk.kid, createPublicKey({ key: { ...jwk }, format: "jwk" })]),
  );
  if (publicKeys.size !== jwks.length) throw new Error("two signing keys have the same kid");
  const own = set.keys.find(({ kid }) => kid === set.signing);
  if (own?.d === undefined) throw new Error("the key that signs has no private part");
  const privateKey = await importJWK({ ...toPublicJwk(own), d: own.d }, "EdDSA");
  if (privateKey instanceof Uint8Array) throw new Error("the key that signs is not an Ed25519 key");
  return {
    signing: { kid: own.kid, privateKey },
    publicKeys: () => publicKeys,
    jwks: () => ({ keys: jwks }),
  };
}

function toPublicJwk({ kid, x }: SigningJwk): PublicJwk {
  return { kty: "OKP", crv: "Ed25519", alg: "EdDSA", use: "sig", kid, x };
}

/** The set in the text of a file; throws, naming the file, where it is none. */
export function parseSigningKeySet(text: string, path: string): SigningKeySet {
  const set: unknown = JSON.parse(text);
  if (!isSigningKeySet(set)) throw new Error(`${path} does not hold signing keys`);
  return set;
}

function isSigningKeySet(value: unknown): value is SigningKeySet {
  if (typeof value !== "object" || value === null) return false;
  if (!("signing" in value && "keys" in value)) return false;
  const { signing, keys } = value;
  return typeof signing === "string" && Array.isArray(keys) && keys.every(isSigningJwk);
}

function isSigningJwk(value: unknown): value is SigningJwk {
  if (typeof value !== "object" || value === null) return false;
  if (!("kid" in value && "x" in value)) return false;
  const { kid, x } = value;
  if (typeof kid !== "string" || !kidPattern.test(kid) || typeof x !== "string") return false;
  return !("d" in value) || typeof value.d === "string";
}
