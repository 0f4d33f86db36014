// The token inside an API key: what it says, and whether one of our keys signed exactly these characters.
import { Buffer } from "node:buffer";
import { createHash, type KeyObject, verify } from "node:crypto";
import { isUuid } from "../platform/uuid.ts";
import { unauthenticated } from "./unauthenticated.ts";

/** What comes before the token: scanners and people know the key by it. */
export const keyPrefix = "sk-optamil-";

/** Characters of a key at most; a typical one has about 410. */
export const keyCharactersMax = 1_024;

/** Who issues the tokens, and for what. */
export const issuer = "optamil";
export const audience = "api";
/** The audience of tokens that stand for a session: a cookie carries them, and nothing else. */
export const sessionAudience = "session";

/** What a token says. Times are Unix seconds. */
export type Claims = {
  /** `sub`. */
  readonly accountId: string;
  /** `jti`. */
  readonly keyId: string;
  readonly issuedAt: number;
  readonly expiresAt: number;
  readonly notBefore: number | undefined;
  /** Id of the account's plan when the key was made. */
  readonly plan: string;
  readonly scopes: readonly string[];
  /** Models that the key may ask for; undefined: all. */
  readonly models: readonly string[] | undefined;
  /** Whether it is a session's token. */
  readonly session: boolean;
};

