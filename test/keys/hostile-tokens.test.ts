import { Buffer } from "node:buffer";
import { createHmac, generateKeyPairSync, type KeyObject } from "node:crypto";
import * as fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import type { IssuedKey } from "../../src/keys/issue.ts";
import { OptamilError, toErrorBody } from "../../src/platform/errors.ts";
import {
  createKeyRing,
  decode,
  forge,
  type KeyRing,
  privateKeyOf,
  segmentsOf,
  toBase64url,
} from "./key-ring.ts";

const body = {
  error: {
    message:
      'Invalid or missing API key. Send it as "Authorization: Bearer sk-optamil-..." or "X-API-Key: sk-optamil-...".',
    type: "authentication_error",
    param: null,
    code: 401,
  },
};
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

let ring: KeyRing;
let issued: IssuedKey;
let privateKey: KeyObject;
let header: string;
let payload: string;
let signature: string;

beforeAll(async () => {
  ring = await createKeyRing();
  issued = await ring.issue();
  privateKey = privateKeyOf(ring.jwk);
  [header, payload, signature] = segmentsOf(issued.key);
});

function refusalOf(credential: string): OptamilError {
  try {
    ring.verifier.verify(credential);
  } catch (error) {
    if (error instanceof OptamilError) return error;
    throw error;
  }
  throw new Error(`it was accepted: ${credential}`);
}

function expectRefused(credential: string, reason?: string): void {
  const refusal = refusalOf(credential);
  expect(toErrorBody(refusal)).toEqual(body);
  if (reason !== undefined) expect(refusal.cause).toBe(reason);
}

/** The issued key's claims with changes, signed with the gateway's own key. */
function withClaims(changes: Record<string, unknown>): string {
  const claims: Record<string, unknown> = JSON.parse(decode(payload));
  return forge(decode(header), JSON.stringify({ ...claims, ...changes }), privateKey);
}

describe("a key whose header is not ours, though our own key signed it", () => {
  const headers: [string, (kid: string) => string][] = [
    ["alg none", (kid) => `{"alg":"none","kid":"${kid}"}`],
    ["alg None", (kid) => `{"alg":"None","kid":"${kid}"}`],
    ["alg nOnE", (kid) => `{"alg":"nOnE","kid":"${kid}"}`],
    ["alg HS256", (kid) => `{"alg":"HS256","kid":"${kid}"}`],
    ["alg Ed25519", (kid) => `{"alg":"Ed25519","kid":"${kid}"}`],
    ["alg ES256", (kid) => `{"alg":"ES256","kid":"${kid}"}`],
    ["alg missing", (kid) => `{"kid":"${kid}"}`],
    ["alg null", (kid) => `{"alg":null,"kid":"${kid}"}`],
    ["alg in a list", (kid) => `{"alg":["EdDSA"],"kid":"${kid}"}`],
    ["kid missing", () => `{"alg":"EdDSA"}`],
    ["a kid that is a path", () => `{"alg":"EdDSA","kid":"../"}`],
    ["a kid that is an absolute path", () => `{"alg":"EdDSA","kid":"/dev/null"}`],
    ["a kid that is SQL", (kid) => `{"alg":"EdDSA","kid":"${kid}' OR '1'='1"}`],
    ["a kid that is UNION SELECT", () => `{"alg":"EdDSA","kid":"x' UNION SELECT 'key'--"}`],
    ["a kid of the prototype", () => `{"alg":"EdDSA","kid":"__proto__"}`],
    ["a kid that is a number", () => `{"alg":"EdDSA","kid":1}`],
    ["another gateway's kid", () => `{"alg":"EdDSA","kid":"zzzzzzzz"}`],
    ["jku", (kid) => `{"alg":"EdDSA","kid":"${kid}","jku":"https://evil.example/jwks"}`],
    ["jwk", (kid) => `{"alg":"EdDSA","kid":"${kid}","jwk":{"kty":"OKP"}}`],
    ["x5u", (kid) => `{"alg":"EdDSA","kid":"${kid}","x5u":"https://evil.example/x"}`],
    ["x5c", (kid) => `{"alg":"EdDSA","kid":"${kid}","x5c":["MII"]}`],
    ["crit", (kid) => `{"alg":"EdDSA","kid":"${kid}","crit":["exp"]}`],
    ["b64 false", (kid) => `{"alg":"EdDSA","kid":"${kid}","b64":false,"crit":["b64"]}`],
    ["zip", (kid) => `{"alg":"EdDSA","kid":"${kid}","zip":"DEF"}`],
    ["typ", (kid) => `{"alg":"EdDSA","kid":"${kid}","typ":"JWT"}`],
    ["alg twice, ours last", (kid) => `{"alg":"none","alg":"EdDSA","kid":"${kid}"}`],
    ["kid twice, ours last", (kid) => `{"alg":"EdDSA","kid":"x","kid":"${kid}"}`],
    ["an escaped member twice", (kid) => `{"alg":"EdDSA","kid":"${kid}","k\\u0069d":"x"}`],
    ["white space inside", (kid) => `{"alg": "EdDSA","kid":"${kid}"}`],
    ["its members in another order", (kid) => `{"kid":"${kid}","alg":"EdDSA"}`],
    ["no JSON in it", () => "not json"],
    ["nothing in it", () => " "],
    ["a list in it", () => "[]"],
  ];

  it.each(headers)("is refused: %s", (_, toHeader) => {
    expectRefused(forge(toHeader(ring.jwk.kid), decode(payload), privateKey));
  });
});

