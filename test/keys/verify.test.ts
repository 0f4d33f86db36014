import { beforeEach, describe, expect, it } from "vitest";
import {
  createSigningKeys,
  generateSigningJwk,
  type SigningJwk,
} from "../../src/keys/signing-keys.ts";
import { createVerifier } from "../../src/keys/verify.ts";
import { OptamilError } from "../../src/platform/errors.ts";
import { accountId, createKeyRing, type KeyRing } from "./key-ring.ts";

let ring: KeyRing;

beforeEach(async () => {
  ring = await createKeyRing();
});

/** A key pair whose kid is not the ring's, as it must be in one set. */
async function anotherJwk(): Promise<SigningJwk> {
  const { x, d = "" } = await generateSigningJwk();
  return { kid: "next", x, d };
}

const refused = expect.objectContaining({ code: "unauthenticated" });

describe("a key that works", () => {
  it("gives the caller what it was issued for", async () => {
    const expiresAt = 1_800_000_000;
    const { key, jti } = await ring.issue({
      scopes: ["chat", "admin"],
      models: ["auto", "gpt-5"],
      expiresAt,
    });
    expect(ring.verifier.verify(key)).toEqual({
      accountId,
      keyId: jti,
      plan: "pro",
      scopes: ["chat", "admin"],
      models: ["auto", "gpt-5"],
      expiresAt,
    });
  });

  it("allows every model when it was issued without a list", async () => {
    const { key } = await ring.issue({ models: [] });
    expect(ring.verifier.verify(key).models).toBeUndefined();
  });

  it("gives the same caller when it comes again, and after its minute in the cache", async () => {
    const { key } = await ring.issue();
    const caller = ring.verifier.verify(key);
    expect(ring.verifier.verify(key)).toBe(caller);
    ring.clock.nowMs += 60_000;
    const again = ring.verifier.verify(key);
    expect(again).not.toBe(caller);
    expect(again).toEqual(caller);
  });

  it("works until 60 s after its expiry, cached or not, and not a moment longer", async () => {
    const expiresAt = ring.clock.nowMs / 1_000 + 100;
    const { key } = await ring.issue({ expiresAt });
    ring.clock.nowMs = (expiresAt + 60) * 1_000 - 1;
    expect(ring.verifier.verify(key)).toBeDefined();
    ring.clock.nowMs += 1;
    expect(() => ring.verifier.verify(key)).toThrow(refused);
  });

  it("works on a replica whose clock is 60 s behind, and not on one further behind", async () => {
    const { key } = await ring.issue();
    ring.clock.nowMs -= 60_000;
    expect(ring.verifier.verify(key)).toBeDefined();
    ring.clock.nowMs -= 1;
    expect(() => ring.verifier.verify(key)).toThrow(refused);
  });
});

describe("a session's token", () => {
  it("is no key, and a key is no session's token: each is refused in the other's place", async () => {
    const { key: token } = await ring.issue({ session: true });
    const { key } = await ring.issue();
    expect(ring.verifier.verify(token, "session")).toMatchObject({ accountId, session: true });
    expect(ring.verifier.verify(key)).not.toHaveProperty("session");
    expect(() => ring.verifier.verify(token)).toThrow(refused);
    expect(() => ring.verifier.verify(key, "session")).toThrow(refused);
  });
});

describe("a key and the directory", () => {
  it("is refused at once when it is revoked, although it is cached", async () => {
    const { key, jti } = await ring.issue();
    expect(ring.verifier.verify(key)).toBeDefined();
    ring.registered.set(jti, { accountId, revokedAtUs: 1n });
    expect(() => ring.verifier.verify(key)).toThrow(refused);
  });

  it("is refused when the directory does not know it, although the signature is right", async () => {
    const { key, jti } = await ring.issue();
    ring.registered.delete(jti);
    expect(() => ring.verifier.verify(key)).toThrow(refused);
  });

  it("is refused with what the directory throws while it cannot answer", async () => {
    const { key } = await ring.issue();
    const unavailable = new OptamilError("service_unavailable", "Starting.");
    const verifier = createVerifier({
      jwks: ring.signingKeys,
      registry: {
        key: () => {
          throw unavailable;
        },
      },
      clock: ring.clock,
    });
    expect(() => verifier.verify(key)).toThrow(unavailable);
  });

  it("is asked for every call, and for a credential with a wrong signature of an id that nobody has", async () => {
    const { key, jti } = await ring.issue();
    const asked: string[] = [];
    const verifier = createVerifier({
      jwks: ring.signingKeys,
      registry: {
        key: (keyId) => {
          asked.push(keyId);
          return { accountId };
        },
      },
      clock: ring.clock,
    });
    verifier.verify(key);
    verifier.verify(key);
    expect(() => verifier.verify(`${key.slice(0, -10)}AAAAAAAAAA`)).toThrow(refused);
    expect(asked).toEqual([jti, jti, "00000000-0000-7000-8000-000000000000"]);
  });
});

describe("the rotation of signing keys", () => {
  it("keeps the keys of the previous one working while its public part is in the set", async () => {
    const { key: old } = await ring.issue();
    const next = await anotherJwk();
    const { kid, x } = ring.jwk;
    ring.signingKeys = await createSigningKeys({ signing: next.kid, keys: [next, { kid, x }] });
    const { key: young } = await ring.issue();
    expect(ring.verifier.verify(old)).toBeDefined();
    expect(ring.verifier.verify(young)).toBeDefined();
  });

  it("ends the keys of one that left the set at once, although they are cached", async () => {
    const { key } = await ring.issue();
    expect(ring.verifier.verify(key)).toBeDefined();
    const next = await anotherJwk();
    ring.signingKeys = await createSigningKeys({ signing: next.kid, keys: [next] });
    expect(() => ring.verifier.verify(key)).toThrow(refused);
  });
});
