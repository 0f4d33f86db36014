// Credentials that are no good, one way each, signed by a gateway's own key where that needs one.
import { Buffer } from "node:buffer";
import { createPrivateKey, randomUUID, sign } from "node:crypto";

/** The private key as the gateway keeps it: an Ed25519 JWK (RFC 8037). */
type SigningJwk = { readonly kid: string; readonly x: string; readonly d?: string };

/** What bad credentials are made of. */
export type RefusedParts = {
  readonly jwk: SigningJwk;
  /** A good key. */
  readonly victim: string;
  /** Another good key, whose signature does not fit the victim. */
  readonly otherOf: (at: number) => string;
};

/** What is wrong, and what makes the nth such credential. */
export type Refused = readonly (readonly [reason: string, make: (at: number) => string])[];

/** Each reason for which a credential is refused. */
export function createRefused({ jwk, victim, otherOf }: RefusedParts): Refused {
  const { kid, x, d = "" } = jwk;
  const privateKey = createPrivateKey({ key: { kty: "OKP", crv: "Ed25519", x, d }, format: "jwk" });
  const claims = JSON.parse(Buffer.from(victim.split(".")[1] ?? "", "base64url").toString("utf8"));
  const resign = (changes: object, header: object = { alg: "EdDSA", kid }) => {
    const signed = `${toSegment(header)}.${toSegment({ ...claims, ...changes })}`;
    return `sk-optamil-${signed}.${sign(null, Buffer.from(signed), privateKey).toString("base64url")}`;
  };
  const expired = resign({ exp: 1_000 });
  const unsigned = resign({}, { alg: "none" });
  const foreign = resign({}, { alg: "EdDSA", kid: "zzz" });
  return [
    ["wrong signature", (at) => `${victim.slice(0, -86)}${otherOf(at).slice(-86)}`],
    ["expired", (at) => resign({ exp: 1_000 + at })],
    ["expired, again and again", () => expired],
    ["unknown jti", () => resign({ jti: randomUUID() })],
    ["another account", (at) => resign({ sub: toId(at) })],
    ["another audience", (at) => resign({ aud: `other${at}` })],
    ["not the characters of a key", () => "sk-optamil-none"],
    ["alg none", () => unsigned],
    ["another gateway's kid", () => foreign],
    ["10 kB", () => "A".repeat(10_000)],
  ];
}

function toSegment(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

function toId(at: number): string {
  return `0190b2c4-0000-7000-9000-${String(at).padStart(12, "0")}`;
}