describe("a key without our signature", () => {
  it("is refused when HS256 signed it with the public key as its secret", () => {
    const hmacHeader = toBase64url(`{"alg":"HS256","kid":"${ring.jwk.kid}"}`);
    for (const secret of [ring.jwk.x, Buffer.from(ring.jwk.x, "base64url")]) {
      const mac = createHmac("sha512", secret).update(`${hmacHeader}.${payload}`).digest();
      expectRefused(`sk-optamil-${hmacHeader}.${payload}.${mac.toString("base64url")}`);
    }
  });

  it("is refused when another gateway's key signed it under our kid", () => {
    const other = generateKeyPairSync("ed25519").privateKey;
    expectRefused(forge(decode(header), decode(payload), other), "signature is wrong");
  });

  it("is refused when the signature is empty, zero or of another token", async () => {
    const [, , other] = segmentsOf((await ring.issue()).key);
    for (const wrong of ["", "A".repeat(86), other]) {
      expectRefused(`sk-optamil-${header}.${payload}.${wrong}`);
    }
  });

  it("is refused when S of the signature has the group's order added (RFC 8032 §8.4)", () => {
    const order = 2n ** 252n + 27_742_317_777_372_353_535_851_937_790_883_648_493n;
    const bytes = Buffer.from(signature, "base64url");
    const s = BigInt(`0x${bytes.subarray(32).toReversed().reduce(toHex, "")}`) + order;
    const malleable = Buffer.from(s.toString(16).padStart(64, "0"), "hex").reverse();
    const again = Buffer.concat([bytes.subarray(0, 32), malleable]).toString("base64url");
    expectRefused(`sk-optamil-${header}.${payload}.${again}`, "signature is wrong");
  });

  it("is refused when any one character of it is another", () => {
    const change = fc.tuple(
      fc.nat({ max: issued.key.length - 1 }),
      fc.constantFrom(...alphabet, ".", "=", "+", "/", " ", "\n", "\0", "é"),
    );
    return fc.assert(
      fc.property(change, ([at, character]) => {
        fc.pre(issued.key[at] !== character);
        expectRefused(issued.key.slice(0, at) + character + issued.key.slice(at + 1));
      }),
    );
  });
});

describe("another spelling of a key that works", () => {
  it("is refused: 15 other last characters decode to the same signature", () => {
    const bytes = Buffer.from(signature, "base64url");
    const spellings = [...alphabet]
      .map((last) => signature.slice(0, -1) + last)
      .filter((spelling) => Buffer.from(spelling, "base64url").equals(bytes));
    expect(spellings).toHaveLength(16);
    const accepted = spellings.filter((spelling) => spelling === signature);
    expect(accepted).toHaveLength(1);
    for (const spelling of spellings) {
      const credential = `sk-optamil-${header}.${payload}.${spelling}`;
      if (spelling === signature) expect(ring.verifier.verify(credential)).toBeDefined();
      else expectRefused(credential, "segment is not canonical");
    }
  });

  const spellings: [string, (key: string) => string][] = [
    ["padding", (key) => `${key}==`],
    ["one sign of padding", (key) => `${key}=`],
    ["a trailing newline", (key) => `${key}\n`],
    ["a trailing carriage return", (key) => `${key}\r`],
    ["a trailing blank", (key) => `${key} `],
    ["a leading blank", (key) => ` ${key}`],
    ["a blank inside the signature", (key) => `${key.slice(0, -9)} ${key.slice(-9)}`],
    ["a newline inside the payload", (key) => key.replace(".", ".\n")],
    ["a null character at the end", (key) => `${key}\0`],
    ["a fourth segment", (key) => `${key}.`],
    ["a segment in front", (key) => key.replace("sk-optamil-", "sk-optamil-.")],
    ["no prefix", (key) => key.slice("sk-optamil-".length)],
    ["the prefix in capitals", (key) => key.replace("sk-optamil-", "SK-OPTAMIL-")],
    ["the prefix twice", (key) => `sk-optamil-${key}`],
    ["standard base64 for base64url", (key) => key.replaceAll("-", "+").replaceAll("_", "/")],
    ["a Bearer in front", (key) => `Bearer ${key}`],
  ];

  it.each(spellings)("is refused: %s", (_, respell) => {
    expect(ring.verifier.verify(issued.key)).toBeDefined();
    expectRefused(respell(issued.key));
  });
});