/** Segments of a key that is made of the right characters: an Ed25519 signature has 86. */
const keyPattern = /^sk-optamil-([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{86})$/;

/**
 * The first segment of every token signed with a key: `{"alg":"EdDSA","kid":"…"}` in the one spelling
 * that we issue.
 *
 * Verification looks a key up by this segment, whole. So no header of a caller is ever decoded or
 * parsed, and another algorithm, a second member or another spelling of the same is just unknown.
 */
function toHeaderSegment(kid: string): string {
  return Buffer.from(JSON.stringify({ alg: "EdDSA", kid })).toString("base64url");
}

/** Public keys by the first segment of the tokens that they verify, out of public keys by kid. */
export function toKeysByHeader(
  publicKeys: ReadonlyMap<string, KeyObject>,
): ReadonlyMap<string, KeyObject> {
  return new Map([...publicKeys].map(([kid, key]) => [toHeaderSegment(kid), key]));
}

/** The part of a key by which people tell theirs apart: its last four characters. */
export function lastFourOf(key: string): string {
  return key.slice(-4);
}

/**
 * What a credential says, once its spelling, signature, issuer and audience are right; its times and
 * its entry in the directory are not looked at.
 *
 * Throws `unauthenticated`.
 *
 * @param keysByHeader from `toKeysByHeader`.
 */
export function parseToken(
  credential: string,
  keysByHeader: ReadonlyMap<string, KeyObject>,
): Claims {
  return parseClaims(readSigned(credential, keysByHeader));
}

/**
 * The claims of a token as they are, once its spelling and signature are right; for what it was issued is not looked at.
 * Throws `unauthenticated`, always after the check of one signature: the time of a refusal does not tell its reason.
 */
export function readSigned(
  credential: string,
  keysByHeader: ReadonlyMap<string, KeyObject>,
): Record<string, unknown> {
  const found = parseSigned(credential, keysByHeader);
  const signed =
    typeof found === "string" ? parseSigned(toDecoy(keysByHeader), keysByHeader) : found;
  if (typeof signed === "string") throw unauthenticated("no key to check it with");
  const { publicKey, text, payload, signature } = signed;
  const isOurs = verify(null, text, publicKey, signature);
  // Read whoever wrote it: neither does a wrong claim take longer than a wrong signature.
  const claims = parseCanonicalObject(payload.toString("utf8"));
  if (typeof found === "string") throw unauthenticated(found);
  if (!isOurs) throw unauthenticated("signature is wrong");
  return claims;
}

/** A token of the usual length that nobody has signed, in place of what is not even one. */
function toDecoy(keysByHeader: ReadonlyMap<string, KeyObject>): string {
  const [header = ""] = keysByHeader.keys();
  return `${keyPrefix}${header}.${decoyPayload}.${decoySignature}`;
}

const noId = "00000000-0000-7000-8000-000000000000";
const noTime = 1_700_000_000;
const decoyClaims = {
  ...{ iss: issuer, aud: audience, sub: noId, jti: noId, iat: noTime, exp: noTime },
  ...{ plan: "none", scope: "chat models usage:read keys:write" },
};
const decoyPayload = Buffer.from(JSON.stringify(decoyClaims)).toString("base64url");
/** Half of its bits are set, as in any signature, and its S is below the group's order: it is checked to the end. */
const decoySignature = createHash("sha512")
  .update(issuer)
  .digest()
  .fill(7, 63)
  .toString("base64url");

/** Claims of a key that nobody has: read in place of those that a refused token does not have. */
export function readDecoyClaims(): Claims {
  return parseClaims({ ...decoyClaims });
}

/** What a signature is checked with. */
type Signed = {
  readonly publicKey: KeyObject;
  readonly text: Buffer;
  readonly payload: Buffer;
  readonly signature: Buffer;
};

/** The parts of a token, or why it cannot be one of ours. */
function parseSigned(
  credential: string,
  keysByHeader: ReadonlyMap<string, KeyObject>,
): Signed | string {
  if (credential.length > keyCharactersMax) return "too long";
  const [, header, payloadText, signatureText] = keyPattern.exec(credential) ?? [];
  if (header === undefined || payloadText === undefined || signatureText === undefined) {
    return "not the characters of a key";
  }
  const publicKey = keysByHeader.get(header);
  if (publicKey === undefined) return "header is not one of ours";
  const payload = fromBase64url(payloadText);
  const signature = fromBase64url(signatureText);
  if (payload === undefined || signature === undefined) return "segment is not canonical";
  return { publicKey, text: Buffer.from(`${header}.${payloadText}`, "latin1"), payload, signature };
}

/** 16 spellings of the last character decode to the same signature: only the canonical one counts. */
function fromBase64url(segment: string): Buffer | undefined {
  const bytes = Buffer.from(segment, "base64url");
  return bytes.toString("base64url") === segment ? bytes : undefined;
}

function parseClaims(payload: Record<string, unknown>): Claims {
  const { iss, aud, sub, jti, iat, exp, nbf, plan, scope, models, ...others } = payload;
  // A claim of a later release may narrow the key, so it is not ours to ignore.
  if (Object.keys(others).length > 0) throw unauthenticated("unknown claim");
  if (iss !== issuer) throw unauthenticated("another issuer");
  if (aud !== audience && aud !== sessionAudience) throw unauthenticated("another audience");
  if (typeof sub !== "string" || !isUuid(sub)) throw unauthenticated("sub is not a UUID");
  if (typeof jti !== "string" || !isUuid(jti)) throw unauthenticated("jti is not a UUID");
  if (!isTime(iat) || !isTime(exp)) throw unauthenticated("iat or exp is not a time");
  if (nbf !== undefined && !isTime(nbf)) throw unauthenticated("nbf is not a time");
  if (typeof plan !== "string" || typeof scope !== "string") {
    throw unauthenticated("plan or scope is not a text");
  }
  if (models !== undefined && !isTexts(models)) throw unauthenticated("models are not texts");
  return {
    accountId: sub,
    keyId: jti,
    issuedAt: iat,
    expiresAt: exp,
    notBefore: nbf,
    plan,
    scopes: scope.split(" "),
    models,
    session: aud === sessionAudience,
  };
}

/** JSON that says the same when written again: that leaves no duplicate member and no second spelling. */
function parseCanonicalObject(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw unauthenticated("payload is not JSON");
  }
  if (!isObject(value)) throw unauthenticated("payload is not an object");
  if (JSON.stringify(value) !== text) throw unauthenticated("payload is not canonical JSON");
  return value;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isTime(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}