describe("a key with claims that are not ours, though our own key signed it", () => {
  const nowS = 1_780_000_000;
  const claims: [string, Record<string, unknown>, string][] = [
    ["another issuer", { iss: "other" }, "another issuer"],
    ["no issuer", { iss: undefined }, "another issuer"],
    ["another audience", { aud: "session" }, "another audience"],
    ["our audience in a list", { aud: ["api"] }, "another audience"],
    ["expired", { exp: nowS - 60 }, "expired"],
    ["valid in the future only", { nbf: nowS + 61 }, "not valid yet"],
    ["issued in the future", { iat: nowS + 61 }, "not valid yet"],
    ["issued in the future but valid before", { iat: nowS + 61, nbf: 0 }, "issued in the future"],
    ["an expiry that is a text", { exp: "2100000000" }, "iat or exp is not a time"],
    ["an expiry with a fraction", { exp: nowS + 0.5 }, "iat or exp is not a time"],
    ["no expiry", { exp: undefined }, "iat or exp is not a time"],
    ["an account that is no UUID", { sub: "../admin" }, "sub is not a UUID"],
    ["an id in capitals", { jti: "0190B2C4-0000-7000-8000-00000000000A" }, "jti is not a UUID"],
    [
      "an id that nobody registered",
      { jti: "0190b2c4-0000-7000-8000-00000000000a" },
      "not in the directory",
    ],
    ["another account", { sub: "0190b2c4-0000-7000-8000-000000000002" }, "another account's key"],
    ["a claim that we do not know", { lim: { rpm: 1 } }, "unknown claim"],
    ["models that are no list", { models: "auto" }, "models are not texts"],
    ["models that are numbers", { models: [1] }, "models are not texts"],
    ["scopes in a list", { scope: ["chat"] }, "plan or scope is not a text"],
  ];

  it.each(claims)("is refused: %s", (_, changes, reason) => {
    expectRefused(withClaims(changes), reason);
  });

  const texts: [string, (text: string) => string][] = [
    ["a member twice", (text) => text.replace("{", '{"sub":"x",')],
    ["an escaped member twice", (text) => text.replace("{", '{"s\\u0075b":"x",')],
    ["a __proto__", (text) => text.replace("{", '{"__proto__":{"admin":true},')],
    ["white space inside", (text) => text.replace(":", ": ")],
    ["a newline at its end", (text) => `${text}\n`],
    ["a number with an exponent", (text) => text.replace('"exp":2', '"exp":0.2e1')],
    ["a byte order mark", (text) => `\ufeff${text}`],
    ["a list", () => "[]"],
    ["null", () => "null"],
    ["no JSON", () => "{"],
    ["600 brackets", () => "[".repeat(600)],
  ];

  it.each(texts)("is refused when its payload is or has %s", (_, change) => {
    expectRefused(forge(decode(header), change(decode(payload)), privateKey));
  });
});

describe("a key of the wrong size or kind", () => {
  it("is refused above 1,024 characters, before anything else is looked at", () => {
    const long = withClaims({ models: ["m".repeat(700)] });
    expect(long.length).toBeGreaterThan(1_024);
    expectRefused(long, "too long");
    expectRefused(`sk-optamil-${"A".repeat(10_000)}.A.${"A".repeat(86)}`, "too long");
  });

  it.each(["", " ", ".", "..", "sk-optamil-", "sk-optamil-..", "null", "undefined", "sk-proj-abc"])(
    "is refused: %o",
    (credential) => {
      expectRefused(credential, "not the characters of a key");
    },
  );

  it("is refused with one body and no part of the credential, whatever text it is", () => {
    return fc.assert(
      fc.property(fc.string({ unit: "binary", minLength: 8, maxLength: 1_100 }), (credential) => {
        expectRefused(credential);
        expect(String(refusalOf(credential).cause)).not.toContain(credential);
      }),
    );
  });
});

function toHex(text: string, byte: number): string {
  return text + byte.toString(16).padStart(2, "0");
}
